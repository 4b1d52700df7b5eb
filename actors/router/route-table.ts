/**
 * The route table of one shard: answers from its cache, asks the formation on a miss, holds requests while
 * dynos boot.
 *
 * Static stability: what is cached is served whatever happens to NATS or the control plane; only what was
 * never asked for here cannot be answered then. Concurrent misses of one host share one question.
 */
import type { Decided, Decision, Hold } from '../../src/proxy/contract.ts'
import type { Route } from '../protocols/shapes.ts'
import { bootTimeout, decide, noSuchApp, platformError, tooManyWaiting } from './decide.ts'
import type { Standpoint } from './targets.ts'
import { normalHost, wildcardsOf } from './hostnames.ts'
import { createRouteCache, leadsTo } from './route-cache.ts'

export type RouteTableDeps = {
  readonly appDomain: string
  readonly standpoint: Standpoint
  /** The app that holds a name of a kind; undefined: nobody. Rejects when it cannot be known. */
  readonly holderOf: (kind: 'app' | 'host', name: string) => Promise<string | undefined>
  /** The app's route from its formation; undefined: no such app. Rejects when it cannot be known. */
  readonly routeOf: (appId: string) => Promise<Route | undefined>
  readonly now: () => number
  /** Calls back once after that long; the returned function calls it off. */
  readonly after: (ms: number, run: () => void) => () => void
  readonly limits: RouteTableLimits
}
export type RouteTableLimits = {
  readonly appsMax: number
  /** Apps that are known from announcements alone. */
  readonly warmMax: number
  /** How long a request waits for a dyno: Heroku's H20. */
  readonly bootWaitMs: number
  readonly waitingPerAppMax: number
  /** How long "nobody has that name" is believed. */
  readonly nobodyMs: number
  readonly nobodyMax: number
  /** So many routes are asked for again at once, after a gap. */
  readonly recheckingMax: number
}
export const routeTableLimits: RouteTableLimits = {
  appsMax: 100_000,
  warmMax: 10_000,
  bootWaitMs: 75_000,
  waitingPerAppMax: 1_000,
  nobodyMs: 1_000,
  nobodyMax: 10_000,
  recheckingMax: 64,
}

export type RouteTable = {
  /** Where requests to this host go. */
  resolve(host: string): Decision | Promise<Decision>
  /** An announcement. */
  update(route: Route): void
  /** What is known of hosts has changed. */
  hostsChanged(): void
  /**
   * Announcements may have been missed: each route is served as it is known, and asked for once more when it
   * is used next.
   */
  gap(): void
  /** Asks again for what is cached, a bounded number of the most used: heals what an announcement missed. */
  revalidate(count: number): Promise<void>
  stats(): { readonly cached: number; readonly hits: number; readonly misses: number }
}

