/**
 * How many requests each target is serving through this proxy, and the choice made by it: the less
 * loaded of two random targets. Two random looks avoid the pile-ups of plain random choice (the Rap
 * Genius case) and the herding of always taking the least loaded.
 */
import type { Upstream } from './contract.ts'

/** An idle connection kept for the next request. */
export type IdleLink = { readonly close: () => void }

/** One target's life: another epoch of the same id is another TargetLoad. */
export class TargetLoad<Link extends IdleLink> {
  readonly upstream: Upstream
  readonly app: AppLoad<Link>
  inFlight = 0
  /** Most recently used last. */
  readonly idle: Link[] = []

  constructor(app: AppLoad<Link>, upstream: Upstream) {
    this.app = app
    this.upstream = upstream
  }
}

/** What one app has in flight here. */
export class AppLoad<Link extends IdleLink> {
  readonly id: string
  inFlight = 0
  readonly targets = new Map<string, TargetLoad<Link>>()

  constructor(id: string) {
    this.id = id
  }
}

/** Apps with something in flight or a connection kept; an app at rest takes no room. */
export class LoadTable<Link extends IdleLink> {
  readonly #apps = new Map<string, AppLoad<Link>>()

  get size(): number {
    return this.#apps.size
  }

  apps(): IterableIterator<AppLoad<Link>> {
    return this.#apps.values()
  }

  /** A request for the app begins; `leave` must follow. */
  enter(id: string): AppLoad<Link> {
    let app = this.#apps.get(id)
    if (app === undefined) {
      app = new AppLoad(id)
      this.#apps.set(id, app)
    }
    app.inFlight += 1
    return app
  }

  leave(app: AppLoad<Link>): void {
    app.inFlight -= 1
    if (app.inFlight === 0) this.tidy(app)
  }

  /** The load of a target in its present life. Connections of an older life are closed, never reused. */
  target(app: AppLoad<Link>, upstream: Upstream): TargetLoad<Link> {
    const known = app.targets.get(upstream.id)
    if (known !== undefined) {
      const { epoch, port, address } = known.upstream
      if (epoch === upstream.epoch && port === upstream.port && address === upstream.address) return known
      for (const link of known.idle.splice(0)) link.close()
    }
    const load = new TargetLoad(app, upstream)
    app.targets.set(upstream.id, load)
    return load
  }

  /** Forgets what is at rest. */
  tidy(app: AppLoad<Link>): void {
    for (const [id, target] of app.targets) {
      if (target.inFlight === 0 && target.idle.length === 0) app.targets.delete(id)
    }
    if (app.inFlight === 0 && app.targets.size === 0) this.#apps.delete(app.id)
  }
}

/**
 * Index of the less loaded of two random targets not yet tried, or -1 when all were.
 * `random` gives numbers in [0, 1).
 */
export function chooseOfTwo(
  targets: readonly Upstream[],
  inFlight: (target: Upstream) => number,
  random: () => number,
  tried: ReadonlySet<Upstream> | null,
): number {
  if (targets.length === 1 && tried === null) return 0
  const open = tried === null ? targets : targets.filter((target) => !tried.has(target))
  if (open.length === 0) return -1
  const first = Math.floor(random() * open.length)
  let chosen = first
  if (open.length > 1) {
    const second = (first + 1 + Math.floor(random() * (open.length - 1))) % open.length
    if (inFlight(open[second] as Upstream) < inFlight(open[first] as Upstream)) chosen = second
  }
  return tried === null ? chosen : targets.indexOf(open[chosen] as Upstream)
}
