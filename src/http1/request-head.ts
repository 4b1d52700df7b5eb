/**
 * What a router must know of a request before it forwards a byte: read from the parser's positions,
 * and refused where the framing or the Host could be understood in two ways (RFC 9112 §3, §6).
 */
import { domainToASCII } from 'node:url'
import {
  allIn,
  eachListElement,
  equalsIgnoreCase,
  hexValue,
  isHostByte,
  isHttp1,
  isTargetByte,
  isTokenByte,
  latin1,
  readDecimal,
  SP,
} from './bytes.ts'
import type { Fault } from './fault.ts'
import { faults } from './fault.ts'
import type { Framing } from './body.ts'
import { chunked } from './body.ts'
import { kind } from './header-kind.ts'
import type { HeadParser } from './head-parser.ts'
import { stride } from './head-parser.ts'
import { methodBytesMax } from './limits.ts'

/** A request as far as routing needs it. Strings are made only of what is read here. */
export type RequestHead = {
  readonly method: string
  /** Origin-form with its query, as sent, without scheme, authority and fragment. */
  readonly target: string
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minor: 0 | 1
  /** Lower case, without port and trailing dot: what routes are looked up by. */
  readonly host: string
  readonly framing: Framing
  /** A Content-Length was there, be it 0: a POST without one and a POST of 0 bytes differ to servers. */
  readonly lengthGiven: boolean
  readonly keepAlive: boolean
  readonly expect: 'none' | 'continue' | 'other'
  /** Connection or Expect make no sense. The framing is clear, so it can be said in the app's log. */
  readonly isBad: boolean
  /** The Upgrade header's value when the client asks to leave HTTP, else empty. */
  readonly upgrade: string
  readonly requestId: string
  /** The client's own X-Forwarded-For lines, joined in order. */
  readonly forwardedFor: string
  readonly via: string
  /** Header names the client nominated as hop-by-hop, lower case; null for the usual none. */
  readonly nominated: ReadonlySet<string> | null
  /** True for a client that would rather read JSON than HTML when we answer ourselves. */
  readonly acceptsJson: boolean
}

const closeToken = Buffer.from('close')
const keepAliveToken = Buffer.from('keep-alive')
const upgradeToken = Buffer.from('upgrade')
const chunkedToken = Buffer.from('chunked')
const continueToken = Buffer.from('100-continue')
const hopTokens = new Set(['te', 'http2-settings', 'proxy-connection', 'transfer-encoding'])

// What a client may not have removed by naming it in Connection: framing, routing, identity and what
// the router itself adds (a known way to spoof or to strip X-Forwarded-For behind a proxy).
const protectedNames = new Set([
  'host',
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'forwarded',
  'via',
])

/** Reads a parsed request head, or says why it is refused. */
export function readRequestHead(parser: HeadParser): RequestHead | Fault {
  const { bytes, offsets, count } = parser
  const line = readRequestLine(bytes, parser.lineStart, parser.lineEnd)
  if ('code' in line) return line

  let hosts = 0
  let host = ''
  let length = -3
  let transferEncodings = 0
  let close = false
  let keep = false
  let wantsUpgrade = false
  let upgrade = ''
  let expect: RequestHead['expect'] = 'none'
  let isBad = false
  let requestId = ''
  let forwardedFor = ''
  let via = ''
  let nominated: Set<string> | null = null
  let acceptsJson = false

  for (let i = 0, slot = 0; i < count; i += 1, slot += stride) {
    const id = offsets[slot + 4]
    if (id === kind.other) continue
    const start = offsets[slot + 2] as number
    const end = offsets[slot + 3] as number
    switch (id) {
      case kind.host: {
        hosts += 1
        host = readHost(bytes, start, end)
        if (hosts > 1 || host === '') return faults['bad-host']
        if (line.authority !== '' && line.authority !== latin1(bytes, start, end).toLowerCase()) {
          return faults['bad-host']
        }
        break
      }
      case kind.contentLength: {
        const value = readDecimal(bytes, start, end)
        if (value < 0 || (length >= 0 && length !== value)) return faults['bad-content-length']
        length = value
        break
      }
      case kind.transferEncoding: {
        transferEncodings += 1
        if (transferEncodings > 1 || line.minor === 0) return faults['bad-transfer-encoding']
        if (!equalsIgnoreCase(bytes, start, end, chunkedToken)) return faults['bad-transfer-encoding']
        break
      }
      case kind.connection: {
        const wellFormed = eachListElement(bytes, start, end, (from, to) => {
          if (equalsIgnoreCase(bytes, from, to, closeToken)) close = true
          else if (equalsIgnoreCase(bytes, from, to, keepAliveToken)) keep = true
          else if (equalsIgnoreCase(bytes, from, to, upgradeToken)) wantsUpgrade = true
          else {
            if (!allIn(bytes, from, to, isTokenByte)) return false
            const name = latin1(bytes, from, to).toLowerCase()
            if (mayNominate(name)) (nominated ??= new Set()).add(name)
          }
          return true
        })
        if (!wellFormed) isBad = true
        break
      }
      case kind.upgrade:
        upgrade = upgrade === '' ? latin1(bytes, start, end) : `${upgrade}, ${latin1(bytes, start, end)}`
        break
      case kind.expect: {
        if (start === end) break
        if (equalsIgnoreCase(bytes, start, end, continueToken)) expect = 'continue'
        else if (allIn(bytes, start, end, isExpectByte)) expect = 'other'
        else isBad = true
        break
      }
      case kind.requestId:
        requestId = requestId === '' ? latin1(bytes, start, end) : ' '
        break
      case kind.forwardedFor:
        forwardedFor = joined(forwardedFor, latin1(bytes, start, end))
        break
      case kind.via:
        via = joined(via, latin1(bytes, start, end))
        break
      case kind.accept:
        acceptsJson = prefersJson(latin1(bytes, start, end))
        break
      default:
    }
  }

  if (hosts === 0) return faults['bad-host']
  if (wantsUpgrade && upgrade === '') isBad = true
  // Upgrading to h2c through a proxy is a way around everything the proxy checks: it is not offered.
  const upgrading = wantsUpgrade && !/\bh2c?\b/i.test(upgrade)
  return {
    method: line.method,
    target: line.target,
    minor: line.minor,
    host,
    framing: transferEncodings === 1 ? chunked : Math.max(0, length),
    lengthGiven: length >= 0,
    // Both framings at once is one sender's smuggling attempt and another's mistake: chunked wins, as on
    // Heroku, and the connection is not used again (RFC 9112 §6.3).
    keepAlive: !isBad && !close && (line.minor === 1 || keep) && !(transferEncodings === 1 && length >= 0),
    expect: line.minor === 1 ? expect : 'none',
    isBad,
    upgrade: upgrading ? upgrade : '',
    requestId,
    forwardedFor,
    via,
    nominated,
    acceptsJson,
  }
}

