/**
 * Sessions: finds plain processes again and everything they started, on Linux and macOS alike by `ps`.
 */
import { command } from './command.ts'
import { OciError } from './errors.ts'

/** When process `pid` began; undefined when there is none. The pair names a process for good. */
export const stampOf = async (pid: number): Promise<string | undefined> => {
  if (pid <= 0) return undefined
  const state = await ps('-o', 'stat=,lstart=', '-p', String(pid))
  // A zombie has ended; its parent has only not asked yet.
  return state === '' || state.startsWith('Z') ? undefined : state.replace(/^\S+\s+/, '')
}

/** The command line of process `pid`; empty when there is none. */
export const commandLineOf = async (pid: number): Promise<string> =>
  pid > 0 ? ps('-ww', '-o', 'command=', '-p', String(pid)) : ''

/** `pid`, its process group, and all their descendants. */
export const familyOf = async (pid: number): Promise<number[]> => {
  const rows = (await ps('-A', '-o', 'pid=,ppid=,pgid='))
    .split('\n')
    .map((row) => row.trim().split(/\s+/).map(Number))
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

/** What `pids` use together: pages shared between them are counted for each. */
export const usageOf = async (
  pids: readonly number[],
): Promise<{ residentBytes: number; runnable: number }> => {
  const rows = pids.length === 0 ? '' : await ps('-o', 'rss=,stat=', '-p', pids.join(','))
  let residentBytes = 0
  let runnable = 0
  for (const row of rows.split('\n')) {
    const [kilobytes = '', state = ''] = row.trim().split(/\s+/)
    residentBytes += Number(kilobytes) * 1024
    if (state.startsWith('R')) runnable++
  }
  return { residentBytes, runnable }
}

/** ps fails when it finds nothing. */
const ps = async (...args: string[]): Promise<string> => {
  try {
    return (await command(['ps', ...args])).trim()
  } catch (error) {
    if (error instanceof OciError && error.code === 'OCI_COMMAND') return ''
    throw error
  }
}
