/**
 * Hosts that nobody has, believed for a moment; and what was announced lately, so that no answer from a copy
 * of the record that is older than an announcement is believed after it.
 */
import type { Route } from '../protocols/shapes.ts'
import { wildcardsOf } from './hostnames.ts'

export type Nobody = {
  /** Whether it is known that nobody has this hostname. */
  has(hostname: string, nowMs: number): boolean
  /** Nobody had it when that was asked. */
  note(hostname: string, askedMs: number): void
  /** An announcement of a route with these names: whoever was told "nobody" before may be wrong now. */
  heard(route: Route, names: readonly string[], nowMs: number): void
  /** Of an app's last announcement, if that was lately; else 0. */
  versionOf(appId: string): number
  clear(): void
}

export const createNobody = (believedMs: number, max: number): Nobody => {
  const asked = createLately<number>(max)
  const announcedMs = createLately<number>(max)
  const versions = createLately<number>(max)
  return {
    has: (hostname, nowMs) => {
      const askedMs = asked.get(hostname)
      if (askedMs === undefined || nowMs - askedMs >= believedMs) return false
      return ![hostname, ...wildcardsOf(hostname)].some((name) => (announcedMs.get(name) ?? -1) >= askedMs)
    },
    note: (hostname, askedMs) => asked.set(hostname, askedMs),
    heard: (route, names, nowMs) => {
      versions.set(route.appId, Math.max(route.version, versions.get(route.appId) ?? 0))
      for (const name of names) announcedMs.set(name, nowMs)
    },
    versionOf: (appId) => versions.get(appId) ?? 0,
    clear: () => asked.clear(),
  }
}

/** The last `max` keys that were set at least, twice as many at most. */
const createLately = <T>(max: number) => {
  let young = new Map<string, T>()
  let old = new Map<string, T>()
  return {
    get: (key: string): T | undefined => young.get(key) ?? old.get(key),
    set: (key: string, value: T): void => {
      if (young.size >= max) [old, young] = [young, new Map()]
      young.set(key, value)
    },
    clear: (): void => {
      young = new Map()
      old = new Map()
    },
  }
}
