/**
 * One request's way through the proxy, from its head to its record.
 *
 * Read it as: start → decided → admit → (dial) → dialed → both bodies flow at once → replyDone. Every way
 * out goes through `#end`, once. Only a failed connect is tried again; once a byte may have reached a target
 * nothing is repeated, but for a request that is safe to repeat and found its kept connection closed
 * (RFC 9110 §9.2.2).
 */
import { BodyReader } from '../http1/body.ts'
import type { RequestHead } from '../http1/request-head.ts'
import { preferenceOf, type Preference } from './affinity.ts'
import type { Client, Exchange as ClientExchange } from './client.ts'
import type { Decision, Hold, Route } from './contract.ts'
import type { Core } from './core.ts'
import { Dial, type Dialer, type DialFailure } from './dial.ts'
import { answered, badRequest, type Ending, failed, refused } from './ending.ts'
import { continueLine, isRepeatable, joinedBytesMax, requestIdOf, targetHead } from './heads.ts'
import type { Link } from './link.ts'
import type { AppLoad } from './load.ts'
import { type Replied, Reply } from './reply.ts'

export class Exchange implements ClientExchange, Dialer, Replied {
  readonly #core: Core
  readonly #client: Client
  readonly #head: RequestHead
  readonly #body = new BodyReader()
  readonly #reply: Reply
  readonly #requestId: string
  readonly #fwd: string
  readonly #epochMs: number
  #stage: 'resolving' | 'held' | 'dialing' | 'parked' | 'flowing' | 'over' = 'resolving'
  #owner: string | null = null
  #route: Route | null = null
  #app: AppLoad<Link> | null = null
  /** Calls the waiting off. */
  #unhold: (() => void) | null = null
  #preference: Preference | null = null
  #dial: Dial | null = null
  #link: Link | null = null
  /** The rewritten head: it may have to go to a second connection. */
  #headBytes: Buffer | null = null
  /** The head while it has not been written to the link. */
  #owed: Buffer | null = null
  #sentMs = -1

  constructor(core: Core, client: Client, head: RequestHead) {
    this.#core = core
    this.#client = client
    this.#head = head
    this.#epochMs = core.settings.clock.epochMs()
    this.#requestId = requestIdOf(head, core.settings.newId)
    this.#fwd = head.forwardedFor === '' ? client.address : `${head.forwardedFor}, ${client.address}`
    this.#body.begin(head.framing)
    this.#reply = new Reply(client, head, this)
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
    this.#client.parser.retain(this.#client.lender !== null)
    this.#client.deadlineMs = this.#core.nowMs() + this.#core.limits.resolveMs
    decision.then(
      (decided) => this.#decided(decided),
      () => this.#resolveFailed(),
    )
  }

