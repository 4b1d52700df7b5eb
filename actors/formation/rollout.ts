/**
 * Moving an app's slots towards what it wants: starting runs, replacing them, ending them.
 *
 * Each function takes the record and gives the next one; what must be told leaves through `ctx` when the turn
 * commits. A replaced run serves until its successor is up. A lost tell costs time only: reconcile.ts says it
 * again.
 */
import { refAt, type Ctx } from '../../src/runtime/index.ts'
import type { Formation } from '../protocols/formation.ts'
import { Host } from '../protocols/host.ts'
import type { Release } from '../protocols/shapes.ts'
import { say } from '../say.ts'
import { isSingleton, orderOf } from './order.ts'
import { isHeld, prebootOf, withPreboot, type Why } from './preboot.ts'
import { numberOf, slotOrder, withSlot, type Formed, type RunState, type Slot } from './record.ts'

export type Self = Ctx<typeof Formation>

export const sayState = (slot: Slot, to: Slot['state'], ctx: Self): void => {
  if (slot.state === to) return
  // The log has no word for sleep: an idle dyno is down.
  const from = slot.state === 'idle' ? 'down' : slot.state
  if (from !== to) say(ctx, ctx.self.key, 'heroku', slot.name, `State changed from ${from} to ${to}`)
}

/**
 * Begins a new life in the slot: it is placed first (at the end of the turn: place.ts), told to its host when
 * the answer has been recorded.
 */
export const launch = (f: Formed, slot: Slot, ctx: Self): Formed => {
  const started = begun(slot, f.epoch, ctx)
  return withSlot({ ...f, epoch: started.run.epoch }, slot.name, started)
}

/** @param epoch of the newest run so far */
const begun = (slot: Slot, epoch: number, ctx: Self): Slot & { readonly run: RunState } => {
  const run: RunState = {
    id: ctx.uuid(),
    epoch: Math.max(epoch + 1, ctx.now),
    host: null,
    phase: 'placing',
    at: ctx.now,
    since: 0,
    address: null,
    port: null,
    outer: null,
    halted: false,
  }
  const updatedAt = slot.state === 'starting' ? slot.updatedAt : ctx.now
  return { ...slot, run, lastRunId: run.id, state: 'starting', dueAt: 0, updatedAt }
}

/** Tells the host of a placed run to start it; idempotent there by run id. */
export const send = (f: Formed, slot: Slot, run: RunState, ctx: Self): void => {
  const order = run.host === null ? undefined : orderOf(ctx.self.key, f, slot, run)
  if (order !== undefined) ctx.tell(refAt(Host, 'host', run.host!), { type: 'launch', run: order })
}

export const halt = (host: string, runId: string, name: string, ctx: Self): void =>
  ctx.tell(refAt(Host, 'host', host), { type: 'halt', runId, appId: ctx.self.key, name })

/** Ends a run that the slot no longer counts on. The dyno itself lets the routers go first. */
export const end = (f: Formed, slot: Slot, run: RunState | null, ctx: Self): Formed => {
  if (run === null || run.host === null) return f
  const { id, host, since } = run
  halt(host, id, slot.name, ctx)
  const ending = { id, name: slot.name, host, since, seen: run.phase !== 'sent', at: ctx.now }
  return { ...f, ending: [...f.ending, ending] }
}

/** A new run beside the old one. Release, restart or size: whatever changed, the crash count starts anew. */
export const restart = (f: Formed, slot: Slot, why: Why, ctx: Self): Formed => {
  say(ctx, ctx.self.key, 'heroku', slot.name, why === 'cycle' ? 'Cycling' : 'Restarting')
  if (slot.run?.host != null && isSingleton(f, slot)) return stopFirst(f, slot, ctx)
  sayState(slot, 'starting', ctx)
  const type = f.types.find((known) => known.type === slot.type)
  // One that was never let serve is not what the next one has to wait for.
  const serves = slot.run?.phase === 'up' && !slot.run.halted && !isHeld(f, slot)
  const ended = end(f, slot, serves ? slot.old : slot.run, ctx)
  const old = serves ? slot.run : slot.old
  const at = { now: ctx.now, chance: ctx.random() }
  const preboot = old === null ? undefined : prebootOf(f, slot, why, at)
  return launch(
    withPreboot(ended, slot.name, preboot),
    {
      ...slot,
      ...releaseOf(f.release),
      command: type?.command ?? slot.command,
      size: type?.size ?? slot.size,
      old,
      crashes: 0,
    },
    ctx,
  )
}

/**
 * Of a singleton: the next life, of what the slot is to be now, begins when this one has ended or its host is
 * dead (observe.ts, move.ts).
 */
export const stopFirst = (f: Formed, slot: Slot, ctx: Self): Formed => {
  const { run } = slot
  if (run?.host == null) return f
  sayState(slot, 'starting', ctx)
  halt(run.host, run.id, slot.name, ctx)
  const type = f.types.find((known) => known.type === slot.type)
  const ended = end(f, slot, slot.old, ctx)
  return withSlot(ended, slot.name, {
    ...slot,
    ...releaseOf(f.release),
    command: type?.command ?? slot.command,
    size: type?.size ?? slot.size,
    state: 'starting',
    updatedAt: slot.state === 'starting' ? slot.updatedAt : ctx.now,
    old: null,
    run: { ...run, halted: true },
    crashes: 0,
  })
}

/** Formation slots, not one-offs. */
export const isFormed = (slot: Slot): boolean => slot.oneOff === null

/** Adds and removes slots until each type has `1..quantity`; the highest numbers go first. */
export const fit = (f: Formed, ctx: Self): Formed => {
  let next = f
  for (const slot of f.slots.filter(isFormed)) {
    const type = f.types.find((known) => known.type === slot.type)
    if (type === undefined || numberOf(slot.name) > type.quantity) next = remove(next, slot, ctx)
    else if (type.size !== slot.size) next = restart(next, slot, 'restart', ctx)
  }
  if (f.release === null || f.release.slug === null) return next
  const names = new Set(next.slots.map((slot) => slot.name))
  const fresh: Slot[] = []
  let { epoch } = next
  for (const { type, quantity, command, size } of f.types) {
    for (let number = 1; number <= quantity; number++) {
      const name = `${type}.${number}`
      if (names.has(name)) continue
      const slot = { ...freshSlot(name, ctx.now), type, command, size, ...releaseOf(f.release) }
      const started = begun(slot, epoch, ctx)
      epoch = started.run.epoch
      fresh.push(started)
    }
  }
  return fresh.length === 0 ? next : { ...next, epoch, slots: [...next.slots, ...fresh].sort(slotOrder) }
}

/** Takes a slot away, with whatever runs in it. */
export const remove = (f: Formed, slot: Slot, ctx: Self): Formed => {
  sayState(slot, 'down', ctx)
  const freed = withPreboot(f, slot.name, undefined)
  return withSlot(end(end(freed, slot, slot.run, ctx), slot, slot.old, ctx), slot.name, null)
}

export const freshSlot = (name: string, now: number): Slot => ({
  name,
  type: '',
  command: '',
  size: '',
  state: 'starting',
  createdAt: now,
  updatedAt: now,
  releaseId: '',
  releaseVersion: 0,
  run: null,
  old: null,
  lastRunId: '',
  crashes: 0,
  dueAt: 0,
  oneOff: null,
})

const releaseOf = (release: Release | null): Pick<Slot, 'releaseId' | 'releaseVersion'> => ({
  releaseId: release?.id ?? '',
  releaseVersion: release?.version ?? 0,
})
