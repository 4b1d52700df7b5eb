/**
 * Exits: learns how a container ended, from the file that its keeper (conmon, our shim) leaves, also long
 * after.
 *
 * The keeper writes `exit/<id>` last of all, behind the last byte of the log. When there is no such file and
 * neither keeper nor container is alive, nobody saw the end: the exit is `lost`.
 */
import type { FSWatcher } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'

import type { Exit } from './driver.ts'
import { isErrno, OciError } from './errors.ts'
import { readIfAny } from './record.ts'
import { openRound } from './round.ts'
import { watchIfPossible } from './watch.ts'

/**
 * The watch tells at once. A keeper that died without a word is found by looking for its process, and once in
 * a while by all that there is to see, should another process have its pid.
 */
const lookMs = 3_000
const probeMs = 60_000

/** The code in the exit file of the container in `dir`; undefined while there is none. */
export const exitCode = (dir: string, id: string): number | undefined => {
  const text = readIfAny(join(dir, 'exit', id))?.trim()
  return text === undefined || text === '' ? undefined : Number(text)
}

/** The exit of `code`, null when nobody saw it. */
export const exitOf = (code: number | null, oomKilled: boolean): Exit => {
  if (code === null) return { code, oomKilled, lost: true }
  const signal = signalOf(code)
  return { code, ...(signal ? { signal } : {}), oomKilled }
}

/** A shell's way to tell a signal: 128 and its number. */
const signalOf = (code: number): NodeJS.Signals | undefined =>
  signalNames.find((name) => constants.signals[name] === code - 128)

const signalNames = Object.keys(constants.signals).filter(
  (name): name is NodeJS.Signals => name in constants.signals,
)

export type Exits = {
  /** One watch for all who wait for the same container. */
  wait(id: string): Promise<Exit>
  close(): void
}

/**
 * Watches for exits. `probe` gives the exit of a container that has ended, undefined while it lives; it
 * rejects with `OCI_UNKNOWN`. `keeperOf` is the pid of the process whose end cannot be missed; 0: not known.
 */
export const openExits = (
  dirOf: (id: string) => string,
  probe: (id: string) => Promise<Exit | undefined>,
  keeperOf: (id: string) => Promise<number>,
): Exits => {
  const waits = new Map<string, { exit: Promise<Exit>; cancel(): void }>()
  const round = openRound(lookMs)
  let closed = false
  const begin = (id: string): { exit: Promise<Exit>; cancel(): void } => {
    const { promise, resolve, reject } = Promise.withResolvers<Exit>()
    let keeper = 0
    let probedMs = 0
    let busy = false
    let again = false
    let stop = (): void => undefined
    const end = (settle: () => void): void => {
      stop()
      waits.delete(id)
      settle()
    }
    const look = async (): Promise<void> => {
      again = true
      if (busy) return
      busy = true
      try {
        while (again) {
          again = false
          probedMs = performance.now()
          const exit = await probe(id)
          if (exit) return end(() => resolve(exit))
          keeper = await keeperOf(id)
        }
      } catch (error) {
        end(() => reject(error))
      } finally {
        busy = false
      }
    }
    const glance = (): void => void look()
    const watcher = watchIfAny(join(dirOf(id), 'exit'), glance)
    const leave = round.join(() => {
      if (watcher === undefined || !isThere(keeper) || performance.now() - probedMs > probeMs) glance()
    })
    stop = () => {
      leave()
      watcher?.close()
    }
    glance()
    return { exit: promise, cancel: () => end(() => reject(new OciError('OCI_CLOSED', id))) }
  }
  return {
    wait: async (id) => {
      if (closed) throw new OciError('OCI_CLOSED', id)
      const waiting = waits.get(id) ?? begin(id)
      waits.set(id, waiting)
      return waiting.exit
    },
    close: () => {
      closed = true
      for (const waiting of waits.values()) waiting.cancel()
    },
  }
}

/** Whether the process lives: one that is dead and not yet waited for has no command line any more. */
const isThere = (pid: number): boolean => pid > 0 && (readIfAny(`/proc/${pid}/cmdline`) ?? '') !== ''

/** Without a directory to watch, the probe says whether the container is unknown. */
const watchIfAny = (dir: string, onChange: () => void): FSWatcher | undefined => {
  try {
    return watchIfPossible(dir, onChange)?.on('error', onChange)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
