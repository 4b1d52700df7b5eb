/**
 * Control groups: where a container's are, who is in them, what they use. Version 1 (one tree a controller,
 * also beside an empty unified one) and version 2.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'

import type { Stats } from './driver.ts'
import { isErrno } from './errors.ts'

const root = '/sys/fs/cgroup'
/** Controllers of version 1 that show a program its own limits. */
const shown = ['memory', 'cpu', 'cpuacct', 'pids']

export type Cgroups = {
  version: 1 | 2
  swapAccounting: boolean
  /** Version 1 directories of the group at `path` to show inside; they are made when missing. */
  binds(path: string): Promise<{ source: string; target: string }[]>
  /** Ids of every process of the group and the groups below it. */
  pids(path: string): Promise<number[]>
  stats(path: string): Promise<Stats>
  /** How many processes the kernel killed for memory. */
  oomKills(path: string): Promise<number>
  /** Names of the groups right below `path`, in any tree. */
  children(path: string): Promise<string[]>
  /** Removes the empty group and those below it in every tree. */
  remove(path: string): Promise<void>
}

/** The machine's control groups. */
export const openCgroups = (): Cgroups => {
  const version = existsSync(join(root, 'cgroup.controllers')) ? 2 : 1
  const memory = version === 2 ? root : join(root, 'memory')
  const swapAccounting = version === 2 || existsSync(join(memory, 'memory.memsw.limit_in_bytes'))
  return {
    version,
    swapAccounting,
    binds: async (path) => {
      const binds = []
      for (const name of shown) {
        if (version === 2 || !existsSync(join(root, name))) continue
        const source = join(root, name, path)
        await mkdir(source, { recursive: true })
        binds.push({ source, target: join(root, name) })
      }
      return binds
    },
    pids: (path) => pidsBelow(join(memory, path)),
    stats: async (path) => ({
      ...(await (version === 2 ? stats2(join(memory, path)) : stats1(path))),
      runnable: await runnableOf(join(memory, path), version === 2 ? 'cgroup.threads' : 'tasks'),
    }),
    oomKills: async (path) => {
      const name = version === 2 ? 'memory.events' : 'memory.oom_control'
      return (await fields(join(memory, path, name))).get('oom_kill') ?? 0
    },
    children: async (path) => {
      const names = new Set<string>()
      for (const tree of await trees(version))
        for (const name of await directories(join(tree, path))) names.add(name)
      return [...names]
    },
    remove: async (path) => {
      for (const tree of await trees(version)) await removeTree(join(tree, path))
    },
  }
}

const trees = async (version: 1 | 2): Promise<string[]> =>
  version === 2 ? [root] : (await directories(root)).map((name) => join(root, name))

/** Subdirectories; none where the directory is gone. */
const directories = async (path: string): Promise<string[]> => {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return []
    throw error
  }
}

const pidsBelow = async (path: string): Promise<number[]> => {
  const own = (await text(join(path, 'cgroup.procs'))).split('\n').filter(Boolean).map(Number)
  const below = await Promise.all((await directories(path)).map((name) => pidsBelow(join(path, name))))
  return [...own, ...below.flat()]
}

const removeTree = async (path: string): Promise<void> => {
  for (const name of await directories(path)) await removeTree(join(path, name))
  try {
    await rmdir(path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

type Counted = Omit<Stats, 'runnable'>

const stats1 = async (path: string): Promise<Counted> => {
  const memory = join(root, 'memory', path)
  const stat = await fields(join(memory, 'memory.stat'))
  const of = (name: string): number => stat.get(`total_${name}`) ?? stat.get(name) ?? 0
  return {
    memoryBytes: Number(await text(join(memory, 'memory.usage_in_bytes'))),
    rssBytes: of('rss'),
    cacheBytes: of('cache'),
    swapBytes: of('swap'),
    pgpgin: of('pgpgin'),
    pgpgout: of('pgpgout'),
    pids: Number(await text(join(root, 'pids', path, 'pids.current'))),
  }
}

const stats2 = async (path: string): Promise<Counted> => {
  const stat = await fields(join(path, 'memory.stat'))
  return {
    memoryBytes: Number(await text(join(path, 'memory.current'))),
    rssBytes: stat.get('anon') ?? 0,
    cacheBytes: stat.get('file') ?? 0,
    swapBytes: Number(await text(join(path, 'memory.swap.current'))),
    // Version 2 counts no pages charged and freed: these are the nearest it has.
    pgpgin: stat.get('pgfault') ?? 0,
    pgpgout: stat.get('pgsteal') ?? 0,
    pids: Number(await text(join(path, 'pids.current'))),
  }
}

/** A hostile container has as many tasks as it may: whoever samples must not pay for all of them. */
const tasksSeenMax = 4_096

/** How many tasks of the group run or wait for a processor. A dyno's group has none below it. */
const runnableOf = async (path: string, list: string): Promise<number> => {
  const tasks = (await text(join(path, list))).split('\n', tasksSeenMax).filter(Boolean)
  let runnable = 0
  for (const task of tasks) {
    // Behind the command's name, which may hold anything, parentheses too.
    const stat = await text(`/proc/${task}/stat`)
    if (stat.startsWith('R', stat.lastIndexOf(')') + 2)) runnable++
  }
  return runnable
}

/** A file of `name value` lines. */
const fields = async (path: string): Promise<Map<string, number>> =>
  new Map(
    (await text(path))
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [name = '', value = '0'] = line.split(' ')
        return [name, Number(value)]
      }),
  )

/** A file's text; empty where the group is gone. */
const text = async (path: string): Promise<string> => {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ESRCH')) return ''
    throw error
  }
}
