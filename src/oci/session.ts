/**
 * Sessions: finds plain processes again and everything they started, on Linux and macOS alike by `ps`.
 *
 * One `-o` for each column: to the ps of macOS all that follows a `=` is the heading of that one column.
 */
import { command } from './command.ts'
import { OciError } from './errors.ts'

/** When process `pid` began; undefined when there is none. The pair names a process for good. */
export const stampOf = async (pid: number): Promise<string | undefined> =>
  pid > 0 ? stampIn(await ps('-o', 'stat=', '-o', 'lstart=', '-p', String(pid))) : undefined

/** The command line of process `pid`; empty when there is none. */
export const commandLineOf = async (pid: number): Promise<string> =>
  pid > 0 ? ps('-ww', '-o', 'command=', '-p', String(pid)) : ''

/** `pid`, its process group, and all their descendants. */
export const familyOf = async (pid: number): Promise<number[]> =>
  familyIn(await ps('-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'pgid='), pid)

/** What `pids` use together: pages shared between them are counted for each. */
export const usageOf = async (pids: readonly number[]): Promise<Usage> =>
  usageIn(pids.length === 0 ? '' : await ps('-o', 'rss=', '-o', 'stat=', '-p', pids.join(',')))

type Usage = { residentBytes: number; runnable: number }

/** Of the one row of state and beginning. */
export const stampIn = (row: string): string | undefined => {
  const state = row.trim()
  // A zombie has ended; its parent has only not asked yet.
  return state === '' || state.startsWith('Z') ? undefined : state.replace(/^\S+\s+/, '')
}

/** Of rows of pid, parent and group. */
export const familyIn = (text: string, pid: number): number[] => {
  const rows = text.split('\n').map((row) => row.trim().split(/\s+/).map(Number))
  const family = new Set<number>()
  for (let grown = true; grown;) {
    grown = false
    for (const [each = 0, parent = 0, group = 0] of rows) {
      if (family.has(each) || !(each === pid || group === pid || family.has(parent))) continue
      family.add(each)
      grown = true
    }
  }
  return [...family]
}

/** Of rows of resident kilobytes and state. */
export const usageIn = (text: string): Usage => {
  let residentBytes = 0
  let runnable = 0
  for (const row of text.split('\n')) {
    const [kilobytes = '', state = ''] = row.trim().split(/\s+/)
    residentBytes += Number(kilobytes) * 1024
    if (state.startsWith('R')) runnable++
  }
  return { residentBytes, runnable }
}

/** Fails when it finds nothing. */
const ps = async (...args: string[]): Promise<string> => {
  try {
    return (await command(['ps', ...args])).trim()
  } catch (error) {
    if (error instanceof OciError && error.code === 'OCI_COMMAND') return ''
    throw error
  }
}
