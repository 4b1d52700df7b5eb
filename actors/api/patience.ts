/**
 * Patience: an ask that surely nobody handled is asked again for a moment. Ownership is just moving, a host
 * is just gone, or a mailbox is full: whoever called the API should not have to know.
 *
 * An ask whose outcome is unknown is never repeated: it may have been done.
 */
import type { Clock } from '../../src/ports/clock.ts'
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
  async (to, message, options) => {
    const deadline = clock.now() + patienceMs
    for (let waitMs = waitMsMin; ; waitMs = Math.min(waitMsMax, 2 * waitMs)) {
      try {
        return await ask(to, message, options)
      } catch (error) {
        const failure = askFailureOf(error)
        const isPassing = failure?.kind === 'nobody' && passing.has(failure.reason)
        if (!isPassing || clock.now() + waitMs > deadline) throw error
      }
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
    }
  }
