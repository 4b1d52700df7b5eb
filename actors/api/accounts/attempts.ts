/**
 * Attempts: who guesses is slowed down. Wrong passwords are counted for the address that they were tried
 * for, wrong tokens for where they came from; in memory (shared-attempts.ts: for all hosts).
 */

export type Attempts = {
  /** How long it must wait before the next attempt; 0: it may be made now. Milliseconds. */
  readonly waitMs: (who: string) => number
  readonly failed: (who: string) => void
  readonly succeeded: (who: string) => void
}

/** The same, as far as others are told of it and tell. */
export type Counted = Attempts & {
  readonly count: (who: string) => number
  /** There are so many, and the last was just now. */
  readonly heard: (who: string, count: number) => void
}

/** So many are free; from then on each doubles the wait. */
const freeAttemptsDefault = 5
/** Tokens that opened nothing, from one address, before it has to wait. */
export const freeGuesses = 10
const waitMsMin = 1_000
const waitMsMax = 15 * 60_000
const forgetMs = 60 * 60_000
const whoMax = 10_000

/** @param now wall clock. @param freeAttempts so many cost nothing */
export const createAttempts = (now: () => number, freeAttempts = freeAttemptsDefault): Counted => {
  const failures = new Map<string, { readonly count: number; readonly at: number }>()
  const waitOf = (count: number): number =>
    count < freeAttempts ? 0 : Math.min(waitMsMax, waitMsMin * 2 ** (count - freeAttempts))
  const countOf = (who: string): number => {
    const last = failures.get(who)
    return last === undefined || now() - last.at > forgetMs ? 0 : last.count
  }
  const heard = (who: string, count: number): void => {
    failures.delete(who)
    failures.set(who, { count, at: now() })
    if (failures.size <= whoMax) return
    // Many at once: to find the oldest takes as long as were removed before it.
    let surplus = whoMax / 10
    for (const oldest of failures.keys()) {
      failures.delete(oldest)
      surplus -= 1
      if (surplus <= 0) return
    }
  }
  return {
    count: countOf,
    heard,
    waitMs(who) {
      const last = failures.get(who)
      return last === undefined ? 0 : Math.max(0, last.at + waitOf(last.count) - now())
    },
    failed: (who) => heard(who, countOf(who) + 1),
    succeeded: (who) => void failures.delete(who),
  }
}
