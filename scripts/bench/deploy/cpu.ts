/**
 * CPU time of a process and all that it started, from /proc: what a figure of wall-clock time hides when the
 * machine has other work to do.
 */
import { readdirSync, readFileSync } from 'node:fs'

type Usage = {
  readonly parent: number
  /** Its own. */
  readonly ticks: number
  /** Of children that have ended. */
  readonly childTicks: number
}

/** proc(5): the kernel tells user space 100 ticks a second, whatever it counts in itself. */
const msPerTick = 10

const usageOf = (pid: string): Usage | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // After the name, which may hold anything, comes field 3. 4: parent; 14, 15: own times; 16, 17: those of
    // children that have ended.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number)
    return {
      parent: Number(fields[1]),
      ticks: (user ?? 0) + (system ?? 0),
      childTicks: (childUser ?? 0) + (childSystem ?? 0),
    }
  } catch {
    // It ended between the listing and the reading: its parent's count has it.
    return undefined
  }
}

/** Milliseconds so far, of it, its children and theirs, those that have ended too; or of it `alone`. */
export const cpuMsOf = (pid: number, whose: 'all' | 'alone' = 'all'): number => {
  if (whose === 'alone') return (usageOf(String(pid))?.ticks ?? 0) * msPerTick
  const all = new Map<number, Usage>()
  for (const name of readdirSync('/proc')) {
    const usage = /^\d+$/.test(name) ? usageOf(name) : undefined
    if (usage !== undefined) all.set(Number(name), usage)
  }
  const isBelow = (at: number | undefined): boolean =>
    at === pid || (at !== undefined && at > 1 && isBelow(all.get(at)?.parent))
  let ticks = 0
  for (const [each, usage] of all) if (isBelow(each)) ticks += usage.ticks + usage.childTicks
  return ticks * msPerTick
}
