/**
 * One request's way through the proxy, from its head to its record.
 *
 * Read it as: start → decided → admit → attempt (again while connecting fails) → send → both bodies flow
 * at once → responded. Every way out goes through `#end`, once. Only a failed connect is tried again; once a
 * byte may have reached a target nothing is repeated, but for a request that is safe to repeat and found
 * its kept connection closed (RFC 9110 §9.2.2).
 */
import { BodyReader, chunked, untilClose } from '../http1/body.ts'
import type { RequestHead } from '../http1/request-head.ts'
import { readResponseHead, type ResponseHead } from '../http1/response-head.ts'
import type { Client, Exchange as ClientExchange } from './client.ts'
import type { Decision, Refusal, Route } from './contract.ts'
import type { Core } from './core.ts'
import { Dial, type Dialer } from './dial.ts'
import { answered, badResponse, type Ending, failed, refused } from './ending.ts'
import { clientHead, continueLine, interimHead, requestIdOf, targetHead } from './heads.ts'
import type { Link } from './link.ts'
import type { AppLoad } from './load.ts'
import { Outlet } from './outlet.ts'

type Stage = 'resolving' | 'connecting' | 'waiting' | 'relaying' | 'piped' | 'over'

const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

export class Exchange implements ClientExchange, Dialer {
  readonly #core: Core
  readonly #client: Client
  readonly #head: RequestHead
  readonly #requestBody = new BodyReader()
  readonly #responseBody = new BodyReader()
  readonly #outlet: Outlet
  readonly #requestId: string
  readonly #fwd: string
  readonly #epochMs: number
  #stage: Stage = 'resolving'
  #owner: string | null = null
  #app: AppLoad<Link> | null = null
  #route: Route | null = null
  #dial: Dial | null = null
  #link: Link | null = null
  /** The rewritten head, kept until the response begins: it may have to go to another connection. */
  #headBytes: Buffer | null = null
  #sentMs = -1
  #response: ResponseHead | null = null
  #informational = 0
  #continued = false
  /** Some byte of a response has come: the clock for the first one no longer runs. */
  #heard = false
  #keepClient = false

  constructor(core: Core, client: Client, head: RequestHead) {
    this.#core = core
    this.#client = client
    this.#head = head
    this.#epochMs = core.settings.clock.epochMs()
    this.#requestId = requestIdOf(head, core.settings.newId)
    this.#fwd = head.forwardedFor === '' ? client.address : `${head.forwardedFor}, ${client.address}`
    this.#requestBody.begin(head.framing)
    this.#outlet = new Outlet(core, client.socket)
  }

  // ---- where it goes ----

  start(): void {
    let decision: Decision | Promise<Decision>
    try {
      decision = this.#core.settings.resolve(this.#head.host)
    } catch {
      return this.#resolveFailed()
    }
    if ('kind' in decision) return this.#decided(decision)
    this.#client.parser.retain()
    this.#client.deadlineMs = this.#core.nowMs() + this.#core.limits.resolveMs
    decision.then(
      (decided) => this.#decided(decided),
      () => this.#resolveFailed(),
    )
  }

  #decided(decision: Decision): void {
    if (this.#stage !== 'resolving') return
    if (decision.kind === 'refuse') this.#refuse(decision)
    else this.#admit(decision)
  }

  #resolveFailed(): void {
    if (this.#stage !== 'resolving') return
    this.#core.counters.resolveFailures += 1
    this.#fail(failed('H99'))
  }

