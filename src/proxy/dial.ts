/**
 * Finds a target that takes a connection, within the bounds Heroku documents (10 tries, 5 s each, 75 s).
 *
 * Who refuses or does not answer is left alone for a while; who is slow gets company: another target is tried
 * beside it, and the first to answer has the request. Nothing is sent here, so no try can repeat anything.
 */
import { chooseTarget } from './choice.ts'
import type { Route, Upstream } from './contract.ts'
import type { Core } from './core.ts'
import { Link, type LinkUser } from './link.ts'
import type { AppLoad, TargetLoad } from './load.ts'

/** H99: this machine has no room for one more connection. */
export type DialFailure = 'H19' | 'H21' | 'H34' | 'H99'

/** Who wants a connection. */
export type Dialer = LinkUser & {
  /** Has to call `timedOut` at that time unless it was connected by then. */
  readonly dialing: (deadlineMs: number) => void
  readonly dialed: (link: Link) => void
  readonly dialFailed: (code: DialFailure) => void
  /** All targets are left alone now: has to call `again` at that time, with the route as it is then. */
  readonly dialParked: (untilMs: number) => void
}

type Call = { readonly target: TargetLoad<Link>; readonly link: Link; readonly startMs: number }

/** Says nothing of the target, only of this machine. */
const ownFailures = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])

export class Dial {
  /** The one that is connected to, or was tried last. */
  target: TargetLoad<Link> | null = null
  /** The connection that the request has. */
  link: Link | null = null
  /** How long the last attempt has taken, or took. */
  connectMs = 0
  readonly #core: Core
  readonly #app: AppLoad<Link>
  readonly #user: Dialer
  readonly #preferred: readonly string[] | undefined
  readonly #startMs: number
  #route: Route
  #calls: Call[] = []
  /** Its request is counted at `target`. */
  #counted = false
  #tried: Set<TargetLoad<Link>> | null = null
  #tries = 0
  #triesAsked = 0
  #looks = 0
  #last: 'H19' | 'H21' = 'H21'

  constructor(core: Core, route: Route, app: AppLoad<Link>, user: Dialer, preferred?: readonly string[]) {
    this.#core = core
    this.#route = route
    this.#app = app
    this.#user = user
    this.#preferred = preferred
    this.#startMs = core.nowMs()
  }

  /** Takes the next target: a kept connection to it when there is one, or a new one. */
  attempt(): void {
    const target = this.#choose()
    if (target === null) return this.#noneOpen()
    this.#count(target)
    const kept = this.#route.keepAlive === true ? takeIdle(target) : null
    if (kept === null) return this.connect()
    kept.use(this.#user)
    this.#found(kept)
  }

  #found(link: Link): void {
    this.link = link
    link.beganMs = this.#core.nowMs()
    this.#core.backlogs.began(link)
    this.#user.dialed(link)
  }

  /**
   * After `dialFailed`: whether `again` may follow, with the route as it is by now. Yes once for each target
   * that failed, so that a route which has not changed is not looked at for ever.
   */
  mayBeElsewhere(code: DialFailure): boolean {
    const { connectTriesMax, connectTotalMs } = this.#core.limits
    const isNews = this.#tries > this.#triesAsked
    this.#triesAsked = this.#tries
    const mayTry = this.#tries < connectTriesMax && this.#core.nowMs() - this.#startMs < connectTotalMs
    return (code === 'H19' || code === 'H21') && isNews && mayTry
  }

