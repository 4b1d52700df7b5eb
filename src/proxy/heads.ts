/**
 * The lines the proxy itself adds to the heads it forwards: who is asking, how, since when, and by which
 * way (Heroku "HTTP Routing", Heroku headers; RFC 9110 §7.6.3 for Via). Pure, over the parsed heads.
 */
import type { HeadParser } from '../http1/head-parser.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { Listener } from './client.ts'
import type { Route } from './contract.ts'
import { rewriteRequest, rewriteResponse } from '../http1/rewrite.ts'

/** Body bytes up to this many are copied behind their head and leave with it in one write. */
export const joinedBytesMax = 16_384

export const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

const requestIdForm = /^[A-Za-z0-9+/=-]{20,200}$/

/** A client's request id is kept when it has the documented form, so that it can't forge log fields. */
export function requestIdOf(head: RequestHead, newId: () => string): string {
  return requestIdForm.test(head.requestId) ? head.requestId : newId()
}

const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** Doing it twice does what doing it once does, and no part of it is gone (RFC 9110 §9.2.2). */
export function isRepeatable({ method, framing }: RequestHead): boolean {
  return framing === 0 && repeatable.has(method)
}

/** The head for the target. */
export function targetHead(
  parser: HeadParser,
  head: RequestHead,
  listener: Listener,
  route: Route,
  facts: {
    readonly fwd: string
    readonly epochMs: number
    readonly requestId: string
    readonly name: string
  },
): Buffer {
  const upgrade = head.upgrade === '' ? '' : `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  const connection = route.keepAlive === true ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n'
  const via = head.via === '' ? '' : `${head.via}, `
  const added =
    `${upgrade === '' ? connection : upgrade}X-Forwarded-For: ${facts.fwd}\r\n` +
    `X-Forwarded-Proto: ${listener.protocol}\r\nX-Forwarded-Port: ${listener.port}\r\n` +
    `X-Request-Start: ${facts.epochMs}\r\nX-Request-Id: ${facts.requestId}\r\n` +
    `Via: ${via}1.${head.minor} ${facts.name}\r\n`
  const keepExpect = route.endToEndContinue === true && head.expect === 'continue'
  return rewriteRequest(parser, head, added, { keepExpect })
}

/**
 * The head for the client and the first bytes of the body behind it, when they are few enough to copy;
 * otherwise `joined` is false and they are the caller's to write.
 */
export function clientHead(
  parser: HeadParser,
  head: ResponseHead,
  body: Buffer | null,
  facts: {
    readonly keepAlive: boolean
    readonly unchunked: boolean
    /** Lines of the proxy's own, each ended by CRLF. */
    readonly lines: string
    readonly name: string
    readonly date: () => string
  },
): { bytes: Buffer; joined: boolean } {
  const via = head.via === '' ? '' : `${head.via}, `
  const added =
    (facts.keepAlive ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n') +
    (head.hasServer ? '' : `Server: ${facts.name}\r\n`) +
    (head.hasDate ? '' : `Date: ${facts.date()}\r\n`) +
    `Via: ${via}1.${head.minor} ${facts.name}\r\n${facts.lines}`
  const joined = body !== null && body.length <= joinedBytesMax
  const bytes = rewriteResponse(parser, head, added, {
    unchunked: facts.unchunked,
    body: joined ? body : null,
  })
  return { bytes, joined }
}

/** The head of an interim response other than 100, or of the answer that switches protocols. */
export function interimHead(parser: HeadParser, head: ResponseHead): Buffer {
  const added = head.status === 101 ? `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n` : ''
  return rewriteResponse(parser, head, added, { unchunked: true, body: null })
}
