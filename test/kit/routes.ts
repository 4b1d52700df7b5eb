/**
 * The route table of a shard between a control plane and a clock that are driven by hand.
 */
import { createRouteTable, routeTableLimits } from '../../actors/router/route-table.ts'
import type { Route } from '../../actors/protocols/shapes.ts'
import type { MemberState } from '../../src/membership/contract.ts'
import type { Decided, Decision } from '../../src/proxy/contract.ts'

export const target = {
  runId: 'r1',
  dyno: 'web.1',
  address: '10.0.0.1',
  port: 4000,
  outer: null,
  epoch: 1,
  host: 'h',
}
export const route = (change: Partial<Route> = {}): Route => ({
  appId: 'a1',
  appName: 'shop',
  version: 1,
  maintenance: false,
  gone: false,
  hostnames: [],
  web: 'up',
  targets: [target],
  ...change,
})
export const routed: Decision = {
  kind: 'route',
  app: 'a1',
  targets: [{ id: 'web.1', address: '10.0.0.1', port: 4000, epoch: 1 }],
  near: 1,
  keepAlive: true,
  endToEndContinue: false,
  errorPageUrl: '',
}

type Names = Readonly<Record<string, string>>

/** A table whose control plane is two maps, with a count of what it was asked; `isAway` makes it reject. */
export const world = (
  names: Names,
  routes: readonly Route[],
  limits: Partial<typeof routeTableLimits> = {},
) => {
  /** `behind`: what a copy of the record says that lacks the newest; it is asked first. */
  const plane = {
    names: { ...names } as Record<string, string>,
    routes: new Map<string, Route>(),
    behind: new Map<string, Route>(),
  }
  for (const each of routes) plane.routes.set(each.appId, each)
  const asked: string[] = []
  const versionsWanted: number[] = []
  const uses: string[] = []
  let open = 0
  let mostOpen = 0
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>()
  const state = { nowMs: 1_000, isAway: false }
  const hosts = new Map<string, MemberState>()
  const zones: Record<string, string> = {}
  const answer = async <T>(question: string, value: () => T): Promise<T> => {
    asked.push(question)
    mostOpen = Math.max(mostOpen, ++open)
    await Promise.resolve()
    open--
    if (state.isAway) throw new Error('away')
    return value()
  }
  const table = createRouteTable({
    appDomain: 'localhost',
    standpoint: { host: 'h', hostState: (name) => hosts.get(name), zoneOf: (name) => zones[name] },
    holderOf: (kind, name) => answer(`${kind} ${name}`, () => plane.names[`${kind} ${name}`]),
    routeOf: (appId, versionMin) =>
      answer(`route ${appId}`, () => {
        if (versionMin > 0) versionsWanted.push(versionMin)
        const behind = plane.behind.get(appId)
        return behind !== undefined && behind.version >= versionMin ? behind : plane.routes.get(appId)
      }),
    used: (appId) => void uses.push(appId),
    now: () => state.nowMs,
    after: (ms, run) => {
      const timer = { atMs: state.nowMs + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    limits: { ...routeTableLimits, ...limits },
  })
  const advance = (ms: number): void => {
    state.nowMs += ms
    for (const timer of timers) {
      if (timer.atMs > state.nowMs) continue
      timers.delete(timer)
      timer.run()
    }
  }
  return {
    table,
    plane,
    asked,
    versionsWanted,
    uses,
    mostOpen: () => mostOpen,
    state,
    advance,
    timers,
    hosts,
    zones,
  }
}
/** What becomes of it in the end, also when it is held for a while. */
export const settled = async (decision: Decision | Promise<Decision>): Promise<Decided> => {
  const made = await decision
  return made.kind === 'hold' ? new Promise((decided) => void made.wait(decided)) : made
}
/** `503 H14 …` of a refusal, else its kind. */
export const code = async (decision: Decision | Promise<Decision>): Promise<string> => {
  const made = await settled(decision)
  return made.kind === 'refuse' ? `${made.status} ${made.code} ${made.description}` : made.kind
}
