/**
 * Where telemetry goes: an endpoint as it is given to OpenTelemetry's exporters, which is without the path of
 * the signal, and the headers that go with each request. Pure.
 */
import { DrainUrlInvalid, parseDrainUrl, type DrainAddress } from '../syslog/drain-url.ts'

/** What is wrong with an endpoint or its headers, in words for who gave it. */
export class EndpointInvalid extends Error {
  override readonly name = 'EndpointInvalid'
  readonly code = 'endpoint_invalid'
}

const logsPath = '/v1/logs'
/** As the Platform API's schema has them. */
const endpointCharsMax = 1000
const headersMax = 20
const headerName = /^[A-Za-z0-9_-]{1,100}$/
const headerCharsMax = 1000
/** Printable Latin-1, and no blank at either end (RFC 9110 §5.5). */
const headerValue = /^(?:[\x21-\x7e\xa0-\xff](?:[\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?)?$/
/** What says how a request and its answer are to be read is the sender's. */
const headersKept = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
])

/**
 * The address of an endpoint's logs.
 *
 * @throws EndpointInvalid
 */
export const parseEndpoint = (text: string): DrainAddress => {
  if (text.length > endpointCharsMax) throw invalid(`it is longer than ${endpointCharsMax} characters`)
  if (!/^https?:\/\//i.test(text)) throw invalid('it is no http or https URL')
  const address = parsed(text)
  const [, path = '', query = ''] = /^([^?]*)(.*)$/s.exec(address.target) ?? []
  const base = path.replace(/\/+$/, '')
  return { ...address, target: `${base.endsWith(logsPath) ? base : base + logsPath}${query}` }
}

const parsed = (text: string): DrainAddress => {
  try {
    return parseDrainUrl(text)
  } catch (error) {
    throw error instanceof DrainUrlInvalid ? invalid(error.why) : error
  }
}

const invalid = (why: string): EndpointInvalid =>
  new EndpointInvalid(`Invalid endpoint: ${why} (allowed: http://host:port/path, https://host:port/path)`)

/** @throws EndpointInvalid */
export const checkHeaders = (headers: Readonly<Record<string, string>>): void => {
  const names = Object.keys(headers)
  if (names.length > headersMax) throw invalidHeaders(`there are ${names.length}`, `${headersMax} at most`)
  const seen = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    const shown = JSON.stringify(name.slice(0, 100))
    const key = name.toLowerCase()
    if (!headerName.test(name)) throw invalidHeaders(`the name ${shown}`, '1 to 100 of A-Z a-z 0-9 - _')
    if (headersKept.has(key)) throw invalidHeaders(`${shown} is set by the platform`, 'any other')
    if (seen.has(key)) throw invalidHeaders(`${shown} is there twice`, 'each once, in whatever case')
    if (value.length > headerCharsMax || !headerValue.test(value))
      throw invalidHeaders(
        `the value of ${shown}`,
        `${headerCharsMax} printable characters at most, without a blank at either end`,
      )
    seen.add(key)
  }
}

const invalidHeaders = (what: string, allowed: string): EndpointInvalid =>
  new EndpointInvalid(`Invalid headers: ${what} (allowed: ${allowed})`)
