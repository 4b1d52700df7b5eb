/** What things take: the heap after a collection, and other processes' memory. */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of the heap that are still in use after `make`, for each of `count` things that it made. */
export const bytesEach = <T>(count: number, make: () => T): { readonly made: T; readonly bytes: number } => {
  collect()
  const before = process.memoryUsage().heapUsed
  const made = make()
  collect()
  return { made, bytes: (process.memoryUsage().heapUsed - before) / count }
}

/** Resident memory in bytes. */
export const residentBytes = (pid: number): number =>
  1_024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
