/**
 * Kit for the HTTP/1.1 state machines: raw texts to bytes, bytes cut in every way, and a request's outcome
 * as one text to compare.
 */
import { BodyReader } from '../../src/http1/body.ts'
import { HeadParser, requestRules } from '../../src/http1/head-parser.ts'
import { requestLimits } from '../../src/http1/limits.ts'
import { readRequestHead } from '../../src/http1/request-head.ts'
import { rewriteRequest } from '../../src/http1/rewrite.ts'

export const crlf = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')

/** Feeds the pieces as one connection would: a head, then its body, then what is left over. */
export function parseRequest(pieces: readonly Buffer[]): string {
  const parser = new HeadParser(requestRules(requestLimits))
  const body = new BodyReader()
  let out = ''
  let rest = Buffer.alloc(0)
  let relayed = ''
  let stage: 'head' | 'body' | 'rest' = 'head'
  for (const piece of pieces) {
    let at = 0
    if (stage === 'head') {
      const outcome = parser.feed(piece, 0)
      if (outcome === 'more') continue
      if (outcome === 'fault') return `fault ${parser.fault?.code}`
      const head = readRequestHead(parser)
      if ('code' in head) return `fault ${head.code}`
      const next = rewriteRequest(parser, head, 'Via: us\r\n', { keepExpect: false })
      const { nominated, ...facts } = head
      out = `${JSON.stringify({ ...facts, nominated: [...(nominated ?? [])] })}\n`
      out += next.toString('latin1')
      body.begin(head.framing)
      stage = body.done ? 'rest' : 'body'
      at = parser.consumed
    }
    if (stage === 'body' && at < piece.length) {
      relayed += body.take(piece, at).toString('latin1')
      if (body.fault !== null) return `${out}fault ${body.fault.code}`
      at = body.consumed
      if (body.done) stage = 'rest'
    }
    if (stage === 'rest') rest = Buffer.concat([rest, piece.subarray(at)])
  }
  if (stage === 'head') return 'more'
  return `${out}[${unchunk(relayed)}] ${stage === 'rest' ? 'done' : 'more'} rest=${rest.toString('latin1')}`
}

/** Chunk boundaries may move with the pieces; what they carry and how they end may not. */
export function unchunk(relayed: string): string {
  if (!/^[0-9a-f]+\r\n/i.test(relayed)) return relayed
  let data = ''
  let at = 0
  for (;;) {
    const end = relayed.indexOf('\r\n', at)
    if (end < 0) return `${data}…`
    const size = Number.parseInt(relayed.slice(at, end), 16)
    if (size === 0) return `${data}|${relayed.slice(end + 2)}`
    data += relayed.slice(end + 2, end + 2 + size)
    at = end + 4 + size
  }
}

export const byteByByte = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.from([byte]))

/** Whole, byte by byte, and cut once at every point. */
export function everySplit(bytes: Buffer): Buffer[][] {
  const ways: Buffer[][] = [[bytes], byteByByte(bytes)]
  for (let at = 1; at < bytes.length; at += 1) ways.push([bytes.subarray(0, at), bytes.subarray(at)])
  return ways
}

/** The outcome, which must be the same for all of them. */
export function sameAtEverySplit(bytes: Buffer): string {
  const whole = parseRequest([bytes])
  for (const pieces of everySplit(bytes)) {
    const got = parseRequest(pieces)
    if (got === whole) continue
    throw new Error(
      `cut after ${pieces[0]?.length} of ${JSON.stringify(bytes.toString('latin1'))}:\n${got}\n${whole}`,
    )
  }
  return whole
}
