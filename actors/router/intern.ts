/**
 * Routes as they are kept: texts that thousands of them share are held once. A decoded message has a copy of
 * its own of each.
 */
import type { Route } from '../protocols/shapes.ts'

/** Hosts, their addresses and the names of dynos are few. */
const sharedMax = 20_000

export const createInterner = (): ((route: Route) => Route) => {
  const shared = new Map<string, string>()
  const share = (text: string): string => {
    const known = shared.get(text)
    if (known !== undefined) return known
    if (shared.size >= sharedMax) shared.clear()
    shared.set(text, text)
    return text
  }
  const none: string[] = []
  const few = (texts: readonly string[]): string[] => (texts.length === 0 ? none : texts.map(share))
  return (route) => ({
    ...route,
    hostnames: route.hostnames.length === 0 ? none : route.hostnames,
    features: few(route.features ?? none),
    targets: route.targets.map((target) => ({
      ...target,
      // Of no use to a router, and longer than all the rest.
      runId: '',
      dyno: share(target.dyno),
      address: share(target.address),
      host: share(target.host),
      outer: target.outer && { address: share(target.outer.address), port: target.outer.port },
    })),
  })
}
