/**
 * Attempts: who guesses is slowed down. Wrong passwords are counted for the address that they were tried
 * for, wrong tokens for where they came from; in memory, on each host.
 */

export type Attempts = {
  /** How long it must wait before the next attempt; 0: it may be made now. Milliseconds. */
  readonly waitMs: (who: string) => number
  readonly failed: (who: string) => void
  readonly succeeded: (who: string) => void
}

/** So many are free; from then on each doubles the wait. */
const freeAttemptsDefault = 5
const waitMsMin = 1_000
const waitMsMax = 15 * 60_000
const forgetMs = 60 * 60_000
const whoMax = 10_000

/** @param now wall clock. @param freeAttempts so many cost nothing */
export const createAttempts = (now: () => number, freeAttempts = freeAttemptsDefault): Attempts => {
  const failures = new Map<string, { readonly count: number; readonly at: number }>()
  const waitOf = (count: number): number =>
    count < freeAttempts ? 0 : Math.min(waitMsMax, waitMsMin * 2 ** (count - freeAttempts))
  return {
    waitMs(who) {
      const last = failures.get(who)
      return last === undefined ? 0 : Math.max(0, last.at + waitOf(last.count) - now())
    },
    failed(who) {
      const last = failures.get(who)
      const count = last === undefined || now() - last.at > forgetMs ? 1 : last.count + 1
      failures.delete(who)
      failures.set(who, { count, at: now() })
      const [oldest] = failures.keys()
      if (failures.size > whoMax && oldest !== undefined) failures.delete(oldest)
    },
    succeeded: (who) => void failures.delete(who),
  }
}
