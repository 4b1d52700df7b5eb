/**
 * The machine's share, pure: what all containers together may have of it, so that whatever they do, the
 * platform and the machine keep going.
 */

const mb = 2 ** 20

export type Machine = {
  memoryBytes: number
  /** The kernel's bounds for the whole machine: on ids of tasks, and on their number. */
  pidMax: number
  threadsMax: number
}

export type Share = { memoryBytes: number; pids: number }

/**
 * Memory for all containers of a machine that has `memoryBytes`: all but a tenth, at least 512 MB, though
 * never more than a quarter.
 */
export const containersMemoryBytes = (memoryBytes: number): number =>
  memoryBytes - Math.ceil(Math.min(Math.max(memoryBytes / 10, 512 * mb), memoryBytes / 4))

/** What is left of tasks is for the platform and for whoever must log in to look. */
export const shareOf = ({ memoryBytes, pidMax, threadsMax }: Machine): Share => ({
  memoryBytes: containersMemoryBytes(memoryBytes),
  pids: Math.floor(Math.min(pidMax, threadsMax) * 0.8),
})

/**
 * Weights of a whole group against everything else on the machine (version 1 counts in shares of 1,024 a
 * task, version 2 in weights of 100 a group): all containers together weigh no more than one busy task of the
 * platform's, or half as much as the group of a service.
 */
export const groupWeight = { shares: 1_024, weight: 50 } as const

/** The weight of a version 2 group that stands for `shares` of version 1 (2 to 262,144 onto 1 to 10,000). */
export const cpuWeightOf = (shares: number): number => Math.floor(1 + ((shares - 2) * 9_999) / 262_142)

/** What a container may take of memory, and the part of it that may be in memory at once. */
export type MemoryBounds = { memoryBytes: number; memoryAndSwapBytes: number | undefined }

/**
 * Where there is swap, what is over the quota goes there. Where there is none it stays in memory: a program
 * is killed at quota and swap together either way. Undefined: this kernel does not count swap.
 */
export const memoryBounds = (
  { memoryBytes, swapBytes }: { memoryBytes: number; swapBytes: number },
  swap: { present: boolean; counted: boolean },
): MemoryBounds => {
  const all = memoryBytes + swapBytes
  return {
    memoryBytes: swap.present && swap.counted ? memoryBytes : all,
    memoryAndSwapBytes: swap.counted ? all : undefined,
  }
}
