/** A history in memory: what ports/stream.ts promises, for tests that need no server; and its faults. */
import { StoreConflict, StoreUnavailable } from '../../src/ports/store.ts'
import type { Recorded, Stream } from '../../src/ports/stream.ts'

type Follower = { readonly key: string; next: number; readonly give: (message: Recorded) => void }

export type MemoryStream = Stream & {
  /** Reads fail. */
  away: boolean
  /** Followers get nothing until it is false again, and then what is still there. */
  held: boolean
  readonly reads: () => number
  readonly followers: () => number
}

export const memoryStream = (): MemoryStream => {
  const kept = new Map<string, Recorded[]>()
  const followers = new Set<Follower>()
  let sequence = 0
  let reads = 0
  let held = false
  const of = (key: string): Recorded[] => kept.get(key) ?? []
  const give = (follower: Follower): void => {
    for (const message of of(follower.key)) {
      if (held || !followers.has(follower)) return
      if (message.sequence < follower.next) continue
      follower.next = message.sequence + 1
      follower.give(message)
    }
  }
  return {
    away: false,
    get held() {
      return held
    },
    set held(isHeld) {
      held = isHeld
      for (const follower of followers) give(follower)
    },
    life: () => 0,
    reads: () => reads,
    followers: () => followers.size,
    async append(key, bytes, after) {
      if (after !== undefined && after !== (of(key).at(-1)?.sequence ?? 0)) throw new StoreConflict(key)
      // Other keys' messages lie between.
      sequence += 2
      kept.set(key, [...of(key), { sequence, bytes }])
      for (const follower of followers) if (follower.key === key) give(follower)
      return sequence
    },
    async read(key, fromSequence = 0) {
      reads += 1
      await Promise.resolve()
      if (this.away) throw new StoreUnavailable(key, 'no')
      return of(key).filter((message) => message.sequence >= fromSequence)
    },
    follow(key, onMessage, fromSequence = (of(key).at(-1)?.sequence ?? 0) + 1) {
      const follower = { key, next: fromSequence, give: onMessage }
      followers.add(follower)
      queueMicrotask(() => give(follower))
      return { close: () => void followers.delete(follower) }
    },
    async trim(key, belowSequence) {
      kept.set(
        key,
        of(key).filter((message) => message.sequence >= belowSequence),
      )
    },
    async remove(key) {
      kept.delete(key)
    },
  }
}
