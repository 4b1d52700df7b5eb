/**
 * Bounds by control groups: what all containers together may have, and what one is told of its own bounds.
 */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { groupRoot } from './cgroup-files.ts'
import { groupWeight, type Share } from './machine.ts'

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
          weight2,
        ]
      : [
          { controller: 'memory', file: 'memory.limit_in_bytes', value: memoryBytes },
          { controller: 'pids', file: 'pids.max', value: pids },
          weight1,
        ]
  const done = await Promise.all(bounds.map((bound) => write(version, path, bound)))
  return bounds.filter((_, at) => !done[at]).map(({ controller }) => controller)
}

const weight1: Bound = { controller: 'cpu', file: 'cpu.shares', value: groupWeight.shares }
const weight2: Bound = { controller: 'cpu', file: 'cpu.weight', value: groupWeight.weight }

/**
 * Makes a group that weighs as much as all containers together.
 *
 * @returns the file that takes a process into it; undefined where it cannot be
 */
export const weighGroup = async (version: Version, path: string): Promise<string | undefined> => {
  const made = await write(version, path, version === 2 ? weight2 : weight1)
  return made ? join(groupRoot, version === 2 ? '' : 'cpu', path, 'cgroup.procs') : undefined
}

/** Whether it is so now. A container of its own may have got no right to bound anything. */
const write = async (version: Version, path: string, bound: Bound): Promise<boolean> => {
  const { controller, file, value } = bound
  const tree = join(groupRoot, version === 2 ? '' : controller)
  try {
    if (version === 2) await writeFile(join(tree, 'cgroup.subtree_control'), `+${controller}`)
    if (!existsSync(tree)) return false
    await mkdir(join(tree, path), { recursive: true })
    await writeFile(join(tree, path, file), String(value))
    return true
  } catch (error) {
    if (error instanceof Error && 'errno' in error) return false
    throw error
  }
}
