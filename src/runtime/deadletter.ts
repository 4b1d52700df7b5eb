/**
 * Where messages go that nobody took: counted by reason, sampled to the log, and a few kept to be looked at.
 *
 * Only addresses and types are kept, never bodies: those may hold secrets.
 */
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Limits } from './limits.ts'
import { Ring } from './ring.ts'

/**
 * noproc: no such actor. stopped: it ended with the message still queued. expired: an ask past its deadline,
 * dropped unread. late_reply, late_answer, late_result: nobody waits any more.
 * superseded: an ask replaced by a newer one of its key.
 */
export type DeadReason =
  | 'noproc'
  | 'stopped'
  | 'mailbox_full'
  | 'superseded'
  | 'expired'
  | 'unreachable'
  | 'no_owner'
  | 'too_many_hops'
  | 'too_many_active'
  | 'too_large'
  | 'malformed'
  | 'unknown_type'
  | 'unknown_version'
  | 'late_reply'
  | 'late_answer'
  | 'late_result'
  | 'record_unreadable'

export type DeadLetter = {
  readonly reason: DeadReason
  readonly to: string
  readonly type: string
  /** For `malformed`: where in the body. */
  readonly path?: string
}

export class DeadLetters {
  readonly #counts = new Map<DeadReason, number>()
  readonly #loggedMs = new Map<DeadReason, number>()
  readonly #kept = new Ring<DeadLetter>()
  readonly #clock: Clock
  readonly #log: Log
  readonly #limits: Limits

  constructor(clock: Clock, log: Log, limits: Limits) {
    this.#clock = clock
    this.#log = log
    this.#limits = limits
  }

  add(letter: DeadLetter): void {
    const count = (this.#counts.get(letter.reason) ?? 0) + 1
    this.#counts.set(letter.reason, count)
    if (this.#kept.size >= this.#limits.deadLettersKept) this.#kept.shift()
    this.#kept.push(letter)
    const nowMs = this.#clock.monotonicMs()
    const loggedMs = this.#loggedMs.get(letter.reason)
    if (loggedMs !== undefined && nowMs - loggedMs < this.#limits.deadLetterLogMs) return
    this.#loggedMs.set(letter.reason, nowMs)
    this.#log({
      at: 'dead_letter',
      reason: letter.reason,
      to: letter.to,
      type: letter.type,
      path: letter.path,
      count,
    })
  }

  /** How many of each reason, since the node was made. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** The last ones, oldest first. */
  recent(): readonly DeadLetter[] {
    const all: DeadLetter[] = []
    for (let i = this.#kept.size; i > 0; i -= 1) {
      const letter = this.#kept.shift()
      if (letter === undefined) break
      all.push(letter)
      this.#kept.push(letter)
    }
    return all
  }
}
