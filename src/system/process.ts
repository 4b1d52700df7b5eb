/**
 * Processes by identity, not by number: a pid with the time it started at, read from /proc.
 *
 * A pid alone may have been given to another process since it was written down; with its start time
 * (proc(5): field 22 of stat, in clock ticks since boot) it never names two processes of one boot.
 */
import { readFileSync } from 'node:fs'

export type ProcessId = { readonly pid: number; readonly startTicks: string }

/** The process that has this pid now; undefined when there is none, or only its zombie. */
export const processOf = (pid: number): ProcessId | undefined => {
  const stat = readProc(pid, 'stat')
  if (stat === undefined) return undefined
  // The name is in brackets and may itself hold brackets and blanks: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields[0], fields[19]]
  if (state === undefined || startTicks === undefined || state === 'Z' || state === 'X') return undefined
  return { pid, startTicks }
}

export const isAlive = (id: ProcessId): boolean => processOf(id.pid)?.startTicks === id.startTicks

/** The words of its command line; empty when it is gone. */
export const commandOf = (pid: number): readonly string[] =>
  readProc(pid, 'cmdline')?.split('\0').slice(0, -1) ?? []

/** @returns false when that process is no more (nothing was signalled) */
export const signal = (id: ProcessId, name: 'SIGTERM' | 'SIGKILL' | 'SIGHUP'): boolean => {
  if (!isAlive(id)) return false
  try {
    process.kill(id.pid, name)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

const readProc = (pid: number, file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
