/**
 * What becomes of runs whose host is lost or is to be emptied. The leader plans it from each view, and looks
 * again every second: whatever was missed the first time is met then.
 */
import type { Spread } from './choose.ts'
import { kindOf, type Machine, type Row } from './fleet.ts'
import { wait, withLabels } from './decide.ts'
import { plan, spreadsOf, tellMoves } from './moves.ts'
import { isOneOff, leads, type Move, type Self, type State } from './state.ts'

/** Runs that leave draining hosts at once, all together; of one app never more than one. */
const drainsMax = 20

type Lost = { readonly row: Row; readonly machine: Machine; readonly why: 'suspect' | 'dead' }

export const evacuate = (s: State, ctx: Self): void => {
  if (!leads(s, ctx) || s.view.braked) return
  replaceLost(s, ctx)
  emptyDraining(s, ctx)
}

const replaceLost = (s: State, ctx: Self): void => {
  const lost: Lost[] = []
  for (const machine of s.fleet.machines()) {
    const why = absenceOf(machine)
    if (why === undefined) continue
    for (const row of machine.rows.values()) if (mustMove(s, row, why)) lost.push({ row, machine, why })
  }
  if (lost.length === 0) return
  const rows = lost.map(({ row }) => row)
  const spreads = spreadsOf(s, rows)
  const moves: Move[] = []
  const ranked = byNeed(lost, spreads)
  for (const { row, machine, why } of ranked) {
    const move = plan(s, row, machine.name, why, spreads.get(kindOf(row))!, ctx)
    if (move === undefined)
      wait(s, row, `${machine.name} is ${why}, and no other host${withLabels(row.labels)} has room`, ctx)
    else moves.push(move)
  }
  const hosts = [...new Set(lost.map(({ machine, why }) => `${machine.name}:${why}`))].join(' ')
  ctx.log({ at: 'replace', view: s.view.number, hosts, runs: lost.length, moves: moves.length })
  tellMoves(s, moves, ctx)
}

const absenceOf = ({ state }: Machine): Lost['why'] | undefined =>
  state === 'suspect' ? 'suspect' : state === 'dead' || state === 'left' ? 'dead' : undefined

/** A singleton moves when its host's lease is over, a one-off never: it is over then. */
const mustMove = (s: State, row: Row, why: Lost['why']): boolean => {
  const move = s.moves.get(row.id)
  if (why === 'suspect' && (row.singleton || isOneOff(row))) return false
  return move === undefined || (why === 'dead' && move.why !== 'dead')
}

/** Those first of which least is left: an app with nothing gets its first run before any gets its second. */
const byNeed = (lost: readonly Lost[], spreads: ReadonlyMap<string, Spread>): readonly Lost[] => {
  const taken = new Map<string, number>()
  const ranked = lost.map((one) => {
    const kind = kindOf(one.row)
    const before = taken.get(kind) ?? 0
    taken.set(kind, before + 1)
    let left = before
    for (const count of spreads.get(kind)?.hosts.values() ?? []) left += count
    return { one, left }
  })
  return ranked.sort((a, b) => a.left - b.left).map(({ one }) => one)
}

const emptyDraining = (s: State, ctx: Self): void => {
  const leaving = [...s.fleet.machines()].filter((machine) => machine.state === 'draining')
  if (leaving.length === 0) return
  const busy = new Set<string>()
  let drains = 0
  for (const { row, why } of s.moves.values()) {
    busy.add(row.appId)
    if (why === 'drain') drains += 1
  }
  const chosen: { readonly row: Row; readonly machine: Machine }[] = []
  for (const machine of leaving) {
    for (const row of machine.rows.values()) {
      if (drains + chosen.length >= drainsMax) break
      if (row.promisedAt > 0 || isOneOff(row) || busy.has(row.appId)) continue
      busy.add(row.appId)
      chosen.push({ row, machine })
    }
  }
  if (chosen.length === 0) return
  const spreads = spreadsOf(
    s,
    chosen.map(({ row }) => row),
  )
  const moves: Move[] = []
  for (const { row, machine } of chosen) {
    const move = plan(s, row, machine.name, 'drain', spreads.get(kindOf(row))!, ctx)
    if (move === undefined)
      wait(s, row, `${machine.name} is draining, and no other host${withLabels(row.labels)} has room`, ctx)
    else moves.push(move)
  }
  tellMoves(s, moves, ctx)
}
