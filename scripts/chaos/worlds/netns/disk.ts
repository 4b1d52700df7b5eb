/**
 * The disk of a machine: a file system of its own in a file, so that it can be full, and slow.
 *
 * It is mounted in the lab's namespace, and goes with it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { command } from './command.ts'
import type { Machine } from './machine.ts'

export type Disk = {
  /** Takes what is free, or gives it back. */
  readonly fill: (full: boolean) => Promise<void>
  /** Whoever writes or syncs waits for so long, again and again; undefined: no more. */
  readonly stall: (forMs: number | undefined) => Promise<void>
}

const filler = 'filler'
/** Until the write fails: that is the point. */
const fillScript = 'cat /dev/zero >"$1" 2>/dev/null || :'
/**
 * Ends with its input, and so with the harness too: nobody who waits for a frozen file system can be killed.
 * `read` says more than 128 when its time is up.
 */
const stallScript = `while :; do
  fsfreeze --freeze "$1" && sleep "$2"
  fsfreeze --unfreeze "$1"
  read -r -t 0.3 && continue
  [ $? -gt 128 ] || exit 0
done
`

/** @param folder where it is seen; must be there, and empty */
export const mountDisk = async (lab: Machine, folder: string, file: string, bytes: number): Promise<Disk> => {
  await command(['truncate', '--size', String(bytes), file])
  await command(['mkfs.ext4', '-q', '-m', '0', file])
  await command(lab.inside(['mount', '-o', 'loop', file, folder]))
  await command(lab.inside(['rmdir', join(folder, 'lost+found')]))
  let quicken: (() => Promise<void>) | undefined
  return {
    fill: async (full) => {
      const path = join(folder, filler)
      await command(lab.inside(full ? ['sh', '-c', fillScript, 'sh', path] : ['rm', '-f', path]))
    },
    stall: async (forMs) => {
      await quicken?.()
      quicken = forMs === undefined ? undefined : startStalling(lab, folder, forMs)
    },
  }
}

const startStalling = (lab: Machine, folder: string, forMs: number): (() => Promise<void>) => {
  const [program = '', ...args] = lab.inside([
    'bash',
    '-c',
    stallScript,
    'bash',
    folder,
    String(forMs / 1_000),
  ])
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] })
  const gone = once(child, 'exit')
  return async () => {
    child.stdin.end()
    await gone
  }
}
