/**
 * Gentle balance after hosts came: one run at a time, a bounded number an hour, and only while it makes the
 * spread of an app or the load of two hosts clearly better. Singletons and one-offs stay where they are.
 */
import { placementTimes } from './times.ts'
import { plan, spreadsOf, tellMoves } from './moves.ts'
import { choose, type Spread } from './choose.ts'
import { kindOf, type Machine, type Row } from './fleet.ts'
import { isOneOff, leads, type Self, type State } from './state.ts'

const hourMs = 3_600_000

export const balance = (s: State, ctx: Self): void => {
  if (!s.uneven || !leads(s, ctx) || s.view.braked || s.moves.size > 0) return
  if (ctx.now - s.changedAt < placementTimes.calmMs) return
  s.balanced = s.balanced.filter((at) => ctx.now - at < hourMs)
  const last = s.balanced.at(-1)
  if (last !== undefined && ctx.now - last < placementTimes.betweenMovesMs) return
  const machines = [...s.fleet.machines()].filter((machine) => s.fleet.takes(machine))
  const runs = machines.reduce((sum, machine) => sum + machine.rows.size, 0)
  if (s.balanced.length >= movesPerHour(runs)) return
  const better = next(s, machines)
  if (better === undefined) {
    s.uneven = false
    return
  }
  const { row, from, spread } = better
  const move = plan(s, row, from, 'rebalance', spread, ctx)
  if (move === undefined) return
  s.balanced.push(ctx.now)
  ctx.log({ at: 'rebalance', app: row.appId, dyno: row.name, from, to: move.to ?? '' })
  tellMoves(s, [move], ctx)
}

/** A fifth of what runs, within bounds. */
export const movesPerHour = (runs: number): number =>
  Math.min(placementTimes.movesPerHourMax, Math.max(placementTimes.movesPerHourMin, Math.ceil(runs / 5)))

type Better = { readonly row: Row; readonly from: string; readonly spread: Spread }

const next = (s: State, machines: readonly Machine[]): Better | undefined => {
  if (machines.length < 2) return undefined
  const rows = machines.flatMap((machine) => [...machine.rows.values()].filter(mayMove))
  const hostOf = new Map(
    machines.flatMap((machine) => [...machine.rows.keys()].map((id) => [id, machine] as const)),
  )
  const spreads = spreadsOf(s, rows)
  const crowded = rows.find((row) => {
    const spread = spreads.get(kindOf(row))!
    const from = hostOf.get(row.id)!
    return machines.some((to) => s.fleet.freeOf(to.name) >= row.bytes && spreadGain(spread, from, to) > 0)
  })
  if (crowded !== undefined) return withoutIt(crowded, hostOf, spreads)
  const byLoad = machines.toSorted((a, b) => usedShare(b) - usedShare(a))
  const [most, least] = [byLoad[0]!, byLoad.at(-1)!]
  if (usedShare(most) - usedShare(least) < placementTimes.unevenShare) return undefined
  const heavy = [...most.rows.values()].find(
    (row) =>
      mayMove(row) &&
      s.fleet.freeOf(least.name) >= row.bytes &&
      spreadGain(spreads.get(kindOf(row))!, most, least) >= 0 &&
      // It must go to the emptier one: choose() goes by spread first, and would take it elsewhere.
      chosenIs(s, row, most, least, spreads),
  )
  return heavy === undefined ? undefined : withoutIt(heavy, hostOf, spreads)
}

const mayMove = (row: Row): boolean => row.promisedAt === 0 && !row.singleton && !isOneOff(row)
const usedShare = ({ reservedBytes, memoryBytes }: Machine): number =>
  reservedBytes / Math.max(1, memoryBytes)

/** How much more even the type is when one of it goes from here to there; 0 when it is all the same. */
const spreadGain = ({ hosts, zones }: Spread, from: Machine, to: Machine): number => {
  if (from === to) return -1
  const zone = from.zone === to.zone ? 0 : (zones.get(from.zone) ?? 0) - (zones.get(to.zone) ?? 0) - 1
  const host = (hosts.get(from.name) ?? 0) - (hosts.get(to.name) ?? 0) - 1
  return zone === 0 ? host : zone
}

/** The spread as if the run were not there, so that choosing finds its better place. */
const withoutIt = (
  row: Row,
  hostOf: ReadonlyMap<string, Machine>,
  spreads: ReadonlyMap<string, Spread>,
): Better => {
  const from = hostOf.get(row.id)!.name
  return { row, from, spread: spreads.get(kindOf(row))!.without(from) }
}

const chosenIs = (
  s: State,
  row: Row,
  from: Machine,
  to: Machine,
  spreads: ReadonlyMap<string, Spread>,
): boolean => choose(s.fleet, spreads.get(kindOf(row))!.without(from.name), row.bytes) === to.name