  /** After `dialParked`, or `dialFailed` of targets that may have been replaced. */
  again(route: Route): void {
    this.#route = route
    if (this.#core.nowMs() - this.#startMs < this.#core.limits.connectTotalMs) return this.attempt()
    this.release()
    this.target = null
    this.#user.dialFailed('H34')
  }

  /** A new connection to the target chosen last. */
  connect(): void {
    const target = this.target as TargetLoad<Link>
    this.#tries += 1
    const link = new Link(this.#core.settings.bare, target, {
      linkConnected: () => this.#connected(call),
      linkClosed: (error) => this.#failed(call, error?.code ?? ''),
      linkBytes: ignore,
      linkEnded: ignore,
      linkDrained: ignore,
    })
    const call = { target, link, startMs: this.#core.nowMs() }
    this.#calls.push(call)
    this.#expect()
  }

  /** The time that `dialing` named has come. */
  timedOut(): void {
    const now = this.#core.nowMs()
    const late = this.#calls.filter(({ startMs }) => now - startMs >= this.#core.limits.connectMs)
    if (late.length > 0) for (const call of late) this.#failed(call, 'ETIMEDOUT')
    else this.#hedge(now)
  }

  /** Gives up what is not connected yet. */
  cancel(): void {
    for (const call of this.#calls.splice(0)) call.link.abort()
  }

  /** The request is over and no longer counted at its target. */
  release(): void {
    this.cancel()
    if (this.#counted && this.target !== null) this.target.inFlight -= 1
    this.#counted = false
  }

  #choose(): TargetLoad<Link> | null {
    const { load, settings, tickMs } = this.#core
    const { random } = settings
    const chosen = chooseTarget(this.#route, this.#app, tickMs, random, this.#tried, this.#preferred)
    return chosen === null ? null : load.target(this.#app, chosen)
  }

  #count(target: TargetLoad<Link>): void {
    if (this.#counted && this.target !== null) this.target.inFlight -= 1
    target.inFlight += 1
    this.#counted = true
    this.target = target
  }

  #triesMax(): number {
    return Math.min(this.#route.targets.length, this.#core.limits.connectTriesMax)
  }

  /** The next moment at which something has to be done about calls that are not answered. */
  #expect(): void {
    const { connectMs, hedgeMs, hedgesMax } = this.#core.limits
    const first = this.#calls[0] as Call
    const last = this.#calls.at(-1) as Call
    const mayHedge = this.#calls.length < hedgesMax && this.#tries < this.#triesMax()
    const lateMs = first.startMs + connectMs
    this.#user.dialing(mayHedge ? Math.min(lateMs, last.startMs + hedgeMs) : lateMs)
  }

  /** Tries another target beside those that are slow to answer, if there is one. */
  #hedge(now: number): void {
    this.#tried ??= new Set()
    for (const { target } of this.#calls) {
      target.doubt(now + this.#core.limits.quarantineMs)
      this.#tried.add(target)
    }
    const target = this.#choose()
    if (target === null) {
      this.#user.dialing((this.#calls[0] as Call).startMs + this.#core.limits.connectMs)
      return
    }
    this.#core.counters.hedges += 1
    this.#count(target)
    this.connect()
  }

  #connected(call: Call): void {
    this.#calls = this.#calls.filter((other) => other !== call)
    this.cancel()
    call.target.trust()
    if (call.target !== this.target) this.#count(call.target)
    this.connectMs = this.#core.nowMs() - call.startMs
    call.link.hand(this.#user)
    this.#found(call.link)
  }

  #failed(call: Call, error: string): void {
    if (!this.#calls.includes(call)) return
    this.#calls = this.#calls.filter((other) => other !== call)
    call.link.abort()
    const now = this.#core.nowMs()
    const { connectTotalMs } = this.#core.limits
    this.connectMs = now - call.startMs
    if (ownFailures.has(error)) {
      this.cancel()
      return this.#user.dialFailed('H99')
    }
    this.#last = error === 'ECONNREFUSED' || error === 'ECONNRESET' ? 'H21' : 'H19'
    this.#core.quarantine(call.target)
    this.#tried ??= new Set()
    this.#tried.add(call.target)
    if (this.#calls.length > 0) return this.#expect()
    if (this.#tries >= this.#triesMax() || now - this.#startMs >= connectTotalMs) {
      return this.#user.dialFailed(this.#last)
    }
    this.#core.counters.connectRetries += 1
    this.attempt()
  }

  /** Nobody is left to try: for this request for good, or until a quarantine ends. */
  #noneOpen(): void {
    const { connectTotalMs, lookMsMin, lookMsMax } = this.#core.limits
    const isTried = (target: Upstream) => {
      const known = this.#app.known(target)
      return known !== undefined && this.#tried?.has(known) === true
    }
    if (this.#route.targets.every(isTried)) return this.#user.dialFailed(this.#last)
    const pauseMs = Math.min(lookMsMax, lookMsMin * 2 ** this.#looks)
    this.#looks += 1
    // Not all at once: who comes first learns for everybody whether the target is back.
    const jitteredMs = pauseMs * (0.5 + this.#core.settings.random() / 2)
    this.#user.dialParked(Math.min(this.#core.nowMs() + jitteredMs, this.#startMs + connectTotalMs))
  }
}

/** The connection used last is the least likely to be closed by its peer soon. */
function takeIdle(target: TargetLoad<Link>): Link | null {
  for (;;) {
    const link = target.idle.pop()
    if (link === undefined || link.usable) return link ?? null
    link.close()
  }
}

function ignore(): void {
  // A link reports bytes and ends only after it has connected, and then it is another's.
}
