/**
 * One response on its way from a target to the client: interim heads, the final head, the body, or the
 * bytes of whatever protocol both sides switched to.
 */
import { BodyReader, chunked, untilClose } from '../http1/body.ts'
import type { RequestHead } from '../http1/request-head.ts'
import { readResponseHead, type ResponseHead } from '../http1/response-head.ts'
import type { Client } from './client.ts'
import { badResponse, type Ending, failed } from './ending.ts'
import { clientHead, continueLine, interimHead } from './heads.ts'
import type { Link } from './link.ts'
import { Outlet } from './outlet.ts'

/** Who the response answers. */
export type Replied = {
  /** May the client's connection serve another request after this one, as far as the request goes? */
  readonly mayKeepClient: () => boolean
  /** Header lines for the client that are not the target's, each ended by CRLF. */
  readonly replyLines: () => string
  /** `extra`: the target said more than its response. */
  readonly replyDone: (extra: boolean) => void
  readonly replyFailed: (ending: Ending) => void
}

export class Reply {
  stage: 'waiting' | 'relaying' | 'piped' = 'waiting'
  /** Some byte has come: the clock for the first one no longer runs. */
  heard = false
  /** A 100 has been sent, by us or by the target. */
  continued = false
  keepClient = false
  head: ResponseHead | null = null
  readonly outlet: Outlet
  readonly #client: Client
  readonly #request: RequestHead
  readonly #user: Replied
  readonly #body = new BodyReader()
  #interim = 0

  constructor(client: Client, request: RequestHead, user: Replied) {
    this.#client = client
    this.#request = request
    this.#user = user
    this.outlet = new Outlet(client.core, client.wire)
  }

  bytes(bytes: Buffer, link: Link): void {
    if (this.stage === 'relaying') this.#relay(bytes, link)
    else if (this.stage === 'piped') this.outlet.write(bytes, link.wire, true)
    else this.#heads(bytes, link)
  }

  /** True when the target's FIN is how this response ends. */
  endsNow(): boolean {
    return this.stage === 'relaying' && this.#body.closed()
  }

  /** True when the client sees by the framing alone that a cut response is not whole. */
  get selfDelimited(): boolean {
    return this.head !== null && this.head.framing !== untilClose && this.#request.minor === 1
  }

  #heads(bytes: Buffer, link: Link): void {
    let at = 0
    while (at < bytes.length) {
      const { parser } = link
      const outcome = parser.feed(bytes, at)
      if (outcome === 'more') return
      const head = outcome === 'fault' ? parser.fault : readResponseHead(parser, this.#request.method)
      if (head === null || 'code' in head) return this.#user.replyFailed(badResponse(head))
      at = parser.consumed
      if (head.status === 101) return this.#switch(head, bytes, at, link)
      if (head.status >= 200) return this.#begin(head, bytes, at, link)
      if (!this.#inform(head, link)) return this.#user.replyFailed(failed('H17'))
      parser.reset()
    }
  }

  /** Relays an interim response, but none to HTTP/1.0 and no second 100. False: too many. */
  #inform(head: ResponseHead, link: Link): boolean {
    this.#interim += 1
    if (this.#interim > this.#client.core.limits.informationalMax) return false
    if (this.#request.minor === 0 || (head.status === 100 && this.continued)) return true
    this.continued ||= head.status === 100
    this.#client.wire.write(head.status === 100 ? continueLine : interimHead(link.parser, head))
    return true
  }

  /** The final head, with as much of the body as came along. */
  #begin(head: ResponseHead, bytes: Buffer, from: number, link: Link): void {
    const { core } = this.#client
    const body = this.#body
    const unchunked = head.isChunked && this.#request.minor === 0
    const endsByClosing = head.framing === untilClose || (unchunked && head.framing === chunked)
    this.keepClient = !endsByClosing && this.#user.mayKeepClient()
    body.begin(head.framing, unchunked)
    const piece = body.done || from === bytes.length ? null : body.take(bytes, from)
    if (body.fault !== null) return this.#user.replyFailed(failed('H17'))
    this.head = head
    this.stage = 'relaying'
    const first = clientHead(link.parser, head, piece, {
      keepAlive: this.keepClient,
      unchunked,
      lines: this.#user.replyLines(),
      name: core.settings.name,
      date: () => core.httpDate(),
    })
    this.outlet.write(first.bytes, link.wire, false)
    if (piece !== null && !first.joined) this.outlet.write(piece, link.wire, true)
    if (body.done) this.#user.replyDone((piece === null ? from : body.consumed) < bytes.length)
  }

  #relay(bytes: Buffer, link: Link): void {
    const body = this.#body
    const piece = body.take(bytes, 0)
    if (body.fault !== null) return this.#user.replyFailed(failed('H17'))
    if (piece.length > 0) this.outlet.write(piece, link.wire, true)
    if (body.done) this.#user.replyDone(body.consumed < bytes.length)
  }

  /** The target agreed to leave HTTP: from here on bytes go both ways as they come. */
  #switch(head: ResponseHead, bytes: Buffer, from: number, link: Link): void {
    if (!isAskedFor(head.upgrade, this.#request.upgrade)) return this.#user.replyFailed(failed('H17'))
    this.head = head
    this.stage = 'piped'
    this.outlet.write(interimHead(link.parser, head), link.wire, false)
    if (from < bytes.length) this.outlet.write(bytes.subarray(from), link.wire, true)
    this.#client.flush()
  }
}

/** Whether every protocol that a target switches to is among those the client named (RFC 9110 §7.8). */
const isAskedFor = (switched: string, asked: string): boolean => {
  const names = (text: string): readonly string[] => text.split(',').map((name) => name.trim().toLowerCase())
  return asked !== '' && names(switched).every((name) => name !== '' && names(asked).includes(name))
}
