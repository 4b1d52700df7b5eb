/**
 * Daily cycling: a dyno that has been up for a day, and a while that differs for each, makes way for a fresh
 * one; never two of a type at once (spec/dyno.md §1.6). A restart or a release begins its day anew. Pure, but
 * for the restart itself.
 */
import { heroku } from '../../config/heroku.ts'
import type { Formed, Slot } from './record.ts'
import { isFormed, restart, type Self } from './rollout.ts'

/** In [0, 1), the same for a run whenever it is asked (FNV-1a). */
const chanceOf = (runId: string): number => {
  let hash = 2_166_136_261
  for (let at = 0; at < runId.length; at++) hash = Math.imul(hash ^ runId.charCodeAt(at), 16_777_619) >>> 0
  return hash / 2 ** 32
}

/** When its day is over; undefined: it is not up, or on its way out already. */
const cycleAt = ({ run, state, oneOff }: Slot): number | undefined =>
  oneOff === null && run !== null && run.phase === 'up' && state === 'up' && !run.halted
    ? run.at + heroku.cycleMs + Math.floor(chanceOf(run.id) * heroku.cycleSpreadMs)
    : undefined

/** Of each type the slot whose day is over first, where no other of it is on its way up. */
const candidates = (f: Formed): readonly { readonly slot: Slot; readonly at: number }[] => {
  const busy = new Set(
    f.slots.flatMap((slot) => (isFormed(slot) && (slot.state === 'starting' || slot.old) ? [slot.type] : [])),
  )
  const first = new Map<string, { slot: Slot; at: number }>()
  for (const slot of f.slots) {
    if (busy.has(slot.type)) continue
    const at = cycleAt(slot)
    if (at !== undefined && at < (first.get(slot.type)?.at ?? Number.POSITIVE_INFINITY))
      first.set(slot.type, { slot, at })
  }
  return [...first.values()]
}

export const cycle = (f: Formed, ctx: Self): Formed =>
  candidates(f)
    .filter(({ at }) => at <= ctx.now)
    .reduce((next, { slot }) => restart(next, slot, 'cycle', ctx), f)

/** When the next one is due; undefined: nothing is up that could be. */
export const cycleNext = (f: Formed): number | undefined =>
  candidates(f).reduce<number | undefined>((next, { at }) => Math.min(next ?? at, at), undefined)
