/** What a host says of its runs to placement: all of them, or what changed since it last said so. Pure. */
import type { Announcement, FleetRun } from '../protocols/shapes.ts'
import type { Held, Runs } from './runs.ts'

/** What was said last. */
export type Said = { readonly seq: number; readonly runs: ReadonlyMap<string, FleetRun> }
export const nothingSaid: Said = { seq: 0, runs: new Map() }

type About = {
  readonly host: string
  readonly since: number
  readonly memoryBytes: number
  readonly runs: Runs
}

export const sayFleet = (
  said: Said,
  { host, since, memoryBytes, runs }: About,
  full: boolean,
): { readonly said: Said; readonly announcement: Omit<Announcement, 'load'> } => {
  const live = new Map<string, FleetRun>()
  const news: FleetRun[] = []
  for (const [id, held] of runs) {
    if (held.report.phase === 'exited') continue
    const known = said.runs.get(id)
    const run = known !== undefined && known.bytes === held.memoryBytes ? known : fleetRunOf(held)
    live.set(id, run)
    if (full || run !== known) news.push(run)
  }
  const gone = full ? [] : [...said.runs.keys()].filter((id) => !live.has(id))
  const seq = said.seq + 1
  const announcement = { host, since, seq, full, memoryBytes, count: live.size, runs: news, gone }
  return { said: { seq, runs: live }, announcement }
}

const fleetRunOf = ({ report, memoryBytes, singleton }: Held): FleetRun => ({
  id: report.id,
  appId: report.appId,
  name: report.name,
  bytes: memoryBytes,
  epoch: report.epoch,
  singleton,
})
