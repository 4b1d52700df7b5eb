/**
 * Telling that an app is used which sleeps while it is not: seldom while it is awake, at once and again when
 * it sleeps, for a word may be lost.
 */
import type { Route } from '../protocols/shapes.ts'

export type Use = {
  /** A request came for it. */
  of(route: Route): void
}
export type UseDeps = {
  readonly tell: (appId: string) => void
  /** Whether requests wait for it, and it still sleeps. */
  readonly isAwaited: (appId: string) => boolean
  readonly now: () => number
  readonly after: (ms: number, run: () => void) => void
  readonly usedEveryMs: number
}

const wakeEveryMs = 1_000
/** Apps of which it is known when they were told of; the one told of longest ago goes first. */
const knownMax = 10_000

export const createUse = ({ tell, isAwaited, now, after, usedEveryMs }: UseDeps): Use => {
  const told = new Map<string, number>()

  const say = (appId: string): void => {
    told.delete(appId)
    told.set(appId, now())
    if (told.size > knownMax) told.delete(told.keys().next().value!)
    tell(appId)
  }

  const wake = (appId: string): void => {
    say(appId)
    after(wakeEveryMs, () => {
      if (isAwaited(appId)) wake(appId)
    })
  }

  return {
    of: ({ appId, idles }) => {
      const saidMs = now() - (told.get(appId) ?? Number.NEGATIVE_INFINITY)
      if (idles === 'asleep') {
        if (saidMs >= wakeEveryMs) wake(appId)
      } else if (saidMs >= usedEveryMs) say(appId)
    },
  }
}
