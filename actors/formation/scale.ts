/**
 * Scaling as a calculation: what was asked of which types, to the types that follow or Heroku's reason
 * against. Pure.
 */
import { dynoSizeDefault, dynoSizes, findDynoSize } from '../../config/dyno-sizes.ts'
import { heroku } from '../../config/heroku.ts'
import { labelsFault, type Labels } from '../../config/labels.ts'
import type { ProcessType, Run, Slug } from '../protocols/shapes.ts'

export type ScaleUpdate = {
  readonly type: string
  readonly quantity?: string | undefined
  readonly size?: string | undefined
  readonly singleton?: boolean | undefined
  readonly labels?: Labels | undefined
}
export type Scaled =
  | { readonly ok: true; readonly types: ProcessType[] }
  | { readonly ok: false; readonly reason: string }

const refused = (reason: string): Scaled => ({ ok: false, reason })

/** All updates or none. Quantities: `3`, or relative to now `+1`, `-1`; never below zero. */
export const scaleTypes = (
  types: readonly ProcessType[],
  updates: readonly ScaleUpdate[],
  now: number,
): Scaled => {
  let scaled = [...types]
  for (const update of updates) {
    const at = scaled.findIndex((type) => type.type === update.type || type.id === update.type)
    const before = scaled[at]
    if (before === undefined) return refused(`No such process type ${update.type} defined in Procfile.`)
    const size = update.size === undefined ? findDynoSize(before.size) : findDynoSize(update.size)
    if (size === undefined) {
      const names = dynoSizes.map((known) => known.name).join(', ')
      return refused(`No such dyno size as ${update.size}. Available sizes: ${names}.`)
    }
    const quantity =
      update.quantity === undefined ? before.quantity : quantityOf(update.quantity, before.quantity)
    if (quantity === undefined)
      return refused(`Invalid quantity ${update.quantity} for process type ${before.type}.`)
    // It runs once a release; here it only has a size.
    if (before.type === 'release' && quantity > 0)
      return refused('Cannot scale release: its command runs once for each release.')
    if (quantity > size.dynosPerTypeMax) {
      return refused(`Cannot run more than ${size.dynosPerTypeMax} ${size.name} size dynos per process type.`)
    }
    const labels = update.labels ?? before.labels ?? {}
    const fault = labelsFault(labels)
    if (fault !== undefined) return refused(fault)
    const singleton = update.singleton ?? before.singleton
    // Later than the change before also when the clock went back: it tells them apart (regain.ts).
    const updatedAt = Math.max(now, before.updatedAt + 1)
    scaled = scaled.with(at, { ...before, quantity, size: size.name, singleton, labels, updatedAt })
  }
  const dynos = scaled.reduce((sum, type) => sum + type.quantity, 0)
  if (dynos > heroku.dynosPerAppMax)
    return refused(`Cannot run more than ${heroku.dynosPerAppMax} dynos in one app.`)
  return { ok: true, types: scaled }
}

const quantityOf = (text: string, before: number): number | undefined => {
  if (!/^[+-]?\d{1,6}$/.test(text)) return undefined
  return /^\d/.test(text) ? Number(text) : Math.max(0, before + Number(text))
}

/**
 * The process types of a slug: what both know keeps its scale, new ones start at 0 and gone ones are gone.
 * `first`: nothing was deployed before, so web starts at 1.
 */
export const typesOf = (
  slug: Slug,
  before: readonly ProcessType[],
  first: boolean,
  fresh: { readonly now: number; readonly uuid: () => string },
): ProcessType[] =>
  Object.entries(slug.processTypes)
    .slice(0, heroku.processTypesMax)
    .map(([type, command]): ProcessType => {
      const kept = before.find((known) => known.type === type)
      if (kept !== undefined)
        return kept.command === command ? kept : { ...kept, command, updatedAt: fresh.now }
      const quantity = first && type === 'web' ? 1 : 0
      const at = { createdAt: fresh.now, updatedAt: fresh.now }
      return { id: fresh.uuid(), type, command, quantity, size: dynoSizeDefault, singleton: false, ...at }
    })
    .sort((a, b) => (a.type < b.type ? -1 : 1))

/** `Scaled to web@2:Basic worker@1:Basic by user E`: always the full formation, sorted by type. */
export const scaledText = (types: readonly ProcessType[], email: string): string =>
  `Scaled to ${types.map((type) => `${type.type}@${type.quantity}:${type.size}`).join(' ')} by user ${email}`

/** The types with one as it was scaled once; undefined when that is not allowed (any more). */
export const scaledAgain = (
  types: readonly ProcessType[],
  known: ProcessType,
  { quantity, size, singleton, labels, at }: NonNullable<Run['scale']>,
): ProcessType[] | undefined => {
  const update = { type: known.type, quantity: String(quantity), size, singleton, labels: labels ?? {} }
  const scaled = scaleTypes(types, [update], at)
  return scaled.ok ? scaled.types : undefined
}
