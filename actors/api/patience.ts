/**
 * Patience: an ask that surely nobody handled, and a read that the store could not answer, are tried again
 * for a moment. Ownership is just moving, a host is just gone, the record is choosing a leader: whoever
 * called the API should not have to know.
 *
 * An ask whose outcome is unknown is never repeated, nor is a write: it may have been done.
 */
import type { Clock } from '../../src/ports/clock.ts'
import type { Trail } from '../../src/ports/trail.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import type { Edge } from './edge.ts'
import { askFailureOf } from './errors.ts'

/** Less than the 30 s after which clients give up; more than it takes until a lost host is suspected. */
const patienceMs = 8_000
const waitMsMin = 100
const waitMsMax = 1_000

/** What ends by itself; everything else is the same the next time. */
const passing = new Set(['unreachable', 'no_owner', 'too_many_hops', 'mailbox_full', 'stopped', 'noproc'])

export const patient =
  (clock: Clock, ask: Edge['ask']): Edge['ask'] =>
  (to, message, options) =>
    patiently(
      clock,
      () => ask(to, message, options),
      (error) => {
        const failure = askFailureOf(error)
        return failure?.kind === 'nobody' && passing.has(failure.reason)
      },
    )

export const patientReads = (clock: Clock, store: Store): Store => {
  const again = <T>(read: () => Promise<T>): Promise<T> =>
    patiently(clock, read, (error) => error instanceof StoreUnavailable)
  return {
    ...store,
    get: (key) => again(() => store.get(key)),
    list: (prefix) => again(() => store.list(prefix)),
  }
}

/** A line of the trail that is in it twice says the same: whether it was written need not be known. */
export const patientTrail = (clock: Clock, trail: Trail): Trail => ({
  ...trail,
  add: (key, bytes) =>
    patiently(
      clock,
      () => trail.add(key, bytes),
      (error) => error instanceof StoreUnavailable,
    ),
  addOnce: (key, bytes, id) =>
    patiently(
      clock,
      () => trail.addOnce(key, bytes, id),
      (error) => error instanceof StoreUnavailable,
    ),
})

const patiently = async <T>(
  clock: Clock,
  work: () => Promise<T>,
  isPassing: (error: unknown) => boolean,
): Promise<T> => {
  const deadline = clock.now() + patienceMs
  for (let waitMs = waitMsMin; ; waitMs = Math.min(waitMsMax, 2 * waitMs)) {
    try {
      return await work()
    } catch (error) {
      if (!isPassing(error) || clock.now() + waitMs > deadline) throw error
    }
    await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
  }
}
