/**
 * Routes as they are kept: texts that thousands of them share are held once. A decoded message has a copy of
 * its own of each.
 */
import type { Route } from '../protocols/shapes.ts'

type Target = Route['targets'][number]

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
  const placeOf = (outer: Target['outer']): Target['outer'] =>
    outer && { address: share(outer.address), port: outer.port }
  // Written out, each with all its fields: what is made by a spread keeps some of them in a table beside it.
  const target = ({ dyno, address, port, outer, epoch, host }: Target): Target => ({
    // Of no use to a router, and longer than all the rest.
    runId: '',
    dyno: share(dyno),
    address: share(address),
    port,
    outer: placeOf(outer),
    epoch,
    host: share(host),
  })
  return ({ appId, appName, version, maintenance, gone, hostnames, features, web, targets, ...seldom }) => {
    const route = {
      appId,
      appName,
      version,
      maintenance,
      gone,
      hostnames: hostnames.length === 0 ? none : hostnames,
      features: few(features ?? none),
      web: share(web) as Route['web'],
      targets: targets.map(target),
    }
    return isEmpty(seldom) ? route : { ...route, ...seldom }
  }
}

const isEmpty = (object: object): boolean => {
  for (const _ in object) return false
  return true
}