type RequestLine = { method: string; target: string; minor: 0 | 1; authority: string }

function readRequestLine(bytes: Buffer, start: number, end: number): RequestLine | Fault {
  let at = start
  while (at < end && isTokenByte[bytes[at] as number] === 1) at += 1
  if (at === start || at - start > methodBytesMax) return faults['bad-method']
  if (bytes[at] !== SP) return faults['bad-request-line']
  const method = readMethod(bytes, start, at)
  if (method === 'CONNECT') return faults['bad-method']

  const targetStart = at + 1
  at = targetStart
  let hash = -1
  while (at < end && isTargetByte[bytes[at] as number] === 1) {
    if (bytes[at] === 0x23 && hash < 0) hash = at
    at += 1
  }
  if (at === targetStart) return faults['bad-request-line']
  if (bytes[at] !== SP || at >= end) return at < end ? faults['bad-target'] : faults['bad-request-line']
  const minor = readVersion(bytes, at + 1, end)
  if (typeof minor !== 'number') return minor

  let target = latin1(bytes, targetStart, hash < 0 ? at : hash)
  let authority = ''
  if (bytes[targetStart] !== 0x2f) {
    const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target)
    if (absolute !== null) {
      authority = (absolute[1] as string).toLowerCase()
      const rest = absolute[2] as string
      target = rest.startsWith('/') ? rest : `/${rest}`
    } else if (target !== '*' || method !== 'OPTIONS') {
      return faults['bad-target']
    }
  }
  return { method, target, minor, authority }
}

/** The common methods without making a new string. */
function readMethod(bytes: Buffer, start: number, end: number): string {
  const length = end - start
  if (length === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) {
    return 'GET'
  }
  return latin1(bytes, start, end)
}

/** "HTTP/1.0" or "HTTP/1.1"; another digit.digit is a version we don't speak, all else is no HTTP. */
function readVersion(bytes: Buffer, start: number, end: number): 0 | 1 | Fault {
  if (end - start === 8 && isHttp1(bytes, start)) return bytes[start + 7] === 0x31 ? 1 : 0
  return /^HTTP\/\d+\.\d+$/.test(latin1(bytes, start, Math.min(end, start + 16)))
    ? faults['bad-version']
    : faults['bad-request-line']
}

/** A valid authority's host in the form routes are looked up by, or empty. */
function readHost(bytes: Buffer, start: number, end: number): string {
  let stop = end
  let at = start
  let isAscii = true
  if (bytes[start] === 0x5b && start < end) {
    const close = bytes.indexOf(0x5d, start)
    if (close < 0 || close >= end) return ''
    for (let i = start + 1; i < close; i += 1) {
      const byte = bytes[i] as number
      if (hexValue[byte] === 255 && byte !== 0x3a && byte !== 0x2e) return ''
    }
    at = close + 1
    stop = at
  } else {
    for (; at < end; at += 1) {
      const byte = bytes[at] as number
      if (byte >= 0x80) isAscii = false
      else if (isHostByte[byte] === 0) break
    }
    stop = at
  }
  if (at < end) {
    if (bytes[at] !== 0x3a || end - at > 6) return ''
    for (let i = at + 1; i < end; i += 1) if (readDecimal(bytes, i, i + 1) < 0) return ''
  }
  if (!isAscii) return internationalHost(bytes, start, stop)
  if (stop > start && bytes[stop - 1] === 0x2e) stop -= 1
  return latin1(bytes, start, stop).toLowerCase()
}

/** A name in UTF-8 is the one that its ASCII form names; of an escape there can be two opinions. */
function internationalHost(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end)
  return text.includes('%') ? '' : domainToASCII(text).replace(/\.$/, '')
}

function mayNominate(name: string): boolean {
  return !protectedNames.has(name) && !name.startsWith('x-forwarded-') && !name.startsWith('x-request-')
    ? !hopTokens.has(name)
    : false
}

// An expectation is a token with optional parameters; letters, digits and =;"-, cover what anyone sends.
const isExpectByte = new Uint8Array(256)
for (let byte = 0; byte < 256; byte += 1) isExpectByte[byte] = isTokenByte[byte] as number
for (const character of '=; "') isExpectByte[character.charCodeAt(0)] = 1

function prefersJson(accept: string): boolean {
  const json = accept.search(/application\/(?:[\w.-]+\+)?json/i)
  if (json < 0) return false
  const html = accept.search(/text\/html/i)
  return html < 0 || json < html
}

function joined(before: string, more: string): string {
  if (more === '') return before
  return before === '' ? more : `${before}, ${more}`
}
