/**
 * Alive: which processes are a container's, and which is its keeper's. An id is never used twice, a pid is.
 */
import { join } from 'node:path'

import type { Groups } from './groups.ts'
import { readIfAny, type Records } from './record.ts'
import { killAll } from './signal.ts'

export type Alive = {
  /** Whether `pid` is a process of the container. */
  has(pid: number, id: string): boolean
  /** The pid of its conmon; 0: it has none any more. */
  keeperOf(id: string): number
  /**
   * Signals every process but `init` until none is left that has not had it: one may fork while we look. The
   * init would only pass it on.
   */
  signalEach(id: string, signal: NodeJS.Signals, init: number): Promise<void>
  /** Waits for the keeper of an ended container, and does not wait for ever. */
  endKeeper(id: string): Promise<void>
}

const keeperGraceMs = 2_000
const roundsMax = 8

export const openAlive = (records: Records, groups: Groups): Alive => {
  const keeperOf = (id: string): number => {
    const pid = Number(readIfAny(join(records.dir(id), 'conmon.pid')) ?? 0)
    return pid > 0 && readIfAny(`/proc/${pid}/cmdline`)?.includes(`\0--cid=${id}\0`) ? pid : 0
  }
  return {
    has: (pid, id) =>
      pid > 0 &&
      (readIfAny(`/proc/${pid}/cgroup`) ?? '').split('\n').some((line) => line.endsWith(groups.of(id))),
    keeperOf,
    signalEach: async (id, signal, init) => {
      const told = new Set<number>([init])
      for (let round = 0; round < roundsMax; round++) {
        const fresh = (await groups.pids(id)).filter((pid) => !told.has(pid))
        if (fresh.length === 0) return
        killAll(fresh, signal)
        for (const pid of fresh) told.add(pid)
      }
    },
    endKeeper: async (id) => {
      const until = performance.now() + keeperGraceMs
      for (let pid = keeperOf(id); pid > 0; pid = keeperOf(id)) {
        if (performance.now() > until) killAll([pid], 'SIGKILL')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  }
}
