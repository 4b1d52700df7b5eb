/**
 * Preboot: new web dynos run beside the old ones for some minutes (spec/dyno.md §1.14; Dev Center "Preboot").
 *
 * After a release requests stay with the old ones until the new have had time to settle; after a restart they
 * go to the new ones as soon as these listen. Routers know one life of a dyno at a time (router/epochs.ts),
 * so here the two never serve together.
 */
import { bootTimeoutMsOf, prebootFeature } from '../../config/features.ts'
import { heroku } from '../../config/heroku.ts'
import type { Formed, Preboot, Slot } from './record.ts'

/** What a run is replaced for. */
export type Why = 'release' | 'restart' | 'cycle'

/** How long, for a slot that is about to be replaced; undefined: as short as can be. */
export const prebootOf = (
  f: Formed,
  slot: Slot,
  why: Why,
  { now, chance }: { readonly now: number; readonly chance: number },
): Preboot | undefined => {
  if (slot.type !== 'web' || f.features?.includes(prebootFeature.name) !== true) return undefined
  if (why === 'release')
    return { until: now + bootTimeoutMsOf(f.features) + heroku.prebootSettleMs, holds: true }
  const keptMs = heroku.prebootKeptMs + Math.floor(chance * heroku.prebootKeptSpreadMs)
  return { until: now + keptMs, holds: false }
}

/** The record with another word on the slot; undefined takes it away. */
export const withPreboot = (f: Formed, name: string, preboot: Preboot | undefined): Formed => {
  const { preboots: before, ...rest } = f
  if (preboot === undefined && before?.[name] === undefined) return f
  const { [name]: _, ...others } = before ?? {}
  const preboots = preboot === undefined ? others : { ...others, [name]: preboot }
  return Object.keys(preboots).length === 0 ? rest : { ...rest, preboots }
}

/** Whether requests go to the old run although the new one is up. */
export const isHeld = (f: Formed, slot: Slot): boolean =>
  slot.old !== null && f.preboots?.[slot.name]?.holds === true

/** Whether the old run stays although the new one is up. */
export const isKept = (f: Formed, slot: Slot): boolean => f.preboots?.[slot.name] !== undefined

/** When the next one is over. */
export const prebootNext = (f: Formed): number | undefined =>
  Object.values(f.preboots ?? {}).reduce<number | undefined>(
    (next, { until }) => Math.min(next ?? until, until),
    undefined,
  )
