/**
 * Writes the head that goes on to the next hop: everything the sender wrote, in its order, case and
 * repetition, but for hop-by-hop headers, those the sender nominated, and those the router owns, which
 * are made anew (RFC 9110 §7.6.1). Framing headers are never copied.
 *
 * Runs of untouched headers are copied in one go, so a usual head costs a few copies and one string.
 */
import { chunked } from './body.ts'
import { latin1 } from './bytes.ts'
import type { HeadParser } from './head-parser.ts'
import { stride } from './head-parser.ts'
import { kind } from './header-kind.ts'
import type { RequestHead } from './request-head.ts'
import type { ResponseHead } from './response-head.ts'

const hopByHop = [
  kind.connection,
  kind.keepAlive,
  kind.proxyConnection,
  kind.proxyAuthorization,
  kind.te,
  kind.transferEncoding,
  kind.contentLength,
  kind.upgrade,
  kind.http2Settings,
  kind.via,
]
const ownedRequest = [
  kind.forwardedFor,
  kind.forwardedProto,
  kind.forwardedPort,
  kind.requestStart,
  kind.requestId,
  kind.expect,
]
const droppedFromRequest = kinds([...hopByHop, ...ownedRequest])
const droppedKeepingExpect = kinds([...hopByHop, ...ownedRequest.filter((id) => id !== kind.expect)])
const droppedFromResponse = kinds(hopByHop)

// Heads are written one behind the other into a slab: a view of it is all that has to be made for each.
const slabBytes = 32_768
const slabHeadBytesMax = 8192
let slab = Buffer.allocUnsafeSlow(slabBytes)
let slabUsed = 0

/** The request head for the next hop. `added` are the router's own lines, each ended by CRLF. */
export function rewriteRequest(
  parser: HeadParser,
  head: RequestHead,
  added: string,
  options: { readonly keepExpect: boolean },
): Buffer {
  let lines = added
  if (head.framing === chunked) lines += 'Transfer-Encoding: chunked\r\n'
  else if (head.lengthGiven) lines += `Content-Length: ${head.framing}\r\n`
  // A line as it should go on needs no rewriting: "METHOD target HTTP/1.1" with nothing to take off.
  const lineBytes = parser.lineEnd - parser.lineStart
  const asIs = head.minor === 1 && lineBytes === head.method.length + head.target.length + 10
  const line = asIs ? '' : `${head.method} ${head.target} HTTP/1.1\r\n`
  const drop = options.keepExpect ? droppedKeepingExpect : droppedFromRequest
  return write(parser, line, lines, drop, head.nominated, null)
}

/**
 * The response head for the client, with `body`, its first bytes, behind it. `added` as above; `unchunked`:
 * the body is relayed without chunks, to a client that knows none, and ends when the connection closes.
 */
export function rewriteResponse(
  parser: HeadParser,
  head: ResponseHead,
  added: string,
  options: { readonly unchunked: boolean; readonly body: Buffer | null },
): Buffer {
  let lines = added
  if (head.isChunked) {
    if (!options.unchunked) lines += 'Transfer-Encoding: chunked\r\n'
  } else if (head.length >= 0) lines += `Content-Length: ${head.length}\r\n`
  let line = ''
  if (head.minor === 0 || parser.lineEnd - parser.lineStart === 12) {
    const reason = latin1(parser.bytes, parser.lineStart + 13, parser.lineEnd)
    line = `HTTP/1.1 ${head.status} ${reason}\r\n`
  }
  return write(parser, line, lines, droppedFromResponse, head.nominated, options.body)
}

function write(
  parser: HeadParser,
  line: string,
  added: string,
  drop: Uint8Array,
  nominated: ReadonlySet<string> | null,
  body: Buffer | null,
): Buffer {
  const { bytes, offsets, count } = parser
  const sectionEnd = parser.headEnd - 2
  const bodyBytes = body === null ? 0 : body.length
  // What is dropped is not known yet, so this is room enough and rarely a little more.
  const size = line.length + (parser.headEnd - parser.lineStart) + added.length + bodyBytes
  const own = size > slabHeadBytesMax
  if (!own && slabUsed + size > slabBytes) {
    slab = Buffer.allocUnsafeSlow(slabBytes)
    slabUsed = 0
  }
  const buffer = own ? Buffer.allocUnsafeSlow(size) : slab
  const begin = own ? 0 : slabUsed
  let length = begin
  if (line !== '') length += buffer.write(line, length, 'latin1')
  // Start of the run of bytes that are kept and not yet copied.
  let run = line === '' ? parser.lineStart : parser.headersStart
  for (let i = 0, slot = 0; i < count; i += 1, slot += stride) {
    const dropped =
      drop[offsets[slot + 4] as number] === 1 ||
      (nominated !== null && nominated.has(latin1(bytes, offsets[slot], offsets[slot + 1]).toLowerCase()))
    if (!dropped) continue
    const start = offsets[slot] as number
    if (start > run) length += bytes.copy(buffer, length, run, start)
    run = i + 1 < count ? (offsets[slot + stride] as number) : sectionEnd
  }
  if (sectionEnd > run) length += bytes.copy(buffer, length, run, sectionEnd)
  length += buffer.write(added, length, 'latin1')
  buffer[length] = 0x0d
  buffer[length + 1] = 0x0a
  length += 2
  if (body !== null) length += body.copy(buffer, length)
  if (!own) slabUsed = length
  return buffer.subarray(begin, length)
}

function kinds(ids: readonly number[]): Uint8Array {
  const set = new Uint8Array(32)
  for (const id of ids) set[id] = 1
  return set
}