  #decided(decision: Decision): void {
    if (this.#stage !== 'resolving') return
    this.#owner = decision.app
    if (this.#client.misdirected !== null && decision.app !== null) return this.#fail(failed('H31'))
    if (decision.kind === 'refuse') this.#answer(refused(decision), decision.pageUrl)
    else if (decision.kind === 'hold') this.#hold(decision)
    else if (this.#dial === null) this.#admit(decision)
    else if (this.#app?.id !== decision.app) this.#fail(failed('H99'))
    else this.#dial.again((this.#route = decision))
  }

  #hold(hold: Hold): void {
    this.#client.parser.retain(this.#client.lender !== null)
    this.#stage = 'held'
    this.#client.deadlineMs = this.#core.nowMs() + this.#core.limits.resolveMs
    this.#unhold = hold.wait((decided) => {
      this.#unhold = null
      if (this.#stage !== 'held') return
      this.#stage = 'resolving'
      this.#decided(decided)
    })
  }

  #resolveFailed(): void {
    if (this.#stage !== 'resolving' && this.#stage !== 'held') return
    this.#core.counters.resolveFailures += 1
    this.#fail(failed('H99'))
  }

  #admit(route: Route): void {
    const { load, settings } = this.#core
    const { parser, listener } = this.#client
    this.#route = route
    this.#app = load.enter(route.app)
    if (route.targets.length === 0) return this.#fail(failed('H14'))
    const wrong = badRequest(this.#head)
    if (wrong !== null) return this.#fail(wrong)
    const broken = this.#core.brokenLimit(this.#client, this.#app, route.targets.length)
    if (broken === 'wait') return this.#awaitShare(route)
    if (broken !== null) return this.#fail(failed(broken))
    const facts = { fwd: this.#fwd, epochMs: this.#epochMs, requestId: this.#requestId, name: settings.name }
    this.#headBytes = targetHead(parser, this.#head, listener, route, facts)
    this.#preference = preferenceOf(route.affinity, parser, this.#epochMs)
    this.#dial = new Dial(this.#core, route, this.#app, this, this.#preference?.ids)
    this.#dial.attempt()
  }

  /** Another process of this host may have room to spare; until it says so this request counts nowhere. */
  #awaitShare(route: Route): void {
    const { shares } = this.#core
    const kind = this.#client.app === this.#app ? 'requests' : 'clients'
    this.#leave()
    this.#hold({ ...route, kind: 'hold', wait: (go) => shares.wait(kind, route.app, () => go(route)) })
  }

  // ---- to a target ----

  dialing(deadlineMs: number): void {
    this.#stage = 'dialing'
    this.#client.deadlineMs = deadlineMs
  }

  dialFailed(code: DialFailure): void {
    if (this.#dial?.mayBeElsewhere(code) !== true) return this.#fail(failed(code))
    // By the route as it is now: others may have taken the place of those that are not there.
    this.#stage = 'resolving'
    this.start()
  }

  dialParked(untilMs: number): void {
    this.#stage = 'parked'
    this.#client.deadlineMs = untilMs
  }

  dialed(link: Link): void {
    const { early } = this.#client
    this.#link = link
    this.#stage = 'flowing'
    this.#sentMs = this.#core.nowMs()
    if (this.#head.expect === 'continue' && early === null) this.#invite()
    this.#owed = this.#headBytes
    this.#wait(this.#sentMs)
    if (early !== null && !this.#body.done) this.#client.flush()
    if (this.#link === link) this.#payHead(null)
  }

  /** Writes the head, with the first bytes of its body if they are few: one system call and packet less. */
  #payHead(body: Buffer | null): boolean {
    const head = this.#owed
    if (head === null) return false
    this.#owed = null
    const joined = body !== null && body.length <= joinedBytesMax
    this.#link?.wire.write(joined ? Buffer.concat([head, body]) : head)
    return joined
  }

  /** Answers `Expect: 100-continue` in the target's place, unless the route leaves it to the target. */
  #invite(): void {
    if (this.#route?.endToEndContinue === true || this.#body.done) return
    this.#reply.continued = true
    this.#client.wire.write(continueLine)
  }

  /** While the body is on its way someone must send; after that the target must answer in time. */
  #wait(now: number): void {
    const { firstByteMs, idleMs, halfCloseMs } = this.#core.limits
    const leaving = this.#client.ended && !this.#reply.outlet.stalled
    const answerDue = this.#body.done && !this.#reply.heard
    this.#client.deadlineMs = now + (leaving ? halfCloseMs : answerDue ? firstByteMs : idleMs)
  }

  clientBytes(bytes: Buffer, from: number): number {
    const link = this.#link
    if (link === null) return from
    if (this.#reply.stage === 'piped') {
      this.#wait(this.#core.tickMs)
      this.#toTarget(from === 0 ? bytes : bytes.subarray(from), link)
      return bytes.length
    }
    if (this.#body.done) return from
    const piece = this.#body.take(bytes, from)
    if (this.#body.fault !== null) {
      this.replyFailed(failed('H26', 'bad chunk'))
      return bytes.length
    }
    if (piece.length > 0) this.#toTarget(piece, link)
    this.#wait(this.#body.done ? this.#core.nowMs() : this.#core.tickMs)
    return this.#body.consumed
  }

  #toTarget(bytes: Buffer, link: Link): void {
    if (!this.#payHead(bytes) && !link.wire.write(bytes, this.#client.lender)) this.#client.pauseBody()
  }

  linkDrained(): void {
    this.#wait(this.#core.nowMs())
    this.#client.resumeBody()
  }

  // ---- back to the client ----

  linkBytes(bytes: Buffer): void {
    this.#reply.heard = true
    this.#wait(this.#core.tickMs)
    this.#reply.bytes(bytes, this.#link as Link)
  }

  clientDrained(): void {
    this.#reply.outlet.release()
    this.#wait(this.#core.nowMs())
  }

  /** A client still sending when its answer begins is not kept: what it sends next can't be told apart. */
  mayKeepClient(): boolean {
    const { requests, ended } = this.#client
    const { draining, limits } = this.#core
    const more = requests < limits.requestsPerConnectionMax && !draining && !ended
    return more && this.#head.keepAlive && this.#body.done
  }

  replyLines(): string {
    const target = this.#link?.target.upstream.id ?? ''
    return this.#preference?.lineFor(target, this.#client.listener.protocol === 'https') ?? ''
  }

  replyDone(extra: boolean): void {
    const { head, keepClient, outlet } = this.#reply
    const link = this.#link as Link
    const { limits, draining } = this.#core
    outlet.release()
    const clean = !extra && this.#body.done && head?.close === false && link.usable
    const kept = clean && this.#route?.keepAlive === true && !draining
    if (kept && link.target.idle.length < limits.pooledPerTargetMax) {
      this.#link = null
      link.rest(this.#core.nowMs(), limits.pooledMs, head.keepAliveSeconds)
    } else this.#dropLink('close')
    this.#end(answered(head?.status ?? 0))
    if (keepClient) this.#client.next()
    else this.#client.close(this.#body.done && !this.#head.keepAlive)
  }

  // ---- the ways it can go wrong ----

  /** The target's or the client's bytes can't be relayed. */
  replyFailed(ending: Ending): void {
    if (this.#reply.stage === 'waiting') this.#fail(ending)
    else this.#broken(ending)
  }

  clientEnded(): void {
    // No more of a body that was promised: the target must not take what it got for the whole.
    if (!this.#body.done) return this.clientClosed()
    this.#wait(this.#core.nowMs())
    if (this.#reply.stage === 'piped') this.#link?.wire.end()
  }

  clientClosed(isBroken = false): void {
    const piped = this.#reply.stage === 'piped'
    this.#dropLink('abort')
    this.#end(piped ? answered(101) : failed(isBroken ? 'H33' : 'H27'))
    this.#client.abort()
  }

  linkEnded(): void {
    if (this.#reply.endsNow()) this.replyDone(true)
    else this.linkClosed()
  }

  /** The target went away before its response was complete. */
  linkClosed(): void {
    const { stage, heard } = this.#reply
    if (stage === 'piped') return this.#unpipe(answered(101))
    if (stage === 'relaying') return this.#broken(failed('H18'))
    if (this.#link?.reused === true && !heard && isRepeatable(this.#head)) {
      this.#dropLink('close')
      return this.#dial?.connect()
    }
    this.#fail(failed(heard || !this.#body.done ? 'H18' : 'H13'))
  }

  deadline(nowMs: number): void {
    const { stage, heard, outlet } = this.#reply
    if (this.#client.ended && !outlet.stalled) return this.clientClosed()
    if (this.#stage === 'resolving' || this.#stage === 'held') return this.#resolveFailed()
    if (this.#stage === 'parked') {
      // By the route as it is now.
      this.#stage = 'resolving'
      return this.start()
    }
    if (this.#stage === 'dialing') return this.#dial?.timedOut()
    if (stage === 'piped') return this.#unpipe(failed('H15'))
    const progress = outlet.progress()
    if (progress === 'reading') return this.#wait(nowMs)
    const clientSilent = !this.#body.done && this.#link?.wire.unsentBytes === 0
    if (progress === 'stuck' || clientSilent) return this.#broken(failed('H28'))
    if (stage === 'relaying') return this.#broken(failed('H15'))
    this.#fail(failed(heard || !this.#body.done ? 'H15' : 'H12'))
  }

  cut(): void {
    this.#dropLink('abort')
    this.#end(failed('H24', '', null))
  }

  /** Ends with an error page: nothing of a response has been sent. */
  #fail(ending: Ending): void {
    this.#dropLink('abort')
    this.#answer(ending, this.#route?.errorPageUrl)
  }

  #answer(ending: Ending, pageUrl = ''): void {
    const { status, code, description } = ending
    const keepAlive = this.mayKeepClient()
    const size = this.#client.answer({
      status: status ?? 503,
      code,
      description,
      requestId: this.#requestId,
      json: this.#head.acceptsJson,
      pageUrl: (status ?? 503) >= 500 ? pageUrl : '',
      keepAlive,
      bodyless: this.#head.method === 'HEAD',
    })
    // Heroku counts its own page only where it stands for a response that was there.
    if (code === 'H25') this.#reply.outlet.bytes += size
    this.#end(ending)
    if (keepAlive) this.#client.next()
    else this.#client.close()
  }

  /** Ends in the middle of a response, so that the client can see that it is not whole. */
  #broken(ending: Ending): void {
    this.#dropLink('abort')
    this.#end(ending)
    if (this.#reply.selfDelimited && ending.code !== 'H28') this.#client.close()
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

  /** Gives back what the request is counted by. */
  #leave(): void {
    this.#dial?.release()
    this.#dial = null
    if (this.#app !== null) this.#core.load.leave(this.#app)
    this.#app = null
  }

  /** The one way out: gives back what was taken, and makes the record. */
  #end(ending: Ending): void {
    if (this.#stage === 'over') return
    this.#stage = 'over'
    const { settings } = this.#core
    const dial = this.#dial
    this.#unhold?.()
    this.#reply.outlet.release()
    this.#leave()
    settings.onDone({
      ...ending,
      app: this.#owner,
      method: this.#head.method,
      path: this.#head.target,
      host: this.#head.host,
      requestId: this.#requestId,
      fwd: this.#fwd,
      target: dial?.target?.upstream.id ?? '',
      queue: dial?.link?.queued.queue ?? null,
      waitMs: dial?.link?.queued.waitMs ?? null,
      connectMs: dial?.target ? dial.connectMs : null,
      serviceMs: this.#sentMs < 0 ? null : this.#core.nowMs() - this.#sentMs,
      bytes: this.#sentMs < 0 ? null : this.#reply.outlet.bytes,
      ...this.#client.way,
      epochMs: this.#epochMs,
    })
  }
}
