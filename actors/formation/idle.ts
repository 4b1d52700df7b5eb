/**
 * Eco dynos sleep: after half an hour without a web request the whole app does, and the next request wakes it
 * (spec/dyno.md §1.15). The router holds that request as it holds those of an app that boots.
 */
import { sleepingSize } from '../../config/dyno-sizes.ts'
import { heroku } from '../../config/heroku.ts'
import { say } from '../say.ts'
import { withSlot, type Formed, type Slot } from './record.ts'
import { withPreboot } from './preboot.ts'
import { end, isFormed, launch, sayState, type Self } from './rollout.ts'

const sleeps = (slot: Slot): boolean => isFormed(slot) && slot.size === sleepingSize

/** Whether there is anybody to ask for it: without web dynos nobody could wake the others. */
export const canIdle = (f: Formed): boolean =>
  !f.destroying &&
  f.types.some(({ type, size, quantity }) => type === 'web' && size === sleepingSize && quantity > 0)

export const isAsleep = (f: Formed): boolean =>
  canIdle(f) && f.slots.some((slot) => slot.type === 'web' && slot.state === 'idle')

/**
 * When it may go to sleep: as long after its last use, and after the last change of any of its dynos.
 * Undefined: never, or it sleeps.
 *
 * @param usedAt when this activation heard last of a use
 */
export const idleAt = (f: Formed, usedAt: number): number | undefined => {
  if (!canIdle(f) || isAsleep(f)) return undefined
  const lastMs = f.slots.filter(sleeps).reduce((at, { updatedAt }) => Math.max(at, updatedAt), usedAt)
  return lastMs + heroku.idleAfterMs + heroku.usedEveryMs
}

export const sleep = (f: Formed, ctx: Self): Formed =>
  f.slots
    .filter((slot) => sleeps(slot) && slot.state !== 'idle')
    .reduce((next, slot) => sleepOne(next, slot, ctx), f)

const sleepOne = (f: Formed, slot: Slot, ctx: Self): Formed => {
  say(ctx, ctx.self.key, 'heroku', slot.name, 'Idling')
  sayState(slot, 'down', ctx)
  const freed = withPreboot(f, slot.name, undefined)
  const ended = end(end(freed, slot, slot.run, ctx), slot, slot.old, ctx)
  const idle = { ...slot, run: null, old: null, state: 'idle', dueAt: 0, updatedAt: ctx.now } as const
  return withSlot(ended, slot.name, idle)
}

export const wake = (f: Formed, ctx: Self): Formed =>
  f.slots.filter(({ state }) => state === 'idle').reduce((next, slot) => wakeOne(next, slot, ctx), f)

/** The same record, but that nothing sleeps on which no request could wake. */
export const rouse = (f: Formed, ctx: Self): Formed => (f.destroying || isAsleep(f) ? f : wake(f, ctx))

const wakeOne = (f: Formed, slot: Slot, ctx: Self): Formed => {
  say(ctx, ctx.self.key, 'heroku', slot.name, 'Unidling')
  sayState(slot, 'starting', ctx)
  return launch(f, slot, ctx)
}