  #admit(route: Route): void {
    const { load, limits, settings } = this.#core
    const { parser, listener } = this.#client
    this.#route = route
    this.#owner = route.app
    this.#app = load.enter(route.app)
    const count = route.targets.length
    if (count === 0) return this.#fail(failed('H14'))
    if (this.#head.expect === 'other')
      return this.#fail(failed('H26', 'unsupported expect header value', 417))
    if (this.#app.inFlight > count * limits.inFlightPerTargetMax) return this.#fail(failed('H11'))
    this.#headBytes = targetHead(parser, this.#head, {
      fwd: this.#fwd,
      protocol: listener.protocol,
      port: listener.port,
      epochMs: this.#epochMs,
      requestId: this.#requestId,
      name: settings.name,
      keepAlive: route.keepAlive === true,
      keepExpect: route.endToEndContinue === true && this.#head.expect === 'continue',
    })
    this.#dial = new Dial(this.#core, route, this.#app, this)
    this.#dial.attempt()
  }

  // ---- to a target ----

  dialing(deadlineMs: number): void {
    this.#stage = 'connecting'
    this.#client.deadlineMs = deadlineMs
  }

  dialFailed(code: 'H19' | 'H21'): void {
    this.#fail(failed(code))
  }

  dialed(link: Link): void {
    const { early } = this.#client
    this.#link = link
    this.#sentMs = this.#core.nowMs()
    this.#stage = 'waiting'
    if (this.#head.expect === 'continue' && early === null) this.#invite()
    // One write for a head and a small body is one system call and one packet less.
    const corked = early !== null && !this.#requestBody.done
    if (corked) link.socket.cork()
    link.socket.write(this.#headBytes as Buffer)
    this.#wait(this.#sentMs)
    if (corked) {
      this.#client.flush()
      link.socket.uncork()
    }
  }

  /** Answers `Expect: 100-continue` in the target's place, unless the route leaves it to the target. */
  #invite(): void {
    if (this.#route?.endToEndContinue === true || this.#requestBody.done) return
    this.#continued = true
    this.#client.socket.write(continueLine)
  }

  /** While the body is on its way someone must send; after that the target must answer in time. */
  #wait(now: number): void {
    const { firstByteMs, idleMs, halfCloseMs } = this.#core.limits
    const { ended } = this.#client
    const answerDue = this.#stage === 'waiting' && this.#requestBody.done && !this.#heard
    this.#client.deadlineMs =
      now + (ended && !this.#outlet.stalled ? halfCloseMs : answerDue ? firstByteMs : idleMs)
  }

  clientBytes(bytes: Buffer, from: number): number {
    if (this.#stage === 'piped') {
      this.#wait(this.#core.tickMs)
      this.#toTarget(from === 0 ? bytes : bytes.subarray(from))
      return bytes.length
    }
    const flowing = this.#stage === 'waiting' || this.#stage === 'relaying'
    if (!flowing || this.#requestBody.done) return from
    const piece = this.#requestBody.take(bytes, from)
    if (this.#requestBody.fault !== null) {
      this.#badChunk()
      return bytes.length
    }
    if (piece.length > 0) this.#toTarget(piece)
    this.#wait(this.#requestBody.done ? this.#core.nowMs() : this.#core.tickMs)
    return this.#requestBody.consumed
  }

  #toTarget(bytes: Buffer): void {
    if (!(this.#link as Link).socket.write(bytes)) this.#client.pauseBody()
  }

  linkDrained(): void {
    this.#wait(this.#core.nowMs())
    this.#client.resumeBody()
  }

  // ---- back to the client ----

  linkBytes(bytes: Buffer): void {
    this.#heard = true
    this.#wait(this.#core.tickMs)
    if (this.#stage === 'relaying') this.#relay(bytes)
    else if (this.#stage === 'piped') this.#toClient(bytes)
    else this.#readHeads(bytes)
  }

  #readHeads(bytes: Buffer): void {
    const { parser } = this.#link as Link
    let at = 0
    while (this.#stage === 'waiting' && at < bytes.length) {
      const outcome = parser.feed(bytes, at)
      if (outcome === 'more') return
      const head = outcome === 'fault' ? parser.fault : readResponseHead(parser, this.#head.method)
      if (head === null || 'code' in head) return this.#fail(badResponse(head))
      at = parser.consumed
      if (head.status === 101) return this.#pipe(head, bytes, at)
      if (head.status >= 200) return this.#respond(head, bytes, at)
      this.#inform(head)
      parser.reset()
    }
  }

  /** Relays an interim response, but none to HTTP/1.0 and no second 100 after our own. */
  #inform(head: ResponseHead): void {
    this.#informational += 1
    if (this.#informational > this.#core.limits.informationalMax) return this.#fail(failed('H17'))
    if (this.#head.minor === 0 || (head.status === 100 && this.#continued)) return
    this.#continued ||= head.status === 100
    const parser = (this.#link as Link).parser
    this.#client.socket.write(head.status === 100 ? continueLine : interimHead(parser, head))
  }

  /** The final response's head, with as much of its body as came along. */
  #respond(head: ResponseHead, bytes: Buffer, from: number): void {
    const core = this.#core
    const body = this.#responseBody
    const unchunked = head.isChunked && this.#head.minor === 0
    const endsByClosing = head.framing === untilClose || (unchunked && head.framing === chunked)
    // A client still sending when its answer begins is not kept: what it sends next can't be told apart.
    this.#keepClient = !endsByClosing && this.#requestBody.done && this.#mayKeepClient()
    this.#response = head
    body.begin(head.framing, unchunked)
    const piece = body.done || from === bytes.length ? null : body.take(bytes, from)
    if (body.fault !== null) return this.#fail(failed('H17'))
    this.#stage = 'relaying'
    const first = clientHead((this.#link as Link).parser, head, piece, {
      keepAlive: this.#keepClient,
      unchunked,
      name: core.settings.name,
      date: () => core.httpDate(),
    })
    this.#toClient(first.bytes)
    if (piece !== null && !first.joined) this.#toClient(piece)
    if (body.done) this.#responded((piece === null ? from : body.consumed) < bytes.length)
  }

  #mayKeepClient(): boolean {
    const { requests, ended } = this.#client
    const { draining, limits } = this.#core
    return this.#head.keepAlive && requests < limits.requestsPerConnectionMax && !draining && !ended
  }

  #relay(bytes: Buffer): void {
    const body = this.#responseBody
    const piece = body.take(bytes, 0)
    if (body.fault !== null) return this.#broken(failed('H17'))
    if (piece.length > 0) this.#toClient(piece)
    if (body.done) this.#responded(body.consumed < bytes.length)
  }

  #toClient(bytes: Buffer): void {
    this.#outlet.write(bytes, (this.#link as Link).socket)
  }

  clientDrained(): void {
    this.#outlet.release()
    this.#wait(this.#core.nowMs())
  }

  /** The response is complete. `extra`: the target said more than that, and is not trusted again. */
  #responded(extra: boolean): void {
    const head = this.#response as ResponseHead
    const link = this.#link as Link
    const { limits, draining } = this.#core
    const kept =
      this.#route?.keepAlive === true && this.#requestBody.done && !extra && !head.close && !draining
    if (kept && link.usable && link.target.idle.length < limits.pooledPerTargetMax) {
      this.#outlet.release()
      this.#link = null
      // A second less than the target announced: closing first is what avoids the race for the last one.
      const announcedMs = head.keepAliveSeconds < 0 ? limits.pooledMs : head.keepAliveSeconds * 1000 - 1000
      link.rest(this.#core.nowMs() + Math.min(limits.pooledMs, Math.max(0, announcedMs)))
    } else this.#dropLink('close')
    this.#end(answered(head.status))
    if (this.#keepClient) this.#client.next()
    else this.#client.close()
  }

  /** The target agreed to leave HTTP: from here on bytes go both ways as they come. */
  #pipe(head: ResponseHead, bytes: Buffer, from: number): void {
    if (this.#head.upgrade === '' || !this.#requestBody.done) return this.#fail(failed('H17'))
    this.#response = head
    this.#stage = 'piped'
    this.#toClient(interimHead((this.#link as Link).parser, head))
    if (from < bytes.length) this.#toClient(bytes.subarray(from))
    this.#client.flush()
  }

  // ---- the ways it can go wrong ----

  clientEnded(): void {
    // No more of a body that was promised: the target must not take what it got for the whole.
    if (!this.#requestBody.done) return this.clientClosed()
    this.#wait(this.#core.nowMs())
    if (this.#stage === 'piped') this.#link?.socket.end()
  }

  clientClosed(): void {
    if (this.#stage === 'over') return
    const wasPiped = this.#stage === 'piped'
    this.#dropLink('abort')
    this.#end(wasPiped ? answered(101) : failed('H27'))
    this.#client.abort()
  }

  linkEnded(): void {
    if (this.#stage === 'piped') return this.#unpipe(answered(101))
    if (this.#stage === 'relaying' && this.#responseBody.closed()) return this.#responded(true)
    this.#lost()
  }

  linkClosed(): void {
    if (this.#stage === 'piped') return this.#unpipe(answered(101))
    this.#lost()
  }

  /** The target went away before its response was complete. */
  #lost(): void {
    const link = this.#link
    if (this.#stage === 'relaying') return this.#broken(failed('H18'))
    const untouched = link !== null && link.reused && !this.#heard && this.#head.framing === 0
    if (untouched && repeatable.has(this.#head.method)) {
      this.#dropLink('close')
      this.#dial?.connect()
      return
    }
    this.#fail(failed(this.#heard || !this.#requestBody.done ? 'H18' : 'H13'))
  }

  deadline(nowMs: number): void {
    const { ended } = this.#client
    const stage = this.#stage
    if (ended && !this.#outlet.stalled) return this.clientClosed()
    if (stage === 'resolving') return this.#resolveFailed()
    if (stage === 'connecting') return this.#dial?.timedOut()
    if (stage === 'piped') return this.#unpipe(failed('H15'))
    const progress = this.#outlet.progress()
    if (progress === 'stuck') return this.#broken(failed('H28'))
    if (progress === 'reading') return this.#wait(nowMs)
    const clientSilent = !this.#requestBody.done && this.#link?.socket.writableLength === 0
    if (clientSilent) return this.#broken(failed('H28'))
    if (stage === 'relaying') return this.#broken(failed('H15'))
    this.#fail(failed(this.#heard || !this.#requestBody.done ? 'H15' : 'H12'))
  }

  cut(): void {
    this.#dropLink('abort')
    this.#end(failed('H24', '', null))
  }

  #badChunk(): void {
    this.#dropLink('abort')
    const ending = failed('H26', 'bad chunk')
    if (this.#stage === 'waiting') this.#fail(ending)
    else this.#broken(ending)
  }

  #refuse(refusal: Refusal): void {
    this.#owner = refusal.app
    this.#answer(refused(refusal), refusal.page)
  }

  /** Ends with an error page: nothing of a response has been sent. */
  #fail(ending: Ending): void {
    this.#dropLink('abort')
    this.#answer(ending, undefined)
  }

  #answer(ending: Ending, page: string | undefined): void {
    const { status, code, description } = ending
    const keepAlive = this.#requestBody.done && this.#mayKeepClient()
    const size = this.#client.answer({
      status: status ?? 503,
      code,
      description,
      requestId: this.#requestId,
      json: this.#head.acceptsJson,
      page,
      keepAlive,
      bodyless: this.#head.method === 'HEAD',
    })
    // Heroku counts its own page only where it stands for a response that was there.
    if (code === 'H25') this.#outlet.bytes += size
    this.#end(ending)
    if (keepAlive) this.#client.next()
    else this.#client.close()
  }

  /** Ends in the middle of a response, so that the client can see that it is not whole. */
  #broken(ending: Ending): void {
    this.#dropLink('abort')
    const selfDelimited = this.#response !== null && this.#response.framing !== untilClose
    const visible = selfDelimited && this.#head.minor === 1 && ending.code !== 'H28'
    this.#end(ending)
    if (visible) this.#client.close()
    else this.#client.abort()
  }

  #unpipe(ending: Ending): void {
    this.#dropLink('flush')
    this.#end(ending)
    this.#client.close()
  }

  #dropLink(how: 'close' | 'abort' | 'flush'): void {
    this.#dial?.cancel()
    this.#link?.[how]()
    this.#link = null
  }

  /** The one way out: gives back what was taken, and makes the record. */
  #end(ending: Ending): void {
    if (this.#stage === 'over') return
    this.#stage = 'over'
    const { load, settings } = this.#core
    this.#outlet.release()
    const target = this.#dial?.target ?? null
    if (target !== null) target.inFlight -= 1
    if (this.#app !== null) load.leave(this.#app)
    const { method, target: path, host } = this.#head
    settings.onDone({
      ...ending,
      app: this.#owner,
      method,
      path,
      host,
      requestId: this.#requestId,
      fwd: this.#fwd,
      target: target === null ? '' : target.upstream.id,
      connectMs: this.#dial === null ? null : this.#dial.connectMs,
      serviceMs: this.#sentMs < 0 ? null : this.#core.nowMs() - this.#sentMs,
      bytes: this.#sentMs < 0 ? null : this.#outlet.bytes,
      protocol: this.#client.listener.protocol,
      epochMs: this.#epochMs,
    })
  }
}
