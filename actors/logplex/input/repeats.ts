/**
 * Batches that come twice: a sender that got no answer sends its batch again under the same id. One that is
 * known here is not stored a second time; its sender waits for the first. Held in memory, for some minutes.
 */
import type { Clock } from '../../../src/ports/clock.ts'

export type Repeats = {
  /**
   * Begins what the id stands for unless that is known.
   * @returns what is to be waited for, and whether it was begun by another
   */
  once(
    id: string | undefined,
    begin: () => Promise<void>,
  ): { readonly done: Promise<void>; readonly isRepeat: boolean }
}

const keptMs = 5 * 60_000
const keptMax = 20_000

export const createRepeats = (clock: Pick<Clock, 'monotonicMs'>): Repeats => {
  const known = new Map<string, { readonly done: Promise<void>; readonly atMs: number }>()

  const forgetOld = (nowMs: number): void => {
    for (const [id, { atMs }] of known) {
      if (known.size <= keptMax && nowMs - atMs < keptMs) return
      known.delete(id)
    }
  }
  return {
    once(id, begin) {
      const nowMs = clock.monotonicMs()
      forgetOld(nowMs)
      const found = id === undefined ? undefined : known.get(id)
      if (found !== undefined) return { done: found.done, isRepeat: true }
      const done = begin()
      if (id !== undefined) known.set(id, { done, atMs: nowMs })
      return { done, isRepeat: false }
    },
  }
}
