/**
 * The dynos of an app as its users name, restart, stop and see them.
 */
import type { DynoView } from '../protocols/shapes.ts'
import { endPhase } from './phase.ts'
import { withSlot, type Formed, type Slot } from './record.ts'
import { end, halt, isFormed, remove, restart, type Self } from './rollout.ts'

export type Which = { readonly processType?: string | undefined; readonly dyno?: string | undefined }

/** Undefined: there is no such dyno or type. */
export const chosen = (
  f: Formed,
  { processType: type, dyno }: Which,
  all: (slot: Slot) => boolean,
): Slot[] | undefined => {
  if (dyno !== undefined) {
    const slot = f.slots.find((held) => held.name === dyno || held.lastRunId === dyno)
    return slot === undefined ? undefined : [slot]
  }
  if (type === undefined) return f.slots.filter(all)
  const slots = f.slots.filter((slot) => slot.type === type && all(slot))
  return slots.length > 0 || f.types.some((known) => known.type === type) ? slots : undefined
}

export const restartOne = (f: Formed, slot: Slot, ctx: Self): Formed =>
  isFormed(slot) ? restart(f, slot, 'restart', ctx) : stopOne(f, slot, ctx)

/**
 * The run ends, with an older one that is still there; a formation slot then starts again by the crash
 * policy, a one-off is complete.
 */
export const stopOne = (f: Formed, slot: Slot, ctx: Self): Formed => {
  const run = slot.run
  if (run?.host == null && !isFormed(slot))
    return run === null ? f : remove(endPhase(f, slot, false, ctx), slot, ctx)
  const freed = end(f, slot, slot.old, ctx)
  if (run?.host == null) return freed === f ? f : withSlot(freed, slot.name, { ...slot, old: null })
  halt(run.host, run.id, slot.name, ctx)
  return withSlot(freed, slot.name, { ...slot, old: null, run: { ...run, halted: true } })
}

/** @param waiting why it has no place yet, by slot */
export const viewOf = (slot: Slot, waiting: ReadonlyMap<string, string>): DynoView => ({
  id: slot.lastRunId,
  name: slot.name,
  type: slot.type,
  command: slot.command,
  size: slot.size,
  state: slot.state,
  releaseId: slot.releaseId,
  releaseVersion: slot.releaseVersion,
  host: slot.run?.host ?? null,
  createdAt: slot.createdAt,
  updatedAt: slot.updatedAt,
  ...(slot.run?.phase === 'placing' && waiting.has(slot.name) ? { waiting: waiting.get(slot.name)! } : {}),
})
