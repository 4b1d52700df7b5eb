/**
 * Finds a target that takes a connection: the less loaded of two random ones, then others while
 * connecting fails, each at most once, within the bounds Heroku documents (10 tries, 5 s each, 75 s).
 *
 * Nothing is sent here, so trying again can't repeat anything.
 */
import type { Route, Upstream } from './contract.ts'
import type { Core } from './core.ts'
import { Link, type LinkUser } from './link.ts'
import { type AppLoad, chooseOfTwo, type TargetLoad } from './load.ts'

/** Who wants a connection. */
export type Dialer = LinkUser & {
  /** Has to call `timedOut` at that time unless it was connected by then. */
  readonly dialing: (deadlineMs: number) => void
  readonly dialed: (link: Link) => void
  readonly dialFailed: (code: 'H19' | 'H21') => void
}

export class Dial {
  target: TargetLoad<Link> | null = null
  /** How long the last attempt has taken, or took. */
  connectMs = 0
  readonly #core: Core
  readonly #route: Route
  readonly #app: AppLoad<Link>
  readonly #user: Dialer
  readonly #startMs: number
  #attemptMs = 0
  #link: Link | null = null
  #tried: Set<Upstream> | null = null

  constructor(core: Core, route: Route, app: AppLoad<Link>, user: Dialer) {
    this.#core = core
    this.#route = route
    this.#app = app
    this.#user = user
    this.#startMs = core.nowMs()
  }

  /** Takes the next target: a kept connection to it when there is one, or a new one. */
  attempt(): void {
    const { targets, keepAlive } = this.#route
    const app = this.#app
    const inFlight = (target: Upstream) => app.targets.get(target.id)?.inFlight ?? 0
    const index = chooseOfTwo(targets, inFlight, this.#core.settings.random, this.#tried)
    const target = this.#core.load.target(app, targets[index] as Upstream)
    target.inFlight += 1
    this.target = target
    const kept = keepAlive === true ? takeIdle(target) : null
    if (kept === null) return this.connect()
    kept.use(this.#user)
    this.#user.dialed(kept)
  }

  /** A new connection to the target chosen last. */
  connect(): void {
    this.#attemptMs = this.#core.nowMs()
    this.#user.dialing(this.#attemptMs + this.#core.limits.connectMs)
    this.#link = new Link(this.target as TargetLoad<Link>, {
      linkConnected: () => this.#connected(),
      linkClosed: (error) => this.#failed(error?.code === 'ETIMEDOUT' ? 'H19' : 'H21'),
      linkBytes: ignore,
      linkEnded: ignore,
      linkDrained: ignore,
    })
  }

  timedOut(): void {
    this.#failed('H19')
  }

  /** Gives up: the request is over. */
  cancel(): void {
    this.#link?.abort()
    this.#link = null
  }

  #connected(): void {
    const link = this.#link as Link
    this.#link = null
    this.connectMs = this.#core.nowMs() - this.#attemptMs
    link.hand(this.#user)
    this.#user.dialed(link)
  }

  #failed(code: 'H19' | 'H21'): void {
    const target = this.target as TargetLoad<Link>
    this.cancel()
    const now = this.#core.nowMs()
    this.connectMs = now - this.#attemptMs
    this.#tried ??= new Set()
    this.#tried.add(target.upstream)
    const { connectTriesMax, connectTotalMs } = this.#core.limits
    const last = this.#tried.size >= Math.min(this.#route.targets.length, connectTriesMax)
    if (last || now - this.#startMs >= connectTotalMs) {
      this.#user.dialFailed(code)
      return
    }
    target.inFlight -= 1
    this.#core.counters.connectRetries += 1
    this.attempt()
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
