/**
 * Gentle balance after hosts came: one run at a time, a bounded number an hour, and only while it makes the
 * spread of an app or the load of two hosts clearly better. Singletons and one-offs stay where they are.
 */
import { labelsText } from '../../config/labels.ts'
import { placementTimes } from './times.ts'
import { plan, stays, tellMoves } from './moves.ts'
import { choose, Spread } from './choose.ts'
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
  const spreads = spreadsOfAll(s)
  const crowded = crowdedOf(s, machines, spreads)
  if (crowded !== undefined) return crowded
  const byLoad = machines.toSorted((a, b) => usedShare(b) - usedShare(a))
  const [most, least] = [byLoad[0]!, byLoad.at(-1)!]
  if (usedShare(most) - usedShare(least) < placementTimes.unevenShare) return undefined
  const heavy = [...most.rows.values()].find(
    (row) =>
      mayMove(row) &&
      s.fleet.fits(least.name, row) &&
      spreadGain(spreads.get(kindOf(row))!, most, least) >= 0 &&
      // It must go to the emptier one: choose() goes by spread first, and would take it elsewhere.
      chosenIs(s, row, most, least, spreads),
  )
  return heavy === undefined ? undefined : withoutIt(heavy, most.name, spreads)
}

/** A run whose type stands closer together than it has to. Hosts and types are looked at in pairs, once. */
const crowdedOf = (
  s: State,
  machines: readonly Machine[],
  spreads: ReadonlyMap<string, Spread>,
): Better | undefined => {
  const zones = new Set(machines.map((machine) => machine.zone))
  const seen = new Set<string>()
  for (const from of machines) {
    for (const row of from.rows.values()) {
      const kind = kindOf(row)
      const spread = spreads.get(kind)!
      if (!isCrowded(spread, from, zones) || !mayMove(row)) continue
      const pair = `${from.name} ${kind} ${row.bytes} ${labelsText(row.labels)}`
      if (seen.has(pair)) continue
      seen.add(pair)
      const isBetter = (to: Machine): boolean =>
        s.fleet.fits(to.name, row) && spreadGain(spread, from, to) > 0
      if (machines.some(isBetter)) return withoutIt(row, from.name, spreads)
    }
  }
  return undefined
}

/** Without two on the host or two more in the zone than in another, nothing is gained by any move. */
const isCrowded = (spread: Spread, { name, zone }: Machine, zones: ReadonlySet<string>): boolean => {
  if ((spread.hosts.get(name) ?? 0) > 1) return true
  const here = spread.zones.get(zone) ?? 0
  if (here < 2) return false
  for (const other of zones) if (here - (spread.zones.get(other) ?? 0) > 1) return true
  return false
}

/** Of every type that runs on machines that stay. */
const spreadsOfAll = (s: State): ReadonlyMap<string, Spread> => {
  const spreads = new Map<string, Spread>()
  for (const machine of s.fleet.machines()) {
    if (!stays(machine)) continue
    for (const row of machine.rows.values()) {
      const kind = kindOf(row)
      const spread = spreads.get(kind) ?? new Spread(s.fleet, [])
      spread.add(machine.name)
      spreads.set(kind, spread)
    }
  }
  return spreads
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
const withoutIt = (row: Row, from: string, spreads: ReadonlyMap<string, Spread>): Better => ({
  row,
  from,
  spread: spreads.get(kindOf(row))!.without(from),
})

const chosenIs = (
  s: State,
  row: Row,
  from: Machine,
  to: Machine,
  spreads: ReadonlyMap<string, Spread>,
): boolean => choose(s.fleet, spreads.get(kindOf(row))!.without(from.name), row) === to.name
