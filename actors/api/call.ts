/**
 * Call: one request as it comes over NATS, taken apart. Pure.
 *
 *   {"params":{"app":"hello"},"body":{"maintenance":true},"query":{},"range":"version ..; max=1"}
 *   {"app":"hello","maintenance":true}     the same, flat: path params are picked out, the rest is the body
 */
import { checker, type Check } from '../../src/runtime/index.ts'
import { paramNames, type Endpoint } from './endpoint.ts'
import { ApiError, invalid } from './errors.ts'

export type Call = {
  readonly params: Readonly<Record<string, string>>
  readonly body: unknown
  readonly query: Readonly<Record<string, string>>
  readonly range: string | undefined
}

const structured = new Set(['params', 'body', 'query', 'range'])

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads calls of one endpoint; its body schema is compiled once. Throws `bad_request` and
 * `invalid_params`.
 */
export const callReader = (endpoint: Endpoint): ((bytes: Uint8Array) => Call) => {
  const names = paramNames(endpoint.http.path)
  const check = endpoint.body === undefined ? undefined : checker(endpoint.body)
  return (bytes) => {
    const fields = parse(bytes)
    const flat = !Object.keys(fields).every((name) => structured.has(name))
    const given = flat ? fields : textsOf(fields['params'], 'params')
    const params = Object.fromEntries(names.map((name) => [name, required(given[name], name)]))
    const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
    const body = (flat ? rest : fields['body']) ?? {}
    if (check !== undefined) checkBody(check, body)
    const range = flat ? undefined : fields['range']
    return {
      params,
      body,
      query: flat ? {} : textsOf(fields['query'], 'query'),
      range: typeof range === 'string' ? range : undefined,
    }
  }
}

const parse = (bytes: Uint8Array): Fields => {
  if (bytes.length === 0) return {}
  const value = parseJson(textIn(bytes))
  if (!isFields(value)) throw new ApiError('bad_request', 'The request must be a JSON object.')
  return value
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** What is no text would be stored as another one. */
export const textIn = (bytes: Uint8Array): string => {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw new ApiError('bad_request', 'The request is not UTF-8.', { cause: error })
  }
}

/** JSON or Heroku's 400. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text, isHalfEscaped.test(text) ? wellFormed : undefined)
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new ApiError('bad_request', 'Unable to parse the JSON of the request.', { cause: error })
  }
}

const isHalfEscaped = /\\u[dD][89a-fA-F]/

const wellFormed = (name: string, value: unknown): unknown => {
  if (name.isWellFormed() && (typeof value !== 'string' || value.isWellFormed())) return value
  throw new ApiError('bad_request', 'The request holds half of a surrogate pair, which is no text.')
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const textsOf = (value: unknown, what: string): Readonly<Record<string, string>> => {
  if (value === undefined) return {}
  if (!isFields(value)) throw new ApiError('bad_request', `${what} must be an object.`)
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
}

const required = (value: unknown, name: string): string => {
  if (typeof value === 'string' && value !== '') return value
  throw invalid(`Require params: ${name}.`)
}

const checkBody = (check: Check, body: unknown): void => {
  const wrong = check(body)
  if (wrong === undefined) return
  const [, missing] = /^must have required propert(?:y|ies) (.*)$/.exec(wrong.want) ?? []
  const at = wrong.path.split('/').filter((step) => step !== '')
  if (missing !== undefined) throw invalid(`Require params: ${[...at, missing].join('.')}.`)
  throw invalid(`Invalid params: ${at.join('.') || 'body'} ${wrong.want}.`)
}
