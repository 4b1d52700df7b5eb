/**
 * The routes that one shard knows: the working set, not all apps. The only door to lru-cache.
 *
 * Two bounded maps: hostname to app, app to route. A hostname counts only while the app's own route says that
 * it leads there, so a renamed app or a removed domain ends with the route's next version, whoever heard of
 * it first.
 */
import { LRUCache } from 'lru-cache'
import type { Route } from '../protocols/shapes.ts'
import { succeed, type Known } from './epochs.ts'
import { wildcardsOf } from './hostnames.ts'

export type RouteCache = {
  /** The route that this hostname (lower case, no port) leads to, if it is known here. */
  find(hostname: string): Route | undefined
  /** By app id, whatever its names. */
  ofApp(appId: string): Route | undefined
  /** Takes a route that answers `hostname`; an older version than the known one is ignored. */
  learn(hostname: string, route: Route): void
  /** An announcement: counts if it is newer, and of an unknown app while there is room. @returns whether */
  update(route: Route): boolean
  /** Apps that are cached, most recently used first, at most `count`. */
  apps(count: number): readonly string[]
  size(): number
}

/** Whether a route answers for a hostname: its own name under the domain, or one of its custom names. */
export const leadsTo = (route: Route, hostname: string, appDomain: string): boolean =>
  !route.gone &&
  (hostname === `${route.appName}.${appDomain}` ||
    route.hostnames.includes(hostname) ||
    wildcardsOf(hostname).some((wildcard) => route.hostnames.includes(wildcard)))

/**
 * @param appsMax bound of both maps: a shard's working set (spec sheet router-perf: the collector's pause
 *   grows with it)
 * @param warmMax so many apps are taken from announcements though nobody asked for them here: a shard that
 *   never served them still can when the control plane is away
 */
export const createRouteCache = (appDomain: string, appsMax: number, warmMax: number): RouteCache => {
  const names = new LRUCache<string, string>({ max: appsMax })
  const routes = new LRUCache<string, Known>({ max: appsMax })
  const put = (route: Route): boolean => {
    const known = routes.peek(route.appId)
    if (known !== undefined && known.route.version >= route.version) return false
    if (route.gone) routes.delete(route.appId)
    else routes.set(route.appId, succeed(known, route))
    return true
  }
  return {
    find: (hostname) => {
      const appId = names.get(hostname)
      if (appId === undefined) return undefined
      const route = routes.get(appId)?.route
      if (route !== undefined && leadsTo(route, hostname, appDomain)) return route
      names.delete(hostname)
      return undefined
    },
    ofApp: (appId) => routes.peek(appId)?.route,
    learn: (hostname, route) => {
      put(route)
      names.set(hostname, route.appId)
    },
    update: (route) => {
      if (routes.has(route.appId)) return put(route)
      if (route.gone || routes.size >= warmMax) return false
      for (const name of [`${route.appName}.${appDomain}`, ...route.hostnames]) names.set(name, route.appId)
      return put(route)
    },
    apps: (count) => {
      const ids: string[] = []
      for (const appId of routes.keys()) {
        if (ids.length >= count) break
        ids.push(appId)
      }
      return ids
    },
    size: () => routes.size,
  }
}
