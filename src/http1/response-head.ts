/**
 * What a router must know of a response before it relays it, from the parser's positions (RFC 9112 §4, §6).
 */
import { eachListElement, equalsIgnoreCase, isHttp1, latin1, readDecimal, SP } from './bytes.ts'
import type { Framing } from './body.ts'
import { chunked, untilClose } from './body.ts'
import type { Fault } from './fault.ts'
import { faults } from './fault.ts'
import type { HeadParser } from './head-parser.ts'
import { stride } from './head-parser.ts'
import { kind } from './header-kind.ts'

/** A response as far as relaying needs it. */
export type ResponseHead = {
  readonly status: number
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minor: 0 | 1
  /** How the body that follows ends; 0 for HEAD, 1xx, 204 and 304, whatever the headers say. */
  readonly framing: Framing
  /** What Content-Length said, -1 when there was none (or chunked overrides it). */
  readonly length: number
  readonly isChunked: boolean
  /** The sender will close the connection after this response. */
  readonly close: boolean
  /** `Keep-Alive: timeout=n` in seconds, or -1. */
  readonly keepAliveSeconds: number
  readonly upgrade: string
  readonly hasDate: boolean
  readonly hasServer: boolean
  readonly via: string
  readonly nominated: ReadonlySet<string> | null
}

const closeToken = Buffer.from('close')
const keepAliveToken = Buffer.from('keep-alive')
const upgradeToken = Buffer.from('upgrade')
const chunkedToken = Buffer.from('chunked')
const identityToken = Buffer.from('identity')
const protectedNames = new Set([
  'content-length',
  'transfer-encoding',
  'set-cookie',
  'content-type',
  'via',
  'date',
])

/** Reads a parsed response head to a request of `method`, or says why it can't be relayed. */
export function readResponseHead(parser: HeadParser, method: string): ResponseHead | Fault {
  const { bytes, offsets, count } = parser
  const status = readStatusLine(bytes, parser.lineStart, parser.lineEnd)
  if (status === 0) return faults['bad-status-line']
  const minor = bytes[parser.lineStart + 7] === 0x31 ? 1 : 0

  let length = -1
  let isChunked = false
  let close = false
  let keep = false
  let keepAliveSeconds = -1
  let upgrade = ''
  let hasDate = false
  let hasServer = false
  let via = ''
  let nominated: Set<string> | null = null

  for (let i = 0, slot = 0; i < count; i += 1, slot += stride) {
    const id = offsets[slot + 4]
    if (id === kind.other) continue
    const start = offsets[slot + 2] as number
    const end = offsets[slot + 3] as number
    switch (id) {
      case kind.contentLength: {
        const value = readDecimal(bytes, start, end)
        if (value < 0 || (length >= 0 && length !== value)) return faults['bad-content-length']
        length = value
        break
      }
      case kind.transferEncoding: {
        if (equalsIgnoreCase(bytes, start, end, identityToken)) break
        if (isChunked || minor === 0 || !equalsIgnoreCase(bytes, start, end, chunkedToken)) {
          return faults['bad-transfer-encoding']
        }
        isChunked = true
        break
      }
      case kind.connection: {
        eachListElement(bytes, start, end, (from, to) => {
          if (equalsIgnoreCase(bytes, from, to, closeToken)) close = true
          else if (equalsIgnoreCase(bytes, from, to, keepAliveToken)) keep = true
          else if (!equalsIgnoreCase(bytes, from, to, upgradeToken)) {
            const name = latin1(bytes, from, to).toLowerCase()
            if (!protectedNames.has(name)) (nominated ??= new Set()).add(name)
          }
          return true
        })
        break
      }
      case kind.keepAlive: {
        const timeout = /timeout=(\d{1,6})/i.exec(latin1(bytes, start, end))
        if (timeout !== null) keepAliveSeconds = Number(timeout[1])
        break
      }
      case kind.upgrade:
        upgrade = latin1(bytes, start, end)
        break
      case kind.date:
        hasDate = true
        break
      case kind.server:
        hasServer = true
        break
      case kind.via: {
        const value = latin1(bytes, start, end)
        via = via === '' ? value : `${via}, ${value}`
        break
      }
      default:
    }
  }

  const bodyless = method === 'HEAD' || status === 204 || status === 304 || status < 200
  return {
    status,
    minor,
    framing: bodyless ? 0 : isChunked ? chunked : length >= 0 ? length : untilClose,
    length: isChunked ? -1 : length,
    isChunked,
    // Both framings at once: chunked wins, and nothing more is believed of this connection.
    close: close || (minor === 0 && !keep) || (isChunked && length >= 0),
    keepAliveSeconds,
    upgrade,
    hasDate,
    hasServer,
    via,
    nominated,
  }
}

/** "HTTP/1.x SP 3DIGIT", then nothing or SP and a reason, which may be missing; 0 when it is not that. */
function readStatusLine(bytes: Buffer, start: number, end: number): number {
  if (end - start < 12 || bytes[start + 8] !== SP) return 0
  if (!isHttp1(bytes, start)) return 0
  if (end - start > 12 && bytes[start + 12] !== SP) return 0
  const status = readDecimal(bytes, start + 9, start + 12)
  return status >= 100 ? status : 0
}
