/**
 * The log of a simulated dyno: what it printed outlives the host process, as a file does, and goes with the
 * power. Whoever reads it too late passes over some of it, and says how much.
 */
import type { Follower, LogBatch, LogLine } from '../../src/oci/driver.ts'
import { logStart } from '../../src/oci/driver.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Place, Places } from '../../actors/logplex/shuttle.ts'

export type DynoLog = {
  readonly name: string
  print(text: string): void
  readonly printed: () => number
  /** Lines before this are noted as brought. */
  readonly brought: () => number
  readonly places: Places
  follow(clock: Clock, onBatch: (batch: LogBatch) => void | Promise<void>): Follower
}

const batchMax = 100
/** More than these behind the one that is read are passed over. */
const lateMax = 400
const lookMs = 50

export const openDynoLog = (name: string, now: () => number): DynoLog => {
  const lines: LogLine[] = []
  let place: Place | undefined
  const cursor = () => place?.cursor ?? logStart
  return {
    name,
    print: (text) =>
      void lines.push({
        at: new Date(now()).toISOString().replace('Z', '000000+00:00'),
        stream: 'stdout',
        bytes: Buffer.from(text),
      }),
    printed: () => lines.length,
    brought: () => cursor().offset,
    places: {
      read: async () => place,
      keep: async (_, next) => {
        place = next
      },
      forget: async () => undefined,
    },
    follow: (clock, onBatch) => {
      const done = (async () => {
        for (let at = cursor().offset; ;) {
          const passed = Math.max(0, lines.length - at - lateMax)
          const since = lines[at]?.at ?? ''
          at += passed
          const batch = lines.slice(at, at + batchMax)
          at += batch.length
          const dropped = passed > 0 ? { dropped: { count: passed, since } } : {}
          if (batch.length > 0)
            await onBatch({
              lines: batch,
              cursor: { file: 1, offset: at, lines: at },
              lost: false,
              ...dropped,
            })
          else await new Promise<void>((resolve) => void clock.after(lookMs, resolve))
        }
      })()
      return { done, close: () => undefined }
    },
  }
}
