/**
 * Memory of what keeps one idle dyno: conmon, and the init that is its first process. The peer's is
 * containerd's shim.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { row, type Row } from '../report.ts'
import type { Docker } from './docker.ts'
import { mb, proportionalBytes } from './memory.ts'
import type { Yard } from './yard.ts'
import { sayWhen } from './when.ts'

export type KeepersInput = {
  readonly yard: Yard
  readonly docker: Docker | undefined
  readonly folder: string
  readonly count: number
}

/** All of them at once: what they share is shared as on a host. */
export const measureKeepers = async (input: KeepersInput): Promise<readonly Row[]> => {
  const { yard, docker, folder, count } = input
  const { slug } = await yard.makeSlug(mb)
  const ids = Array.from({ length: count }, (_, at) => `kept-${at}`)
  for (const id of ids) await yard.start(id, slug, `${sayWhen}; exec sleep 86400`)
  const found = await yard.driver.list()
  const conmons = ids.map((id) => Number(readFileSync(join(folder, 'containers', id, 'conmon.pid'), 'utf8')))
  const inits = found.map(({ pid }) => pid)
  const shims: number[] = []
  if (docker !== undefined) for (const _ of ids) shims.push(await docker.keep(yard.folderOf(slug)))
  const each = (pids: readonly number[]): number =>
    pids.reduce((sum, pid) => sum + proportionalBytes(pid), 0) / count / mb
  return [
    row({
      what: `what keeps a dyno, of ${count} on one host: conmon and init`,
      unit: 'MB',
      ours: each([...conmons, ...inits]),
      peers: { 'docker run': shims.length === 0 ? null : each(shims) },
    }),
  ]
}
