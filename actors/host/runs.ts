/** What a host knows of its runs, and how it says so. Pure. */
import type { Run, RunReport } from '../protocols/shapes.ts'

export type Held = {
  readonly report: RunReport
  readonly memoryBytes: number
  /** When this was last news. */
  readonly at: number
}
/** By run id; exited ones are kept for a while. */
export type Runs = ReadonlyMap<string, Held>

type Named = Pick<Run, 'id' | 'appId' | 'name' | 'epoch'>

const unknown = { address: null, port: null, outer: null, startedAt: null, code: null, error: null } as const

export const freshReport = ({ id, appId, name, epoch }: Named): RunReport => ({
  id,
  appId,
  name,
  epoch,
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

/** The newest decision for the slot of that run; 0 when there is none here. */
export const newestEpoch = (runs: Runs, { appId, name }: Named): number => {
  let newest = 0
  for (const { report } of runs.values()) {
    if (report.appId === appId && report.name === name) newest = Math.max(newest, report.epoch)
  }
  return newest
}
