/**
 * Groups of a state directory: the one in which all its containers are, with their share of the machine; in
 * it one for each container, and one for what keeps it. A keeper reads all that its container prints: it
 * weighs as much as the container, so that who prints without end takes nobody else's processor time.
 */
import { totalmem } from 'node:os'

import { text } from './cgroup-files.ts'
import type { Cgroups } from './cgroup.ts'
import type { Gaps } from './driver.ts'
import { isErrno } from './errors.ts'
import { shareOf } from './machine.ts'
import { killAll } from './signal.ts'

/** A process that was killed leaves its group a little later. */
const emptyMsMax = 5_000
/** No id of a container begins like that. */
const keeperMark = '_'

export type Groups = {
  /** Path of a container's group. */
  of(id: string): string
  /** Makes the one of all, once. */
  ensure(): Promise<Gaps>
  /** Makes the group of a container's keeper. @returns the file that takes a process into it, if any does */
  keeperOf(id: string, cpuShares: number): Promise<string | undefined>
  /** Processes of a container. */
  pids(id: string): Promise<number[]>
  /** Ids of the containers of which there is a group. */
  ids(): Promise<string[]>
  /** Kills every process of a container and of its keeper. */
  kill(id: string): Promise<void>
  /** Removes the groups of a container whose processes have ended or are about to. */
  remove(id: string): Promise<void>
  teardown(): Promise<void>
}

/** The groups of the state directory whose things are called `name`. */
export const openGroups = (cgroups: Cgroups, name: string): Groups => {
  const parent = `/${name}`
  const of = (id: string): string => `${parent}/${id}`
  const keeper = (id: string): string => of(`${keeperMark}${id}`)
  let made: Promise<Gaps> | undefined

  const make = async (): Promise<Gaps> => {
    const pidMax = Number(text('/proc/sys/kernel/pid_max'))
    const threadsMax = Number(text('/proc/sys/kernel/threads-max'))
    const share = shareOf({ memoryBytes: totalmem(), pidMax, threadsMax })
    const missing = await cgroups.bound(parent, share)
    if (missing.length === 0) return []
    return [`all dynos together are not bounded: no cgroup can be made for ${missing.join(', ')}`]
  }

  const removeEmpty = async (path: string): Promise<void> => {
    for (const until = performance.now() + emptyMsMax; ;) {
      try {
        return await cgroups.remove(path)
      } catch (error) {
        if (!isErrno(error, 'EBUSY') || performance.now() > until) throw error
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }

  return {
    of,
    ensure: () => (made ??= make()),
    keeperOf: (id, cpuShares) => cgroups.weigh(keeper(id), cpuShares),
    pids: (id) => cgroups.pids(of(id)),
    ids: async () => {
      const names = await cgroups.children(parent)
      return [...new Set(names.map((each) => (each.startsWith(keeperMark) ? each.slice(1) : each)))]
    },
    kill: async (id) => {
      for (const path of [of(id), keeper(id)]) killAll(await cgroups.pids(path), 'SIGKILL')
    },
    remove: async (id) => {
      await Promise.all([of(id), keeper(id)].map(removeEmpty))
    },
    teardown: async () => {
      made = undefined
      await removeEmpty(parent)
    },
  }
}
