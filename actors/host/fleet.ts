/** What a host says of its runs to placement: all of them, or what changed since it last said so. Pure. */
import type { Announcement, FleetRun } from '../protocols/shapes.ts'
import type { Held, Runs } from './runs.ts'

/** What was said last; the announcement after changes it in place. */
export type Said = { readonly seq: number; readonly runs: Map<string, FleetRun> }
export const nothingSaid = (): Said => ({ seq: 0, runs: new Map() })

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
  const news: FleetRun[] = []
  let count = 0
  for (const [id, held] of runs) {
    if (held.report.phase === 'exited') continue
    count += 1
    const known = said.runs.get(id)
    const isSaid = known !== undefined && known.bytes === held.memoryBytes
    if (isSaid && !full) continue
    const run = isSaid ? known : fleetRunOf(held)
    said.runs.set(id, run)
    news.push(run)
  }
  const gone = said.runs.size > count ? ended(said.runs, runs) : []
  for (const id of gone) said.runs.delete(id)
  const seq = said.seq + 1
  const announcement = { host, since, seq, full, memoryBytes, count, runs: news, gone: full ? [] : gone }
  return { said: { seq, runs: said.runs }, announcement }
}

const ended = (said: Said['runs'], runs: Runs): string[] =>
  [...said.keys()].filter((id) => (runs.get(id)?.report.phase ?? 'exited') === 'exited')

const fleetRunOf = ({ report, memoryBytes, singleton }: Held): FleetRun => ({
  id: report.id,
  appId: report.appId,
  name: report.name,
  bytes: memoryBytes,
  epoch: report.epoch,
  singleton,
  ...(report.scale?.labels && { labels: report.scale.labels }),
})
