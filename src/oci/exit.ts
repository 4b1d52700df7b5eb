/**
 * Exits: learns how a container ended, from the file that its keeper (conmon, our shim) leaves, also long
 * after.
 *
 * The keeper writes `exit/<id>` last of all, behind the last byte of the log. When there is no such file and
 * neither keeper nor container is alive, nobody saw the end: the exit is `lost`.
 */
import { watch } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'

import type { Exit } from './driver.ts'
import { isErrno, OciError } from './errors.ts'
import { readIfAny } from './record.ts'

/** The watch tells at once; this finds a keeper that died without a word. */
const pollMs = 3_000

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
 * rejects with `OCI_UNKNOWN`.
 */
export const openExits = (
  dirOf: (id: string) => string,
  probe: (id: string) => Promise<Exit | undefined>,
): Exits => {
  const waits = new Map<string, { exit: Promise<Exit>; cancel(): void }>()
  let closed = false
  const begin = (id: string): { exit: Promise<Exit>; cancel(): void } => {
    const { promise, resolve, reject } = Promise.withResolvers<Exit>()
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
          const exit = await probe(id)
          if (exit) return end(() => resolve(exit))
        }
      } catch (error) {
        end(() => reject(error))
      } finally {
        busy = false
      }
    }
    const glance = (): void => void look()
    const timer = setInterval(glance, pollMs)
    stop = () => clearInterval(timer)
    try {
      const watcher = watch(join(dirOf(id), 'exit'), glance)
      watcher.on('error', glance)
      stop = () => {
        clearInterval(timer)
        watcher.close()
      }
    } catch (error) {
      // No directory to watch: the probe says whether the container is unknown.
      if (!isErrno(error, 'ENOENT')) throw error
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
