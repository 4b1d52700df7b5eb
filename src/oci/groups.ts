/**
 * Groups of a state directory: the one in which all its containers are, with their share of the machine, and
 * one for the processes that keep them. What a keeper does is for its container (it reads all that is
 * printed), so keepers together weigh no more than the containers do.
 */
import { totalmem } from 'node:os'

import { text } from './cgroup-files.ts'
import type { Cgroups } from './cgroup.ts'
import type { Gaps } from './driver.ts'
import { isErrno } from './errors.ts'
import { shareOf } from './machine.ts'

const emptyMsMax = 2_000

export type Groups = {
  of(id: string): string
  /** Makes both, once. */
  ensure(): Promise<Made>
  /** Ids of the containers that have a group. */
  ids(): Promise<string[]>
  teardown(): Promise<void>
}

/** `keepers` is the file that takes a process into their group; undefined where there can be none. */
export type Made = { gaps: Gaps; keepers: string | undefined }

/** The groups of the state directory whose things are called `name`. */
export const openGroups = (cgroups: Cgroups, name: string): Groups => {
  const parent = `/${name}`
  const keepers = `/${name}_keepers`
  let made: Promise<Made> | undefined

  const make = async (): Promise<Made> => {
    const pidMax = Number(await text('/proc/sys/kernel/pid_max'))
    const threadsMax = Number(await text('/proc/sys/kernel/threads-max'))
    const share = shareOf({ memoryBytes: totalmem(), pidMax, threadsMax })
    const [missing, file] = await Promise.all([cgroups.bound(parent, share), cgroups.weigh(keepers)])
    const gap = `all dynos together are not bounded: no cgroup can be made for ${missing.join(', ')}`
    return { gaps: missing.length === 0 ? [] : [gap], keepers: file }
  }

  return {
    of: (id) => `${parent}/${id}`,
    ensure: () => (made ??= make()),
    ids: () => cgroups.children(parent),
    teardown: async () => {
      made = undefined
      await cgroups.remove(parent)
      // A keeper ends a little after its container.
      for (const until = performance.now() + emptyMsMax; ;) {
        try {
          return await cgroups.remove(keepers)
        } catch (error) {
          if (!isErrno(error, 'EBUSY') || performance.now() > until) throw error
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      }
    },
  }
}
