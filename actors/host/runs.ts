/** What a host knows of its runs, and how it says so. Pure. */
import type { Run, RunReport } from '../protocols/shapes.ts'

export type Held = {
  readonly report: RunReport
  readonly memoryBytes: number
  /** Must not have a second life elsewhere. */
  readonly singleton: boolean
  /** Routers are to be told of it by this host once it is up. */
  readonly standsIn?: boolean
  /** When this was last news. */
  readonly at: number
}
/** By run id; exited ones are kept for a while. */
export type Runs = ReadonlyMap<string, Held>

type Named = Pick<Run, 'id' | 'appId' | 'name' | 'epoch' | 'releaseVersion'> &
  Partial<Pick<Run, 'releaseId' | 'scale'>>

const unknown = { address: null, port: null, outer: null, startedAt: null, code: null, error: null } as const

/** What of a run its reports always say. */
export const identityOf = ({ id, appId, name, epoch, releaseVersion, releaseId, scale }: Named) => ({
  id,
  appId,
  name,
  epoch,
  releaseVersion,
  ...(releaseId === undefined ? {} : { releaseId }),
  ...(scale === undefined ? {} : { scale }),
})

export const freshReport = (run: Named): RunReport => ({
  ...identityOf(run),
  phase: 'starting',
  ...unknown,
})

/** Of a run whose status nobody knows. */
export const exitedReport = (run: Named, error: string | null): RunReport => ({
  ...freshReport(run),
  phase: 'exited',
  error,
})

export const appsOf = (runs: Runs): string[] => [
  ...new Set([...runs.values()].map((held) => held.report.appId)),
]

export const reportsOf = (runs: Runs, appId: string): RunReport[] =>
  [...runs.values()].map((held) => held.report).filter((report) => report.appId === appId)

/** The newest decision seen for each slot here, bounded: those of the slots heard of last. */
export type Epochs = ReadonlyMap<string, number>
const epochsMax = 10_000

type Slotted = Pick<Run, 'appId' | 'name' | 'epoch'>
const slotOf = ({ appId, name }: Slotted): string => `${appId}/${name}`

/** Whether a newer decision for its slot has been here: also when that run has ended, or never came. */
export const isStale = (epochs: Epochs, run: Slotted): boolean => run.epoch < (epochs.get(slotOf(run)) ?? 0)

export const withEpoch = (epochs: Epochs, run: Slotted): Epochs => {
  const slot = slotOf(run)
  const known = epochs.get(slot) ?? 0
  if (known >= run.epoch) return epochs
  const next = new Map(epochs)
  next.delete(slot)
  next.set(slot, run.epoch)
  if (next.size > epochsMax) next.delete(next.keys().next().value!)
  return next
}
