/**
 * The routes that one shard knows: the working set, not all apps. One of two doors to lru-cache.
 *
 * One bounded map of apps, and an index of the names that their newest routes claim: a renamed app or a
 * removed domain ends with the route's next version, and goes with its app. Hosts under a wildcard are
 * remembered one by one, for another app may hold the exact name.
 */
import { LRUCache } from 'lru-cache'
import type { Decided } from '../../src/proxy/contract.ts'
import type { Route, StandIn, Target } from '../protocols/shapes.ts'
import { succeed, type Known } from './epochs.ts'
import { wildcardsOf } from './hostnames.ts'
import { createInterner } from './intern.ts'

/**
 * The order of use is kept by so many parts of the cache: an app that was put in front is not moved again
 * until as many newcomers as one part holds have come. A hit then costs one look-up.
 */
const parts = 16
/** Of the cache: hosts under wildcards are fewer than apps. */
const wildcardShare = 8

/** One app. It stays the same object while the app is known here. */
export type Entry = {
  route: Route
  gone: Known['gone']
  /** Newer lives of some of its dynos, which the route does not know yet. Few, and seldom any. */
  standIns: readonly Target[]
  /** What the route comes to, for whoever works it out; undefined once the route has changed. */
  decision: Decided | 'wait' | undefined
  /** Of what was known of hosts when `decision` was made. */
  decidedIn: number
  /** The last gap after which the route was heard or asked for. */
  sureIn: number
  /** When it was last put in front, counted in parts of the cache (see `parts`). */
  usedIn: number
}

export type RouteCache = {
  /** Who has this hostname (lower case, no port), if it is known here. */
  find(hostname: string): Entry | undefined
  /** By app id, whatever its names. */
  ofApp(appId: string): Entry | undefined
  /**
   * Takes a route that was asked for; an older version than the known one is ignored.
   * @returns what is known of the app now; undefined: it is gone
   */
  learn(hostname: string, route: Route): Entry | undefined
  /** An announcement: counts if it is newer, and of an unknown app while there is room. @returns whether */
  update(route: Route): boolean
  /** Begins or ends to count. @returns whether */
  standIn(standIn: StandIn): boolean
  /** Most recently used first. */
  entries(): IterableIterator<Entry>
  size(): number
}

/** Whether a route answers for a hostname: its own name under the domain, or one of its custom names. */
export const leadsTo = (route: Route, hostname: string, appDomain: string): boolean =>
  !route.gone &&
  (hostname === `${route.appName}.${appDomain}` ||
    route.hostnames.includes(hostname) ||
    wildcardsOf(hostname).some((wildcard) => route.hostnames.includes(wildcard)))

const none: readonly Target[] = []

/** Whether the route has an older life of that dyno. */
const displaces = (target: Target, route: Route): boolean =>
  route.targets.some(({ dyno, epoch }) => dyno === target.dyno && epoch < target.epoch)

/** The route with those who stand in. */
export const servedBy = ({ route, standIns }: Entry): Route =>
  standIns.length === 0
    ? route
    : {
        ...route,
        targets: route.targets.map((target) => standIns.find(({ dyno }) => dyno === target.dyno) ?? target),
      }

/** Names that a route claims, wildcards as they are. */
export const namesOf = (route: Route, appDomain: string): readonly string[] =>
  route.hostnames.length === 0
    ? [`${route.appName}.${appDomain}`]
    : [`${route.appName}.${appDomain}`, ...route.hostnames]

/**
 * @param appsMax a shard's working set (spec sheet router-perf: the collector's pause grows with it)
 * @param warmMax so many apps are taken from announcements though nobody asked for them here: a shard that
 *   never served them still can when the control plane is away
 */
export const createRouteCache = (appDomain: string, appsMax: number, warmMax: number): RouteCache => {
  const names = new Map<string, Entry>()
  const underWildcards = new LRUCache<string, Entry>({ max: Math.ceil(appsMax / wildcardShare) })
  const lean = createInterner()
  const partMax = Math.max(1, Math.floor(appsMax / parts))
  let newcomers = 0
  let now = 0

  const unname = (entry: Entry, route: Route): void => {
    for (const name of namesOf(route, appDomain)) if (names.get(name) === entry) names.delete(name)
  }
  const apps = new LRUCache<string, Entry>({
    max: appsMax,
    dispose: (entry) => unname(entry, entry.route),
  })
  const enter = (route: Route): void => {
    if (++newcomers % partMax === 0) now++
    const { route: kept, gone } = succeed(undefined, lean(route))
    const entry: Entry = {
      route: kept,
      gone,
      standIns: none,
      decision: undefined,
      decidedIn: 0,
      sureIn: 0,
      usedIn: now,
    }
    for (const name of namesOf(entry.route, appDomain)) names.set(name, entry)
    apps.set(entry.route.appId, entry)
  }
  const put = (route: Route): boolean => {
    const entry = apps.peek(route.appId)
    if (entry === undefined) {
      if (!route.gone) enter(route)
      return !route.gone
    }
    if (entry.route.version >= route.version) return false
    if (route.gone) return apps.delete(route.appId)
    const before = entry.route
    const next = succeed(entry, lean(route))
    entry.route = next.route
    entry.gone = next.gone
    entry.standIns = entry.standIns.filter((target) => displaces(target, next.route))
    entry.decision = undefined
    unname(entry, before)
    for (const name of namesOf(next.route, appDomain)) names.set(name, entry)
    return true
  }
  const underWildcard = (hostname: string): Entry | undefined => {
    const entry = underWildcards.get(hostname)
    if (entry === undefined) return undefined
    const isKnown = apps.peek(entry.route.appId) === entry
    if (isKnown && leadsTo(entry.route, hostname, appDomain)) return entry
    underWildcards.delete(hostname)
    return undefined
  }

  return {
    find: (hostname) => {
      const entry = names.get(hostname) ?? underWildcard(hostname)
      if (entry !== undefined && entry.usedIn !== now) {
        entry.usedIn = now
        apps.get(entry.route.appId)
      }
      return entry
    },
    ofApp: (appId) => apps.peek(appId),
    learn: (hostname, route) => {
      put(route)
      const entry = apps.peek(route.appId)
      if (entry !== undefined && names.get(hostname) !== entry && leadsTo(entry.route, hostname, appDomain))
        underWildcards.set(hostname, entry)
      return entry
    },
    update: (route) => {
      if (!apps.has(route.appId) && (route.gone || apps.size >= warmMax)) return false
      return put(route)
    },
    standIn: ({ appId, target, over }) => {
      const entry = apps.peek(appId)
      if (entry === undefined || !(over || displaces(target, entry.route))) return false
      const others = entry.standIns.filter(({ dyno }) => dyno !== target.dyno)
      const before = entry.standIns.find(({ dyno }) => dyno === target.dyno)
      if (before !== undefined && (over ? before.epoch !== target.epoch : before.epoch >= target.epoch))
        return false
      entry.standIns = over ? others : [...others, target]
      entry.decision = undefined
      return true
    },
    entries: () => apps.values() as IterableIterator<Entry>,
    size: () => apps.size,
  }
}
