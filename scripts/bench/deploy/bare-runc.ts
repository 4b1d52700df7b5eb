/**
 * The peer of a dyno's start: `runc run` of a bundle with the same root file system and the same slug, by
 * nothing but runc itself.
 */
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

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
type Spec = { root: object; process: { args: string[]; terminal: boolean }; mounts: object[] }

/** Milliseconds from starting runc to the first word of the process in the container. */
export const runBare = async ({ folder, root, slug }: BareRunc, id: string): Promise<number> => {
  mkdirSync(folder, { recursive: true })
  await run('rm', ['-f', join(folder, 'config.json')])
  await run('runc', ['spec', '--bundle', folder], { env })
  const file = join(folder, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8')) as Spec
  const slugMount = { destination: '/app', type: 'bind', source: slug, options: ['rbind', 'ro'] }
  const ours = {
    ...spec,
    root: { path: root, readonly: true },
    process: { ...spec.process, terminal: false, args: ['bash', '-c', 'echo up'] },
    mounts: [...spec.mounts, slugMount],
  }
  writeFileSync(file, JSON.stringify(ours))
  const runcRoot = ['--root', join(folder, 'state')]
  const began = performance.now()
  const child = spawn('runc', [...runcRoot, 'run', '--bundle', folder, id], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const up = new Promise<number>((resolve) => {
    child.stdout.once('data', () => resolve(performance.now() - began))
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const ms = await Promise.race([up, ended])
  const code = await ended
  if (code !== 0 || ms === null) throw new Error(`runc run: exit ${code}: ${complaint}`)
  return ms
}
