/**
 * Placement: where runs go, and what becomes of those whose host is lost or drained.
 *
 * One on each control host, all of them warm; the view's leader decides, the others ask it, and decide
 * themselves when it does not answer. It holds no truth: what it knows are the hosts' own announcements and
 * what it promised since, and what it decides counts when a formation has it on record. Losing it costs the
 * second in which the hosts announce themselves again.
 */
import { actor, refAt } from '../src/runtime/index.ts'
import { balance } from './placement/balance.ts'
import { decide, forgetWaiting, offerRoom, relay, tellOfRoom } from './placement/decide.ts'
import { evacuate } from './placement/evacuate.ts'
import type { Machine } from './placement/fleet.ts'
import { check, confirmed, looked, sweep } from './placement/moves.ts'
import { blank, leads, type Self, type State } from './placement/state.ts'
import { Host } from './protocols/host.ts'
import { Placement } from './protocols/placement.ts'
import type { FleetRun, FleetView } from './protocols/shapes.ts'

const tickMs = 1_000
/** A full announcement that does not come is asked for again. */
const askAgainMs = 2_000
const unnamedMs = 30_000

export const placement = actor(Placement, {
  mailbox: { capacity: 100_000, overflow: 'reject' },
  init(_: null, ctx): State {
    ctx.after('tick', tickMs, { type: 'tick' })
    return blank()
  },
  receive: {
    viewChanged: (s, { view }, ctx) => follow(s, view, ctx),
    announced(s, m, ctx) {
      const before = s.fleet.machine(m.host)
      const tookRuns = before !== undefined && s.fleet.takes(before)
      const { understood, freed } = s.fleet.announce(m, ctx.now)
      const machine = s.fleet.machine(m.host)
      // A host may be in the view before it has said what it has.
      if (!tookRuns && machine !== undefined && s.fleet.takes(machine)) s.uneven = true
      if (!understood && machine !== undefined) askInFull(machine, ctx)
      if (freed) offerRoom(s, ctx)
      return s
    },
    place(s, m, ctx) {
      if (s.view.number === 0) ctx.refuseCaller('no_view', 'This host does not know yet who is there')
      else if (leads(s, ctx) || m.relayed || s.view.leader === '') ctx.reply(decide(s, m, ctx))
      else relay(s, m, ctx.caller, ctx)
      return s
    },
    relayed(s, { relay: id, placed, failed }, ctx) {
      const asked = s.relays.get(id)
      s.relays.delete(id)
      if (asked !== undefined) ctx.answer(asked.caller, { placed, failed })
      return s
    },
    relayFailed(s, { relay: id }, ctx) {
      const asked = s.relays.get(id)
      s.relays.delete(id)
      if (asked !== undefined) ctx.answer(asked.caller, decide(s, asked.question, ctx))
      return s
    },
    moved(s, { runIds }, ctx) {
      confirmed(s, runIds)
      evacuate(s, ctx)
      return s
    },
    recalled(s, { runs, relayed }, ctx) {
      if (leads(s, ctx)) {
        for (const { host, run } of runs) recall(s, host, run, ctx)
        evacuate(s, ctx)
      } else if (!relayed && s.view.leader !== '')
        ctx.tell(refAt(Placement, 'placement', s.view.leader), { type: 'recalled', runs, relayed: true })
      return s
    },
    looked(s, { appId, record }, ctx) {
      looked(s, appId, record, ctx)
      return s
    },
    hosts(s, _, ctx) {
      const hosts = [...s.fleet.machines()].map((machine) => ({
        name: machine.name,
        dynos: machine.announced,
        memoryBytes: machine.memoryBytes,
        reservedBytes: machine.reservedBytes,
        load: machine.load,
        announcedAt: machine.announcedAt,
      }))
      const waiting = [...s.waiting.values()].map(({ appId, name, reason, since }) => ({
        appId,
        name,
        reason,
        since,
      }))
      ctx.reply({ hosts, waiting, moving: s.moves.size })
      return s
    },
    tick(s, _, ctx) {
      ctx.after('tick', tickMs, { type: 'tick' })
      s.fleet.expire(ctx.now)
      for (const machine of s.fleet.machines()) if (isUnknown(machine)) askInFull(machine, ctx)
      forgetWaiting(s, ctx.now)
      sweep(s, ctx.now)
      evacuate(s, ctx)
      balance(s, ctx)
      return s
    },
    check(s, _, ctx) {
      check(s, ctx)
      return s
    },
    room(s, _, ctx) {
      tellOfRoom(s, ctx)
      return s
    },
  },
})

/** Views are numbered; an older one is no news. */
const follow = (s: State, view: FleetView, ctx: Self): State => {
  if (view.number < s.view.number) return s
  const before = s.view
  s.view = view
  const fresh = s.fleet.setView(view)
  if (!sameMembers(before, view)) s.changedAt = ctx.now
  if (fresh.length > 0) s.uneven = true
  if (before.braked !== view.braked)
    ctx.log({ at: view.braked ? 'braked' : 'brake_released', view: view.number })
  if (before.leader !== view.leader) {
    // Whoever leads now plans by itself; what was planned before is confirmed to nobody.
    s.moves.clear()
    s.ledAt = ctx.now
    ctx.log({ at: 'leader', view: view.number, leader: view.leader })
  }
  for (const machine of s.fleet.machines()) if (isUnknown(machine)) askInFull(machine, ctx)
  if (fresh.length > 0) offerRoom(s, ctx)
  evacuate(s, ctx)
  return s
}

const sameMembers = (a: FleetView, b: FleetView): boolean =>
  a.members.length === b.members.length &&
  a.members.every(({ name, state }, at) => b.members[at]?.name === name && b.members[at].state === state)

/** A host that no view names was taken out; but the leader may still be learning who there is. */
const recall = (s: State, host: string, run: FleetRun, ctx: Self): void => {
  const member = s.view.members.find(({ name }) => name === host)
  if (member === undefined && ctx.now - s.ledAt < unnamedMs) return
  s.fleet.recall(host, run, member?.state ?? 'left')
}

const isUnknown = ({ seq, state }: Machine): boolean => seq === 0 && (state === 'up' || state === 'draining')

const askInFull = (machine: Machine, ctx: Self): void => {
  if (ctx.now - machine.askedAt < askAgainMs) return
  machine.askedAt = ctx.now
  ctx.tell(refAt(Host, 'host', machine.name), { type: 'survey' })
}
