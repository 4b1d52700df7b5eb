/**
 * A mailbox: two bounded lanes, and an exact account of what did not fit. Pure.
 *
 * The system lane (downs, timers, results, answers) goes first and is bounded by what the actor itself asked
 * for; the user lane is bounded by its declared capacity, with the declared overflow:
 *
 *   reject           the newcomer is turned away
 *   drop-oldest      the oldest goes
 *   latest-per-key   a message of a key that waits takes its place (nothing is lost); full: the oldest goes
 */
import type { Overflow } from './actor.ts'
import { Ring } from './ring.ts'

export class Mailbox<T> {
  readonly #system = new Ring<T>()
  readonly #user = new Ring<T>()
  readonly #capacity: number
  readonly #overflow: Overflow
  readonly #keyOf: ((item: T) => string | undefined) | undefined
  /** Where the waiting message of a key stands. */
  readonly #places: Map<string, number> | undefined
  #lostCount = 0
  #lostSinceMs = 0

  constructor(capacity: number, overflow: Overflow, keyOf?: (item: T) => string | undefined) {
    this.#capacity = capacity
    this.#overflow = overflow
    this.#keyOf = overflow === 'latest-per-key' ? keyOf : undefined
    this.#places = this.#keyOf === undefined ? undefined : new Map()
  }

  get size(): number {
    return this.#system.size + this.#user.size
  }
  get userSize(): number {
    return this.#user.size
  }
  get lostCount(): number {
    return this.#lostCount
  }

  /**
   * Queues a message.
   * @returns what did not stay: undefined, the message itself (rejected), an older one (dropped or
   * superseded)
   */
  offer(item: T, nowMs: () => number): T | undefined {
    const key = this.#keyOf?.(item)
    if (key !== undefined) {
      const place = this.#places?.get(key)
      if (place !== undefined) return this.#user.replace(place, item)
    }
    if (this.#user.size < this.#capacity) {
      this.#place(key, this.#user.push(item))
      return undefined
    }
    if (this.#lostCount === 0) this.#lostSinceMs = nowMs()
    this.#lostCount += 1
    if (this.#overflow === 'reject') return item
    const oldest = this.takeUser()
    this.#place(key, this.#user.push(item))
    return oldest
  }

  /** Queues in the system lane, which goes first. */
  offerSystem(item: T): void {
    this.#system.push(item)
  }

  /** The next one: system lane first, each lane in order. */
  take(): T | undefined {
    return this.#system.size > 0 ? this.#system.shift() : this.takeUser()
  }

  takeUser(): T | undefined {
    if (this.#places === undefined) return this.#user.shift()
    const sequence = this.#user.first
    const item = this.#user.shift()
    if (item !== undefined) {
      const key = this.#keyOf?.(item)
      if (key !== undefined && this.#places.get(key) === sequence) this.#places.delete(key)
    }
    return item
  }

  /** What was lost since this was last called; undefined when nothing was. */
  takeLosses(): { readonly count: number; readonly sinceMs: number } | undefined {
    if (this.#lostCount === 0) return undefined
    const losses = { count: this.#lostCount, sinceMs: this.#lostSinceMs }
    this.#lostCount = 0
    return losses
  }

  #place(key: string | undefined, sequence: number): void {
    if (key !== undefined) this.#places?.set(key, sequence)
  }
}
