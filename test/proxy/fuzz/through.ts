/**
 * The HTTP/1.1 state machines by themselves, driven as the proxy drives them: what comes out for the next
 * hop, one message after the other, and how it ends.
 */
import { BodyReader, untilClose } from '../../../src/http1/body.ts'
import { HeadParser, requestRules, responseRules } from '../../../src/http1/head-parser.ts'
import { requestLimits, responseLimits } from '../../../src/http1/limits.ts'
import { readRequestHead } from '../../../src/http1/request-head.ts'
import { readResponseHead } from '../../../src/http1/response-head.ts'
import { rewriteRequest, rewriteResponse } from '../../../src/http1/rewrite.ts'

export type Through = {
  /** Raw text of each message that was whole; null: a request that the proxy answers itself. */
  readonly whole: readonly (string | null)[]
  /** Of the one that was not. */
  readonly begun: string
  /** Of all requests whose head was taken, in order. */
  readonly methods: readonly string[]
  /** `more`: bytes are missing. `closed`: no more is read, as it should be. Else a fault's code. */
  readonly end: string
}

export const piecesOf = (text: string, cuts: readonly number[]): readonly Buffer[] => {
  const bytes = Buffer.from(text, 'latin1')
  const points = cuts.map((cut) => Math.floor((cut / 1000) * bytes.length)).sort((a, b) => a - b)
  return [0, ...points].map((from, at) => bytes.subarray(from, points[at] ?? bytes.length))
}

/** All of a client's bytes, as long as the connection would be read. */
export const requestsThrough = (pieces: readonly Buffer[]): Through => {
  const parser = new HeadParser(requestRules(requestLimits))
  const body = new BodyReader()
  const whole: (string | null)[] = []
  let begun = ''
  let inBody = false
  let closing = false
  const methods: string[] = []
  const finish = (): void => {
    whole.push(begun)
    begun = ''
    inBody = false
  }
  for (const piece of pieces) {
    let at = 0
    while (at < piece.length) {
      if (closing && !inBody) return { whole, begun, methods, end: 'closed' }
      if (!inBody) {
        const outcome = parser.feed(piece, at)
        if (outcome === 'more') break
        const head = outcome === 'fault' ? parser.fault : readRequestHead(parser)
        if (head === null || 'code' in head) return { whole, begun, methods, end: head?.code ?? 'none' }
        methods.push(head.method)
        // Refused by the proxy itself, which goes on when there is no body to be passed over.
        if (head.isBad || head.expect === 'other') {
          if (head.isBad || head.framing !== 0 || !head.keepAlive)
            return { whole, begun, methods, end: 'closed' }
          whole.push(null)
          at = parser.consumed
          parser.reset()
          continue
        }
        begun = rewriteRequest(parser, head, 'Via: us\r\n', { keepExpect: false }).toString('latin1')
        closing = !head.keepAlive || head.upgrade !== ''
        body.begin(head.framing)
        inBody = true
        at = parser.consumed
        parser.reset()
      }
      if (!body.done && at < piece.length) {
        begun += body.take(piece, at).toString('latin1')
        if (body.fault !== null) return { whole, begun, methods, end: body.fault.code }
        at = body.consumed
      }
      if (body.done) finish()
    }
  }
  return { whole, begun, methods, end: closing && !inBody ? 'closed' : 'more' }
}

/** One answer to a request with this method; interim ones are passed over. The connection ends after it. */
export const answerThrough = (pieces: readonly Buffer[], method: string): Through => {
  const parser = new HeadParser(responseRules(responseLimits))
  const body = new BodyReader()
  const ended = (whole: readonly string[], end: string): Through => ({ whole, begun, methods: [method], end })
  let begun = ''
  let inBody = false
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      if (inBody && body.done) return ended([begun], 'closed')
      if (inBody) {
        begun += body.take(piece, at).toString('latin1')
        if (body.fault !== null) return ended([], body.fault.code)
        at = body.consumed
        continue
      }
      const outcome = parser.feed(piece, at)
      if (outcome === 'more') break
      const head = outcome === 'fault' ? parser.fault : readResponseHead(parser, method)
      if (head === null || 'code' in head) return ended([], head?.code ?? 'none')
      at = parser.consumed
      if (head.status === 101) return ended([], 'switch')
      if (head.status < 200) {
        parser.reset()
        continue
      }
      body.begin(head.framing)
      // As the proxy does: the head is written when the body that came with it has been read.
      const first = body.done || at === piece.length ? '' : body.take(piece, at).toString('latin1')
      if (body.fault !== null) return ended([], body.fault.code)
      if (at < piece.length && head.framing !== 0) at = body.consumed
      const closes = head.framing === untilClose ? 'Connection: close\r\n' : ''
      const next = rewriteResponse(parser, head, `${closes}Via: us\r\n`, { unchunked: false, body: null })
      begun = next.toString('latin1') + first
      inBody = true
    }
  }
  return inBody && body.closed() ? ended([begun], 'closed') : ended([], 'more')
}