export const createRouteTable = (deps: RouteTableDeps): RouteTable => {
  const { appDomain, limits } = deps
  const cache = createRouteCache(appDomain, limits.appsMax, limits.warmMax)
  const asking = new Map<string, Promise<Route | undefined>>()
  const nobody = new Map<string, number>()
  const waiting = new Map<string, Set<(route: Route) => void>>()
  const counts = { hits: 0, misses: 0 }
  /** A route leads to the same place until something changes: it is asked for with every request. */
  let decided = new WeakMap<Route, Decided | 'wait'>()

  const decideOnce = (route: Route): Decided | 'wait' => {
    const known = decided.get(route)
    if (known !== undefined) return known
    const decision = decide(route, deps.standpoint)
    decided.set(route, decision)
    return decision
  }

  const holder = async (hostname: string): Promise<string | undefined> => {
    const suffix = `.${appDomain}`
    const label = hostname.endsWith(suffix) ? hostname.slice(0, -suffix.length) : ''
    const byName = label !== '' && !label.includes('.') ? await deps.holderOf('app', label) : undefined
    if (byName !== undefined) return byName
    for (const name of [hostname, ...wildcardsOf(hostname)]) {
      const found = await deps.holderOf('host', name)
      if (found !== undefined) return found
    }
    return undefined
  }

  const ask = async (hostname: string): Promise<Route | undefined> => {
    const appId = await holder(hostname)
    const route = appId === undefined ? undefined : await deps.routeOf(appId)
    if (route === undefined || route.gone) {
      if (nobody.size >= limits.nobodyMax) nobody.clear()
      nobody.set(hostname, deps.now() + limits.nobodyMs)
      return undefined
    }
    cache.learn(hostname, route)
    const known = cache.ofApp(route.appId) ?? route
    wake(known)
    return leadsTo(known, hostname, appDomain) ? known : undefined
  }

  const askOnce = (hostname: string): Promise<Route | undefined> => {
    const under = asking.get(hostname)
    if (under !== undefined) return under
    const question = ask(hostname).finally(() => asking.delete(hostname))
    asking.set(hostname, question)
    return question
  }

  const wake = (route: Route): void => {
    for (const waiter of waiting.get(route.appId) ?? []) waiter(route)
  }

  /** Until its route decides otherwise, the time is up, or the request is called off. */
  const hold = (route: Route): Hold => ({
    kind: 'hold',
    app: route.appId,
    wait: (decided) => {
      // It may have changed between the decision to hold and now.
      const now = decideOnce(cache.ofApp(route.appId) ?? route)
      const waiters = waiting.get(route.appId) ?? new Set()
      if (now !== 'wait' || waiters.size >= limits.waitingPerAppMax) {
        decided(now === 'wait' ? tooManyWaiting(route) : now)
        return () => undefined
      }
      waiting.set(route.appId, waiters)
      const end = (): void => {
        callOff()
        waiters.delete(waiter)
        if (waiters.size === 0) waiting.delete(route.appId)
      }
      const waiter = (next: Route): void => {
        const decision = next.gone ? noSuchApp : decideOnce(next)
        if (decision === 'wait') return
        end()
        decided(decision)
      }
      const callOff = deps.after(limits.bootWaitMs, () => {
        end()
        decided(bootTimeout(route))
      })
      waiters.add(waiter)
      return end
    },
  })

  const decideOrHold = (route: Route): Decision => {
    const decision = decideOnce(route)
    return decision === 'wait' ? hold(route) : decision
  }

  /** Asks again for a route that is known. No such app: it is gone, and the announcement was missed. */
  const reask = async (appId: string): Promise<void> => {
    const known = cache.ofApp(appId)
    const gone = known && { ...known, version: known.version + 1, gone: true }
    const route = (await deps.routeOf(appId)) ?? gone
    if (route !== undefined && cache.update(route)) wake(cache.ofApp(appId) ?? route)
  }

  /** Routes that were made sure of since the last gap; undefined before the first. */
  let sure: WeakSet<Route> | undefined
  let rechecking = 0
  const recheck = (route: Route): void => {
    if (sure === undefined || sure.has(route) || rechecking >= limits.recheckingMax) return
    const { appId } = route
    const since = sure.add(route)
    rechecking++
    reask(appId).then(
      () => {
        rechecking--
        const known = cache.ofApp(appId)
        if (known !== undefined) since.add(known)
      },
      () => {
        rechecking--
        since.delete(route)
      },
    )
  }

  const miss = async (hostname: string): Promise<Decision> => {
    try {
      const route = await askOnce(hostname)
      return route === undefined ? noSuchApp : decideOrHold(route)
    } catch {
      // The store or the control plane is away: nothing is known of this host, and that is said (H99).
      return platformError
    }
  }

  return {
    resolve: (host) => {
      const hostname = normalHost(host)
      const route = cache.find(hostname)
      if (route !== undefined) {
        counts.hits++
        recheck(route)
        return decideOrHold(route)
      }
      counts.misses++
      const until = nobody.get(hostname)
      if (until !== undefined) {
        if (deps.now() < until) return noSuchApp
        nobody.delete(hostname)
      }
      return miss(hostname)
    },
    update: (route) => {
      // A new app or name: whoever was told "nobody" a moment ago may be wrong now.
      nobody.clear()
      if (cache.update(route)) wake(cache.ofApp(route.appId) ?? route)
    },
    hostsChanged: () => {
      decided = new WeakMap()
    },
    gap: () => {
      sure = new WeakSet()
      nobody.clear()
    },
    revalidate: async (count) => {
      for (const appId of cache.apps(count)) await reask(appId)
    },
    stats: () => ({ cached: cache.size(), ...counts }),
  }
}
