/**
 * What a control group uses: memory by kind, tasks, and how many of them run.
 */
import { join } from 'node:path'

import { fields, groupRoot, text } from './cgroup-files.ts'
import type { Stats } from './driver.ts'

/** All but what is on disk. */
export type GroupUse = Omit<Stats, 'diskBytes'>

/** What the group at `path` uses, in the trees of that version. */
export const groupUse = async (version: 1 | 2, path: string): Promise<GroupUse> => {
  const tree = join(groupRoot, version === 2 ? '' : 'memory', path)
  return {
    ...(version === 2 ? counted2(tree) : counted1(path)),
    runnable: await runnableOf(join(tree, version === 2 ? 'cgroup.threads' : 'tasks')),
  }
}

type Counted = Omit<GroupUse, 'runnable'>

const counted1 = (path: string): Counted => {
  const memory = join(groupRoot, 'memory', path)
  const stat = fields(join(memory, 'memory.stat'))
  const of = (name: string): number => stat.get(`total_${name}`) ?? stat.get(name) ?? 0
  return {
    memoryBytes: Number(text(join(memory, 'memory.usage_in_bytes'))),
    rssBytes: of('rss'),
    cacheBytes: of('cache'),
    swapBytes: of('swap'),
    pgpgin: of('pgpgin'),
    pgpgout: of('pgpgout'),
    pids: Number(text(join(groupRoot, 'pids', path, 'pids.current'))),
  }
}

/** What is in a huge page beside its first, where they have 2 MB. */
const hugePages = 511

const counted2 = (path: string): Counted => {
  const stat = fields(join(path, 'memory.stat'))
  return {
    memoryBytes: Number(text(join(path, 'memory.current'))),
    rssBytes: stat.get('anon') ?? 0,
    cacheBytes: stat.get('file') ?? 0,
    swapBytes: Number(text(join(path, 'memory.swap.current'))),
    // Version 2 counts no pages charged and freed: these are the nearest it has. A fault brings one page, or
    // a huge one.
    pgpgin: (stat.get('pgfault') ?? 0) + hugePages * (stat.get('thp_fault_alloc') ?? 0),
    pgpgout: stat.get('pgsteal') ?? 0,
    pids: Number(text(join(path, 'pids.current'))),
  }
}

/**
 * A hostile container has as many tasks as it may: whoever samples must not pay for all of them, nor keep
 * others waiting while it looks.
 */
const tasksSeenMax = 4_096
const tasksAtOnce = 64

/** How many tasks of the group run or wait for a processor. A dyno's group has none below it. */
const runnableOf = async (list: string): Promise<number> => {
  const tasks = text(list).split('\n', tasksSeenMax).filter(Boolean)
  let runnable = 0
  for (const [n, task] of tasks.entries()) {
    if (n % tasksAtOnce === tasksAtOnce - 1) await new Promise(setImmediate)
    // Behind the command's name, which may hold anything, parentheses too.
    const stat = text(`/proc/${task}/stat`)
    if (stat.startsWith('R', stat.lastIndexOf(')') + 2)) runnable++
  }
  return runnable
}
