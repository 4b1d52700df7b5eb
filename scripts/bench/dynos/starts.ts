/**
 * Starts of the first and the second dyno of a slug, beside `runc run` and `docker run` of the same files and
 * command, in turns. The first: the slug is packed on this disk; the second: it is unpacked.
 */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { processArgv } from '../../../actors/effects/perform/container/environment.ts'
import { runBare } from '../deploy/bare-runc.ts'
import { row, type Row } from '../report.ts'
import type { Docker } from './docker.ts'
import { sayWhen } from './when.ts'
import type { Yard } from './yard.ts'

type Times = { readonly ours: number; readonly runc: number; readonly docker: number | null }
export type StartsInput = {
  readonly yard: Yard
  readonly docker: Docker | undefined
  readonly folder: string
  readonly root: string
  readonly rounds: number
  readonly log: (line: string) => void
}

const exec = promisify(execFile)
const slugBytes = 20 * 1024 * 1024
/** Stays, as a dyno does: the peers' end with their word. */
const command = `${sayWhen}; exec sleep 86400`
const shown = ({ ours, runc, docker }: Times): string =>
  `${Math.round(ours)} ms, runc ${Math.round(runc)}, docker ${docker === null ? '-' : Math.round(docker)}`

export const measureStarts = async (input: StartsInput): Promise<readonly Row[]> => {
  const firsts: Times[] = []
  const seconds: Times[] = []
  // The first round makes the bridge and the firewall, and warms every cache.
  for (let round = 0; round <= input.rounds; round++) {
    const { first, second } = await oneRound(input, round)
    input.log(`start ${round}: first ${shown(first)}; second ${shown(second)}`)
    if (round === 0) continue
    firsts.push(first)
    seconds.push(second)
  }
  return [
    rowOf('first dyno of a 20 MB slug, packed on this disk: to its process', firsts),
    rowOf('second dyno of that slug: to its process', seconds),
  ]
}

const oneRound = async (
  { yard, docker, folder, root }: StartsInput,
  round: number,
): Promise<{ readonly first: Times; readonly second: Times }> => {
  const { slug, file } = await yard.makeSlug(slugBytes)
  const peer = join(folder, 'peer')
  /** What every peer has to do as well before it can run: the files out of the archive. */
  const unpackMs = async (): Promise<number> => {
    await rm(peer, { recursive: true, force: true })
    mkdirSync(peer)
    const beganMs = performance.now()
    await exec('tar', ['-xf', file, '-C', peer])
    return performance.now() - beganMs
  }
  const bare = { folder: join(folder, 'bundle'), root, slug: join(peer, 'app') }
  const measure = async (nth: 'first' | 'second'): Promise<Times> => {
    const before = async (): Promise<number> => (nth === 'first' ? await unpackMs() : 0)
    const runc = (await before()) + (await runBare(bare, `bare-${round}-${nth}`, processArgv))
    const inDocker = docker && (await before()) + (await docker.run(bare.slug, processArgv))
    return { ours: await yard.start(`d${round}-${nth}`, slug, command), runc, docker: inDocker ?? null }
  }
  const first = await measure('first')
  const second = await measure('second')
  for (const nth of ['first', 'second']) await yard.remove(`d${round}-${nth}`)
  return { first, second }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

const rowOf = (what: string, all: readonly Times[]): Row => {
  const inDocker = all.flatMap(({ docker }) => docker ?? [])
  return row({
    what,
    unit: 'ms',
    ours: median(all.map(({ ours }) => ours)),
    peers: {
      'runc run': median(all.map(({ runc }) => runc)),
      'docker run': inDocker.length === 0 ? null : median(inDocker),
    },
    against: 'runc run',
    goal: '<=1.3',
  })
}
