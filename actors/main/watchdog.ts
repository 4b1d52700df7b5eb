/**
 * The watchdog of this host (scripts/watchdog): a process of its own that ends singletons when the lease is
 * over and nobody here does. The host process tells it when the lease ends, again and again.
 */
import { spawn } from 'node:child_process'
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Members } from '../../src/membership/contract.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import { isAlive, processOf, signal, type ProcessId } from '../../src/system/process.ts'
import type { HomePaths } from './paths.ts'

export type WatchdogDeps = {
  readonly paths: HomePaths
  readonly members: Pick<Members, 'onLease'>
  readonly clock: Clock
  readonly log: Log
  /** The program. */
  readonly program: string
}

const env = { PATH: '/usr/bin:/bin' }
/** Every lease is written over the one before, which has its room already: the disk may be full. */
const leaseBytes = 24

/** Centiseconds of this machine's uptime. */
const uptime = (): number => Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 100)

export const startWatchdog = ({
  paths,
  members,
  clock,
  log,
  program,
}: WatchdogDeps): { readonly stop: () => void } => {
  const file = join(paths.run, 'watchdog.json')
  const lease = openSync(join(paths.run, 'lease'), 'w', 0o600)
  let isWritten = true
  const hold = (until: string): void => {
    try {
      writeSync(lease, `${until.padEnd(leaseBytes - 1)}\n`, 0)
      isWritten = true
    } catch (error) {
      // The watchdog goes by the lease that it can read: singletons end early rather than twice.
      if (isWritten)
        log({ at: 'lease-unwritten', reason: error instanceof Error ? error.message : 'unknown' })
      isWritten = false
    }
  }
  hold('never')
  members.onLease((untilMs) => {
    const leftMs = untilMs - clock.monotonicMs()
    if (leftMs === Infinity) hold('never')
    else hold(String(leftMs === -Infinity ? 0 : Math.max(0, Math.floor(uptime() + leftMs / 10))))
  })
  const known = read(file)
  if (known === undefined || !isAlive(known)) {
    const child = spawn(program, [paths.run, paths.containers], { detached: true, stdio: 'ignore', env })
    child.unref()
    const own = child.pid === undefined ? undefined : processOf(child.pid)
    if (own !== undefined) writeFileSync(file, JSON.stringify(own), { mode: 0o600 })
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
