/**
 * Moving runs to other hosts: planned by the leader, decided by each formation, started here in its stead
 * when its record is away (a stateless run only: a second life of it costs work, never correctness).
 */
import { ref, refAt } from '../../src/runtime/index.ts'
import { Records } from '../effects/records.ts'
import { orderOf } from '../formation/order.ts'
import type { Formed } from '../formation/record.ts'
import { Formation } from '../protocols/formation.ts'
import { Host } from '../protocols/host.ts'
import { choose, Spread } from './choose.ts'
import { kindOf, type Machine, type Row } from './fleet.ts'
import { isOneOff, leads, type Move, type Self, type State, type Why } from './state.ts'

/** A formation that has not confirmed by then is helped. */
export const standInMs = 200
const tellAgainMs = 1_000
/** Given up then, and planned anew if need be. */
const moveMs = 60_000
/** Records that are read at once. */
const looksMax = 64

/** Plans the way of a run, and keeps its room. Undefined: no host has any. */
export const plan = (
  s: State,
  row: Row,
  from: string,
  why: Why,
  spread: Spread,
  ctx: Self,
): Move | undefined => {
  const before = s.moves.get(row.id)
  const kept = before !== undefined && before.to !== null && canTake(s, before.to) ? before : undefined
  const stopsFirst = row.singleton || isOneOff(row)
  const to = kept?.to ?? (stopsFirst ? null : (choose(s.fleet, spread, row) ?? null))
  if (to === null && !stopsFirst && why !== 'dead') return undefined
  const move: Move = {
    row,
    from,
    to,
    newRunId: kept?.newRunId ?? ctx.uuid(),
    epoch: kept?.epoch ?? Math.max(row.epoch + 1, ctx.now),
    why,
    plannedAt: ctx.now,
    toldAt: ctx.now,
    confirmed: false,
    standIn: kept?.standIn ?? null,
  }
  s.moves.set(row.id, move)
  if (to !== null) {
    s.fleet.promise(to, { ...row, id: move.newRunId, epoch: move.epoch }, ctx.now)
    spread.add(to)
  }
  return move
}

const canTake = (s: State, host: string): boolean => {
  const machine = s.fleet.machine(host)
  return machine !== undefined && s.fleet.takes(machine)
}

/** One message an app and host, apps in the order in which their first run comes. */
export const tellMoves = (s: State, moves: readonly Move[], ctx: Self): void => {
  const groups = new Map<string, Move[]>()
  for (const move of moves) {
    const group = `${move.row.appId} ${move.from} ${move.why}`
    const members = groups.get(group)
    if (members === undefined) groups.set(group, [move])
    else members.push(move)
  }
  for (const members of groups.values()) {
    const { row, from, why } = members[0]!
    const runs = members.map(({ row: { id }, newRunId, epoch, to }) => ({
      runId: id,
      newRunId,
      epoch,
      host: to,
    }))
    for (const move of members) move.toldAt = ctx.now
    const move = { type: 'move', by: ctx.host, view: s.view.number, why, from, runs } as const
    ctx.tell(ref(Formation, row.appId), move)
  }
  if (moves.length > 0) ctx.after('check', standInMs, { type: 'check' })
}

/** Says again what was not confirmed, and starts in their stead what may not wait. */
export const check = (s: State, ctx: Self): void => {
  if (!leads(s, ctx) || s.view.braked) return
  const open = [...s.moves.values()].filter((move) => !move.confirmed)
  const late = open.filter((move) => ctx.now - move.plannedAt >= moveMs)
  for (const move of late) s.moves.delete(move.row.id)
  const pending = open.filter((move) => ctx.now - move.plannedAt < moveMs)
  const again = pending.filter((move) => ctx.now - move.toldAt >= tellAgainMs)
  tellMoves(s, again, ctx)
  for (const { standIn, to } of again)
    if (to !== null && typeof standIn === 'object') launch(to, standIn, ctx)
  const alone = pending.filter((move) => ctx.now - move.plannedAt >= standInMs && mayStandIn(move))
  for (const appId of [...new Set(alone.map((move) => move.row.appId))].slice(0, looksMax)) {
    for (const move of alone) if (move.row.appId === appId) move.standIn = 'sought'
    ctx.run(
      Records.formation({ appId }),
      ({ record }) => ({ type: 'looked', appId, record }),
      () => ({ type: 'looked', appId, record: null }),
    )
  }
  if (pending.length > 0) ctx.after('check', standInMs, { type: 'check' })
}

const mayStandIn = ({ why, to, standIn, row }: Move): boolean =>
  (why === 'suspect' || why === 'dead') && to !== null && standIn === null && !row.singleton && !isOneOff(row)

const launch = (to: string, run: Move['standIn'], ctx: Self): void => {
  if (run !== null && run !== 'sought')
    ctx.tell(refAt(Host, 'host', to), { type: 'launch', run, standsIn: true })
}

/** A formation's record, perhaps an older state of it: whatever it does not say of the run is left alone. */
export const looked = (s: State, appId: string, record: Formed | null, ctx: Self): void => {
  for (const move of s.moves.values()) {
    if (move.row.appId !== appId || move.confirmed || move.standIn !== 'sought') continue
    // Read again with the next check: the record may be there by then.
    if (record === null) move.standIn = null
    const slot = record?.slots.find((held) => held.run?.id === move.row.id)
    if (record === null || slot === undefined || record.destroying || move.to === null) continue
    const order = orderOf(appId, record, slot, { id: move.newRunId, epoch: move.epoch })
    if (order === undefined || order.singleton) continue
    ctx.log({ at: 'stand_in', app: appId, dyno: slot.name, run: move.newRunId, host: move.to })
    move.standIn = order
    launch(move.to, order, ctx)
  }
}

/** What a formation has on record is its own from now on. Of a dead host nothing more is expected. */
export const confirmed = (s: State, runIds: readonly string[]): void => {
  for (const runId of runIds) {
    const move = s.moves.get(runId)
    if (move === undefined) continue
    move.confirmed = true
    if (move.why !== 'dead') continue
    s.moves.delete(runId)
    const machine = s.fleet.machine(move.from)
    if (machine !== undefined) s.fleet.drop(machine, runId)
  }
}

/** Forgets moves that are over, or that have lost their reason. */
export const sweep = (s: State, now: number): void => {
  for (const [runId, move] of s.moves) {
    const machine = s.fleet.machine(move.from)
    const ended = machine === undefined || !machine.rows.has(runId)
    if (ended || now - move.plannedAt >= 2 * moveMs || isMoot(move, machine)) s.moves.delete(runId)
  }
}

const isMoot = ({ why }: Move, { state }: Machine): boolean => {
  if (why === 'suspect' || why === 'dead') return state === 'up' || state === 'draining'
  return why === 'drain' && state === 'up'
}

export const stays = ({ state }: Machine): boolean => state === 'up' || state === 'joining'

/** Hosts of the runs of each of these process types, on machines that stay. */
export const spreadsOf = (s: State, rows: readonly Row[]): ReadonlyMap<string, Spread> => {
  const apps = new Set(rows.map((row) => row.appId))
  const hosts = new Map<string, string[]>(rows.map((row) => [kindOf(row), []]))
  for (const machine of s.fleet.machines()) {
    if (!stays(machine)) continue
    for (const row of machine.rows.values())
      if (apps.has(row.appId)) hosts.get(kindOf(row))?.push(machine.name)
  }
  return new Map([...hosts].map(([kind, all]) => [kind, new Spread(s.fleet, all)]))
}
