/** Lines that strangers can cause as often as they like: one in a while is written, and counts the others. */
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'

export const seldomLog = (clock: Pick<Clock, 'monotonicMs'>, log: Log, everyMs: number): Log => {
  let nextMs = Number.NEGATIVE_INFINITY
  let unsaid = 0
  return (fields) => {
    const now = clock.monotonicMs()
    if (now < nextMs) {
      unsaid += 1
      return
    }
    log(unsaid === 0 ? fields : { ...fields, unsaid })
    nextMs = now + everyMs
    unsaid = 0
  }
}
