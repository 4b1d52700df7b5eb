/**
 * Bounds by control groups: what all containers together may have, and what one is told of its own bounds.
 */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { groupRoot } from './cgroup-files.ts'
import { cpuWeightOf, groupWeight, type Share } from './machine.ts'

/** Controllers of version 1 that show a program its own limits. */
const shown = ['memory', 'cpu', 'cpuacct', 'pids']

type Version = 1 | 2
type Bind = { source: string; target: string }

/**
 * The file that tells a program how much memory it has to plan with. Buildpacks read it by its name of
 * version 1 wherever they run (heroku/nodejs).
 */
export const memoryFile = 'memory.limit_in_bytes'

/**
 * What the container whose group is at `path` sees of it below /sys/fs/cgroup, made when missing. `told` is a
 * directory with nothing but `memoryFile`: the quota, which a container may go beyond for a while, stands
 * where the kernel's bound would.
 */
export const groupBinds = async (version: Version, path: string, told: string): Promise<Bind[]> => {
  const file = join(told, memoryFile)
  const memory = join(groupRoot, 'memory')
  if (version === 2) {
    // No directory can be made in this file system but a group, so an empty one serves as mount point.
    await mkdir(join(groupRoot, path, 'memory'), { recursive: true })
    return [
      { source: file, target: join(groupRoot, 'memory.max') },
      { source: told, target: memory },
    ]
  }
  const binds = []
  for (const name of shown) {
    if (!existsSync(join(groupRoot, name))) continue
    const source = join(groupRoot, name, path)
    await mkdir(source, { recursive: true })
    binds.push({ source, target: join(groupRoot, name) })
  }
  if (binds.some(({ target }) => target === memory))
    binds.push({ source: file, target: join(memory, memoryFile) })
  return binds
}

type Bound = { controller: string; file: string; value: number }

/**
 * Makes the group at `path`, in which all containers' are, and bounds it.
 *
 * @returns what could not be bounded, by the name of its controller
 */
export const boundGroup = async (version: Version, path: string, share: Share): Promise<string[]> => {
  const { memoryBytes, pids } = share
  const bounds: Bound[] =
    version === 2
      ? [
          { controller: 'memory', file: 'memory.max', value: memoryBytes },
          { controller: 'pids', file: 'pids.max', value: pids },
          { controller: 'cpu', file: 'cpu.weight', value: groupWeight.weight },
        ]
      : [
          { controller: 'memory', file: 'memory.limit_in_bytes', value: memoryBytes },
          { controller: 'pids', file: 'pids.max', value: pids },
          { controller: 'cpu', file: 'cpu.shares', value: groupWeight.shares },
        ]
  const done = await Promise.all(bounds.map((bound) => write(version, path, bound)))
  return bounds.filter((_, at) => !done[at]).map(({ controller }) => controller)
}

/** In version 2 as runc reckons it from shares: the range of the one onto that of the other. */
const weightOf = (version: Version, cpuShares: number): Bound =>
  version === 2
    ? { controller: 'cpu', file: 'cpu.weight', value: cpuWeightOf(cpuShares) }
    : { controller: 'cpu', file: 'cpu.shares', value: cpuShares }

/**
 * Makes a group of the weight that a container of `cpuShares` has.
 *
 * @returns the file that takes a process into it; undefined where it cannot be
 */
export const weighGroup = async (
  version: Version,
  path: string,
  cpuShares: number,
): Promise<string | undefined> => {
  const made = await write(version, path, weightOf(version, cpuShares))
  return made ? join(groupRoot, version === 2 ? '' : 'cpu', path, 'cgroup.procs') : undefined
}

/**
 * Whether it is so now. This machine may be a container itself, without any right to bound. In version 2 a
 * group has the controllers that every group above it hands down.
 */
const write = async (version: Version, path: string, bound: Bound): Promise<boolean> => {
  const { controller, file, value } = bound
  const tree = join(groupRoot, version === 2 ? '' : controller)
  const parents: string[] = []
  try {
    if (!existsSync(tree)) return false
    await mkdir(join(tree, path), { recursive: true })
    if (version === 2)
      for (let above = dirname(join(tree, path)); above.startsWith(tree); above = dirname(above))
        parents.unshift(above)
    for (const parent of parents) await writeFile(join(parent, 'cgroup.subtree_control'), `+${controller}`)
    await writeFile(join(tree, path, file), String(value))
    return true
  } catch (error) {
    if (error instanceof Error && 'errno' in error) return false
    throw error
  }
}
