/**
 * The peer of a dyno's start: `runc run` of a bundle with the same root file system and the same slug, by
 * nothing but runc itself.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inBash, nowMs, sayWhen, whenOf } from '../dynos/when.ts'

export type BareRunc = {
  /** Folder of its own; the caller removes it. */
  readonly folder: string
  /** Root file system of the stack. */
  readonly root: string
  /** The unpacked slug. */
  readonly slug: string
}

const run = promisify(execFile)
const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
type Spec = { root: object; process: object; mounts: object[] }

/** Milliseconds from starting runc until the process in the container runs. */
export const runBare = async (
  { folder, root, slug }: BareRunc,
  id: string,
  argvOf: (command: string) => readonly string[] = inBash,
): Promise<number> => {
  mkdirSync(folder, { recursive: true })
  await run('rm', ['-f', join(folder, 'config.json')])
  await run('runc', ['spec', '--bundle', folder], { env })
  const file = join(folder, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8')) as Spec
  const slugMount = { destination: '/app', type: 'bind', source: slug, options: ['rbind', 'ro'] }
  const ours = {
    ...spec,
    root: { path: root, readonly: true },
    process: { ...spec.process, terminal: false, args: argvOf(sayWhen) },
    mounts: [...spec.mounts, slugMount],
  }
  writeFileSync(file, JSON.stringify(ours))
  const runcRoot = ['--root', join(folder, 'state')]
  const beganMs = nowMs()
  const { stdout } = await run('runc', [...runcRoot, 'run', '--bundle', folder, id], { env })
  return whenOf(stdout) - beganMs
}
