/**
 * What a formation says again until it is true, and when it looks next.
 *
 * Nothing here decides anything new but the end of waiting: a cool-off, a launch that no host ever reported,
 * a one-off that was shown long enough, a dyno's day, a preboot.
 */
import { lastOver } from './meter.ts'
import type { Formed, Slot } from './record.ts'
import { withSlot } from './record.ts'
import { cycle, cycleNext } from './cycle.ts'
import { prebootNext, withPreboot } from './preboot.ts'
import { isSingleton } from './order.ts'
import { end, halt, launch, send, type Self } from './rollout.ts'
import { complete, wakeUp } from './observe.ts'

const repeatMs = 2_000
/**
 * A host that has not reported a launch after this long is taken for lost: the run goes elsewhere, under a
 * new id.
 */
const launchLostMs = 30_000
/** An unreachable host keeps its run; when it is back it announces it, and is told then. */
const endingKeptMs = 600_000

/** Says what is due again. */
export const reconcile = (f: Formed, ctx: Self): Formed => {
  let next = cycle(endPreboots(f, ctx), ctx)
  for (const slot of next.slots) next = reconcileSlot(next, slot, ctx)
  for (const run of f.ending) halt(run.host, run.id, run.name, ctx)
  const ending = next.ending.filter((run) => ctx.now - run.at < endingKeptMs)
  return ending.length === next.ending.length ? next : { ...next, ending }
}

/** Those whose time is over: the new run has the slot for itself, or will once it is up. */
const endPreboots = (f: Formed, ctx: Self): Formed =>
  Object.entries(f.preboots ?? {})
    .filter(([, { until }]) => until <= ctx.now)
    .reduce((next, [name]) => endPreboot(next, name, ctx), f)

const endPreboot = (f: Formed, name: string, ctx: Self): Formed => {
  const slot = f.slots.find((held) => held.name === name)
  const freed = withPreboot(f, name, undefined)
  // Without a new run that is up the old one serves on: until there is one, as without preboot.
  if (slot === undefined || slot.old === null || slot.run?.phase !== 'up') return freed
  return withSlot(end(freed, slot, slot.old, ctx), name, { ...slot, old: null })
}

const reconcileSlot = (f: Formed, slot: Slot, ctx: Self): Formed => {
  const run = slot.run
  if (run === null) {
    if (slot.dueAt === 0 || slot.dueAt > ctx.now) return f
    return slot.state === 'complete' ? withSlot(f, slot.name, null) : wakeUp(f, slot, ctx)
  }
  if (run.halted && run.host !== null) halt(run.host, run.id, slot.name, ctx)
  if (run.phase !== 'sent') return f
  // Of a singleton there is no second life before its host has said so, or is dead: placement tells then.
  const stays = slot.oneOff === null && isSingleton(f, slot)
  if (stays || ctx.now - run.at < launchLostMs) {
    if (!run.halted) send(f, slot, run, ctx)
    return f
  }
  const ended = end(f, slot, run, ctx)
  return slot.oneOff === null ? launch(ended, slot, ctx) : complete(ended, slot, false, ctx)
}

/** When to look again, in ms; undefined: nothing is open. */
export const nextLookMs = (f: Formed, now: number): number | undefined => {
  const isOpen = f.ending.length > 0 || lastOver(f) !== undefined
  let lookMs = isOpen ? repeatMs : Number.POSITIVE_INFINITY
  for (const { run, dueAt } of f.slots) {
    if (run === null && dueAt > 0) lookMs = Math.min(lookMs, Math.max(0, dueAt - now))
    else if (run !== null && (run.phase === 'sent' || run.halted)) lookMs = Math.min(lookMs, repeatMs)
  }
  for (const at of [cycleNext(f), prebootNext(f)])
    if (at !== undefined) lookMs = Math.min(lookMs, Math.max(0, at - now))
  return lookMs === Number.POSITIVE_INFINITY ? undefined : lookMs
}

/**
 * The earliest end of a cool-off: kept as a durable reminder, for nothing else may wake the actor by then. 0:
 * none.
 */
export const coolOffEnd = (f: Formed): number =>
  f.slots.reduce((at, slot) => {
    if (slot.state !== 'crashed' || slot.dueAt === 0) return at
    return at === 0 ? slot.dueAt : Math.min(at, slot.dueAt)
  }, 0)
