/**
 * The watchdog of this host (scripts/watchdog): a process of its own that ends singletons when the lease is
 * over and nobody here does. The host process tells it when the lease ends, again and again.
 */
import { spawn } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Members } from '../../src/membership/contract.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { isAlive, processOf, signal, type ProcessId } from '../../src/system/process.ts'
import type { HomePaths } from './paths.ts'

export type WatchdogDeps = {
  readonly paths: HomePaths
  readonly members: Pick<Members, 'onLease'>
  readonly clock: Clock
  /** The program. */
  readonly program: string
}

const env = { PATH: '/usr/bin:/bin' }

/** Centiseconds of this machine's uptime. */
const uptime = (): number => Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 100)

export const startWatchdog = ({
  paths,
  members,
  clock,
  program,
}: WatchdogDeps): { readonly stop: () => void } => {
  const file = join(paths.run, 'watchdog.json')
  const lease = join(paths.run, 'lease')
  const write = (path: string, text: string): void => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  write(lease, 'never\n')
  members.onLease((untilMs) => {
    const leftMs = untilMs - clock.monotonicMs()
    if (leftMs === Infinity) write(lease, 'never\n')
    else write(lease, `${leftMs === -Infinity ? 0 : Math.max(0, Math.floor(uptime() + leftMs / 10))}\n`)
  })
  const known = read(file)
  if (known === undefined || !isAlive(known)) {
    const child = spawn(program, [paths.run, paths.containers], { detached: true, stdio: 'ignore', env })
    child.unref()
    const own = child.pid === undefined ? undefined : processOf(child.pid)
    if (own !== undefined) write(file, JSON.stringify(own))
  }
  return {
    stop: () => {
      const running = read(file)
      if (running !== undefined && isAlive(running)) signal(running, 'SIGTERM')
    },
  }
}

const read = (file: string): ProcessId | undefined => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessId
  } catch {
    // None yet, or half of one from a power cut.
    return undefined
  }
}
