/**
 * `npm run bench -- dynos [starts|memory|crowd|wake|neighbours]`: what a dyno costs its host. Starts beside
 * bare `runc run` and `docker run`, memory of what keeps a dyno, a host with 500 idle ones, the wake of a
 * sleeping app, and what neighbours feel of a hostile one. Without a word all of it. Needs root.
 */
import { mkdtempSync, realpathSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureCrowd } from './dynos/crowd.ts'
import { startDocker } from './dynos/docker.ts'
import { measureKeepers } from './dynos/keepers.ts'
import { measureNeighbours } from './dynos/neighbours.ts'
import { measureStarts } from './dynos/starts.ts'
import { measureWake } from './dynos/wake.ts'
import { openYard, type Yard } from './dynos/yard.ts'
import type { BenchOptions, Row } from './report.ts'

export const run = async ({ quick, args, log }: BenchOptions): Promise<readonly Row[]> => {
  const parts: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
    starts: () => inYard(log, (yard) => measureStarts({ ...yard, rounds: quick ? 3 : 15, log })),
    memory: () => inYard(log, (yard) => measureKeepers({ ...yard, count: quick ? 3 : 10 })),
    crowd: () => measureCrowd(quick ? 50 : 500, quick ? 10_000 : 30_000, log),
    wake: () => measureWake(quick ? 3 : 15, log),
    neighbours: () => measureNeighbours(quick ? 4_000 : 15_000, log),
  }
  const unknown = args.filter((part) => !(part in parts))
  if (unknown.length > 0)
    throw new Error(`no part ${unknown.join(', ')}: there are ${Object.keys(parts).join(', ')}`)
  const rows: Row[] = []
  for (const [name, part] of Object.entries(parts))
    if (args.length === 0 || args.includes(name)) rows.push(...(await part()))
  return rows
}

type InYard = {
  readonly yard: Yard
  readonly docker: Awaited<ReturnType<typeof startDocker>>
  readonly folder: string
  readonly root: string
}

/** An engine of our own and one of the peer's; both are ended and removed, however that went. */
const inYard = async (
  log: (line: string) => void,
  measure: (given: InYard) => Promise<readonly Row[]>,
): Promise<readonly Row[]> => {
  const root = realpathSync(join(homedir(), '.manifold/stacks/heroku-24'))
  const folder = mkdtempSync(join(tmpdir(), 'mf-dynos-'))
  let docker: InYard['docker']
  let yard: Yard | undefined
  try {
    docker = await startDocker(join(folder, 'docker'), root, log)
    yard = await openYard(folder, root)
    return await measure({ yard, docker, folder, root })
  } finally {
    await yard?.close()
    await docker?.close()
    await rm(folder, { recursive: true, force: true })
  }
}
