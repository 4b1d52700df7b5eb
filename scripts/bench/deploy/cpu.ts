/**
 * CPU time of a process and all that it started, from /proc: what a figure of wall-clock time hides when the
 * machine has other work to do.
 */
import { readdirSync, readFileSync } from 'node:fs'

type Usage = { readonly parent: number; readonly ticks: number }

/** proc(5): the kernel tells user space 100 ticks a second, whatever it counts in itself. */
const msPerTick = 10

const usageOf = (pid: string): Usage | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // After the name, which may hold anything, comes field 3. 4: parent; 14, 15: own times; 16, 17: those of
    // children that have ended.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
    return { parent: Number(fields[1]), ticks }
  } catch {
    // It ended between the listing and the reading: its parent's count has it.
    return undefined
  }
}

/** Milliseconds so far, of it, its children and theirs, those that have ended too. */
export const cpuMsOf = (pid: number): number => {
  const all = new Map<number, Usage>()
  for (const name of readdirSync('/proc')) {
    const usage = /^\d+$/.test(name) ? usageOf(name) : undefined
    if (usage !== undefined) all.set(Number(name), usage)
  }
  const isBelow = (at: number | undefined): boolean =>
    at === pid || (at !== undefined && at > 1 && isBelow(all.get(at)?.parent))
  let ticks = 0
  for (const [each, usage] of all) if (isBelow(each)) ticks += usage.ticks
  return ticks * msPerTick
}
