/**
 * until: waits for a condition with a deadline, the only way a test may wait.
 *
 * It polls, so that a test needs no hook in the product; the interval grows from 2 ms to 50 ms,
 * which keeps quick conditions quick and slow ones cheap.
 */
import { setTimeout as pause } from 'node:timers/promises'

type Falsy = undefined | null | false

export type UntilOptions = {
  /** How long the condition may take; after that `until` throws. */
  readonly timeoutMs?: number
  /** What is awaited, in words: the subject of the error. */
  readonly what: string
}

const timeoutMsDefault = 60_000
const intervalMsMin = 2
const intervalMsMax = 50

/**
 * Calls `probe` until it gives something that is not undefined, null or false, and returns that.
 * A probe that throws counts as "not yet"; its last error is the `cause` of the time-out.
 */
export const until = async <T>(
  probe: () => T | Falsy | Promise<T | Falsy>,
  { timeoutMs = timeoutMsDefault, what }: UntilOptions,
): Promise<T> => {
  const startedMs = performance.now()
  let lastError: unknown
  for (let intervalMs = intervalMsMin; ; intervalMs = Math.min(intervalMs * 1.5, intervalMsMax)) {
    try {
      const found = await probe()
      if (found !== undefined && found !== null && found !== false) return found
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    const elapsedMs = performance.now() - startedMs
    if (elapsedMs >= timeoutMs) {
      const last = lastError instanceof Error ? `; last error: ${lastError.message}` : ''
      throw new Error(`waited ${Math.round(elapsedMs)} ms in vain for ${what}${last}`, { cause: lastError })
    }
    await pause(Math.min(intervalMs, timeoutMs - elapsedMs))
  }
}
