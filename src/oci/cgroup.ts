/**
 * Control groups: where a container's are, who is in them, what they use. Version 1 (one tree a controller,
 * also beside an empty unified one) and version 2.
 */
import { existsSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { join } from 'node:path'

import { boundGroup, groupBinds, weighGroup } from './cgroup-bounds.ts'
import { directories, fields, groupRoot, text } from './cgroup-files.ts'
import { groupUse, type GroupUse } from './cgroup-use.ts'
import { isErrno } from './errors.ts'
import type { Share } from './machine.ts'

export type Cgroups = {
  version: 1 | 2
  /** Whether the machine has swap, and whether it is counted for each group. */
  swap(): Promise<{ present: boolean; counted: boolean }>
  /** What to show the container at `path` of its group, and of `told` in place of some of it. */
  binds(path: string, told: string): Promise<{ source: string; target: string }[]>
  /** Makes and bounds the parent of all containers' groups; gives the names of what could not be bounded. */
  bound(path: string, share: Share): Promise<string[]>
  /** Makes a group of that weight, and gives the file that takes a process into it. */
  weigh(path: string, cpuShares: number): Promise<string | undefined>
  /** Ids of every process of the group and the groups below it. */
  pids(path: string): Promise<number[]>
  use(path: string): Promise<GroupUse>
  /** How many processes the kernel killed for memory. */
  oomKills(path: string): Promise<number>
  /** Names of the groups right below `path`, in any tree. */
  children(path: string): Promise<string[]>
  /** Removes the empty group and those below it in every tree. */
  remove(path: string): Promise<void>
}

/** The machine's control groups. */
export const openCgroups = (): Cgroups => {
  const version = existsSync(join(groupRoot, 'cgroup.controllers')) ? 2 : 1
  const memory = version === 2 ? groupRoot : join(groupRoot, 'memory')
  const counted = version === 2 || existsSync(join(memory, 'memory.memsw.limit_in_bytes'))
  return {
    version,
    swap: async () => ({ present: /^SwapTotal:\s+[1-9]/m.test(text('/proc/meminfo')), counted }),
    binds: (path, told) => groupBinds(version, path, told),
    bound: (path, share) => boundGroup(version, path, share),
    weigh: (path, cpuShares) => weighGroup(version, path, cpuShares),
    pids: async (path) => {
      // A keeper is in the tree of its weight alone.
      const trees = version === 2 ? [groupRoot] : ['memory', 'cpu'].map((tree) => join(groupRoot, tree))
      const pids = await Promise.all(trees.map((tree) => pidsBelow(join(tree, path))))
      return [...new Set(pids.flat())]
    },
    use: (path) => groupUse(version, path),
    oomKills: async (path) => {
      const name = version === 2 ? 'memory.events' : 'memory.oom_control'
      return fields(join(memory, path, name)).get('oom_kill') ?? 0
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
  version === 2 ? [groupRoot] : (await directories(groupRoot)).map((name) => join(groupRoot, name))

const pidsBelow = async (path: string): Promise<number[]> => {
  const all = text(join(path, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)
  // cgroups(7): 0 is one that cannot be seen from this pid namespace.
  const own = all.filter((pid) => pid > 0)
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
