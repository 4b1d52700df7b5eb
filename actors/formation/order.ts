/**
 * The order to start a run, from the record that decided it: the same whoever writes it, the formation or a
 * placement in its stead. Pure.
 */
import { isDynoFeature } from '../../config/features.ts'
import { labelsText, type Labels } from '../../config/labels.ts'
import type { ProcessType, Run } from '../protocols/shapes.ts'
import type { Formed, Slot } from './record.ts'

/** Undefined: there is nothing to run yet. */
export const orderOf = (
  appId: string,
  f: Formed,
  slot: Slot,
  run: { readonly id: string; readonly epoch: number },
): Run | undefined => {
  const release = slot.oneOff?.release ?? f.release
  if (release === null || release.slug === null) return undefined
  const type = slot.oneOff === null ? f.types.find((known) => known.type === slot.type) : undefined
  return {
    id: run.id,
    appId,
    appName: f.appName,
    name: slot.name,
    type: slot.type,
    command: slot.command,
    size: slot.size,
    releaseId: release.id,
    releaseVersion: release.version,
    configId: release.configId,
    slug: release.slug,
    env: slot.oneOff?.env ?? {},
    attach: slot.oneOff?.attach ?? null,
    singleton: isSingleton(f, slot),
    ...(type && { scale: scaleOf(type) }),
    ...featuresOf(f),
    releasedAt: release.createdAt,
    ...(slot.oneOff?.isPhase && { isPhase: true }),
    timeToLiveMs: slot.oneOff?.timeToLiveMs ?? null,
    epoch: run.epoch,
  }
}

const featuresOf = ({ features = [] }: Formed): Pick<Run, 'features'> => {
  const on = features.filter(isDynoFeature)
  return on.length === 0 ? {} : { features: on }
}

const scaleOf = ({
  quantity,
  size,
  singleton,
  labels,
  updatedAt,
}: ProcessType): NonNullable<Run['scale']> => ({
  quantity,
  size,
  singleton,
  ...(labelsText(labels) === '' ? {} : { labels }),
  at: updatedAt,
})

/** What its host must have. */
export const labelsOf = (f: Formed, slot: Pick<Slot, 'type' | 'oneOff'>): Labels =>
  (slot.oneOff === null ? f.types.find((known) => known.type === slot.type)?.labels : undefined) ?? {}

/** At most one life at a time: the old one ends before the new one starts. */
export const isSingleton = (f: Formed, slot: Pick<Slot, 'type' | 'oneOff'>): boolean =>
  slot.oneOff === null && f.types.some((known) => known.type === slot.type && known.singleton)
