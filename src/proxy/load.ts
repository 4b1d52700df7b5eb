/**
 * How many requests each target is serving through this proxy, which targets are left alone for a while, and
 * the bookkeeping of both. An app at rest takes no room.
 */
import type { Upstream } from './contract.ts'

/** An idle connection kept for the next request. */
export type IdleLink = { readonly close: () => void }

/** Connections to a target as of a look: all that had arrived by then, and ours of those begun since. */
export type Arrivals = { readonly before: number; ours: number }

/** One target's life: another epoch of the same id is another TargetLoad. */
export class TargetLoad<Link extends IdleLink> {
  readonly upstream: Upstream
  readonly app: AppLoad<Link>
  inFlight = 0
  /** Could not be connected to: not to be tried before then. */
  shutUntilMs = 0
  /** Was slow to connect to: others come first until then. */
  doubtedUntilMs = 0
  /** Most recently used last. */
  readonly idle: Link[] = []
  /** Null: its backlog was never looked at. */
  arrivals: Arrivals | null = null

  constructor(app: AppLoad<Link>, upstream: Upstream) {
    this.app = app
    this.upstream = upstream
  }

  shut(untilMs: number): void {
    this.shutUntilMs = untilMs
    this.app.troubledUntilMs = Math.max(this.app.troubledUntilMs, untilMs)
  }

  doubt(untilMs: number): void {
    this.doubtedUntilMs = untilMs
    this.app.troubledUntilMs = Math.max(this.app.troubledUntilMs, untilMs)
  }

  /** It took a connection. */
  trust(): void {
    this.shutUntilMs = 0
    this.doubtedUntilMs = 0
  }

  isLife({ epoch, port, address }: Upstream): boolean {
    const own = this.upstream
    return own.epoch === epoch && own.port === port && own.address === address
  }
}

/** What one app has in flight here. */
export class AppLoad<Link extends IdleLink> {
  readonly id: string
  inFlight = 0
  /** Client connections whose last request was for it. */
  clients = 0
  /** From then on no target is shut or doubted. */
  troubledUntilMs = 0
  readonly targets = new Map<string, TargetLoad<Link>>()

  constructor(id: string) {
    this.id = id
  }

  /** What is known of a target in this life of it. */
  known(upstream: Upstream): TargetLoad<Link> | undefined {
    const target = this.targets.get(upstream.id)
    return target !== undefined && target.isLife(upstream) ? target : undefined
  }
}

/** Apps with something in flight, a connection of a client or to a target, or a target left alone. */
export class LoadTable<Link extends IdleLink> {
  readonly #apps = new Map<string, AppLoad<Link>>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#apps.size
  }

  apps(): IterableIterator<AppLoad<Link>> {
    return this.#apps.values()
  }

  /** Undefined: nothing of it is here. */
  get(id: string): AppLoad<Link> | undefined {
    return this.#apps.get(id)
  }

  /** A target that another process could not connect to. */
  shut(id: string, upstream: Upstream, untilMs: number): void {
    const known = this.#apps.get(id)?.targets.get(upstream.id)
    // Of an older life than the one that is known here.
    if (known !== undefined && known.upstream.epoch > upstream.epoch) return
    const target = this.target(this.#open(id), upstream)
    if (target.shutUntilMs < untilMs) target.shut(untilMs)
  }

  /** A request for the app begins; `leave` must follow. */
  enter(id: string): AppLoad<Link> {
    const app = this.#open(id)
    app.inFlight += 1
    return app
  }

  #open(id: string): AppLoad<Link> {
    let app = this.#apps.get(id)
    if (app === undefined) {
      app = new AppLoad(id)
      this.#apps.set(id, app)
    }
    return app
  }

  leave(app: AppLoad<Link>): void {
    app.inFlight -= 1
    if (app.inFlight === 0) this.tidy(app)
  }

  /** A client's connection no longer counts for the app. */
  part(app: AppLoad<Link>): void {
    app.clients -= 1
    if (app.clients === 0) this.tidy(app)
  }

  /** The load of a target in its present life. Connections of an older life are closed, never reused. */
  target(app: AppLoad<Link>, upstream: Upstream): TargetLoad<Link> {
    const known = app.targets.get(upstream.id)
    if (known !== undefined) {
      if (known.isLife(upstream)) return known
      for (const link of known.idle.splice(0)) link.close()
    }
    const load = new TargetLoad(app, upstream)
    app.targets.set(upstream.id, load)
    return load
  }

  /** Forgets what is at rest. */
  tidy(app: AppLoad<Link>): void {
    const troubled = app.troubledUntilMs > 0 && this.#nowMs() < app.troubledUntilMs
    for (const [id, target] of app.targets) {
      if (target.inFlight > 0 || target.idle.length > 0) continue
      if (troubled && Math.max(target.shutUntilMs, target.doubtedUntilMs) > this.#nowMs()) continue
      app.targets.delete(id)
    }
    if (app.inFlight + app.clients === 0 && app.targets.size === 0) this.#apps.delete(app.id)
  }
}
