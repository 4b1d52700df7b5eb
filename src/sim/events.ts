/**
 * A simulated log of events: one truth for all hosts. An append may fail, or its answer may be lost after it
 * was stored; a store that loses its newest blocks comes back without them.
 */
import { StoreUnavailable } from '../ports/store.ts'
import type { Clock } from '../ports/clock.ts'
import type { EventLog, StoredEvent } from '../ports/events.ts'
import type { SeededRandom } from './random.ts'
import type { StreamFaults } from './stream.ts'

type Stored = StoredEvent & { readonly atMs: number }

export type SimEvents = {
  /** A client for one life of a host, by whose clock it waits. */
  attach(clock: Clock, faults: () => StreamFaults): EventLog
  /** Undoes what was appended in the last so many ms. */
  rollback(ms: number): void
  /** Everything that was stored and not undone, in order. */
  truth(): readonly StoredEvent[]
}

/** As the real one: an id is known for so long. */
const duplicateMs = 600_000

export const simEvents = (random: SeededRandom, nowMs: () => number): SimEvents => {
  let all: Stored[] = []
  let sequence = 0
  const known = (id: string): Stored | undefined =>
    all.find((one) => one.id === id && nowMs() - one.atMs < duplicateMs)

  const attach = (clock: Clock, faults: () => StreamFaults): EventLog => {
    const soon = async (isWrite: boolean): Promise<void> => {
      const { fail, latencyMsMax } = faults()
      await new Promise<void>((resolve) => void clock.after((random.next() * latencyMsMax) / 2, resolve))
      if (random.chance(fail)) throw new StoreUnavailable('away', isWrite ? 'unknown' : 'no')
    }
    return {
      append: async (subject, id, bytes) => {
        await soon(true)
        const isUnknown = random.chance(faults().unknown)
        if (isUnknown && random.chance(0.5)) throw new StoreUnavailable('no answer', 'unknown')
        const stored = known(id) ?? { subject, id, bytes: bytes.slice(), sequence: ++sequence, atMs: nowMs() }
        if (!all.includes(stored)) all.push(stored)
        await soon(true)
        if (isUnknown) throw new StoreUnavailable('no answer', 'unknown')
        return stored.sequence
      },
      last: async (filter) => {
        await soon(false)
        return all.findLast(fits(filter))
      },
      read: async (filter, from, max) => {
        await soon(false)
        const isAfter = (one: Stored): boolean =>
          'atMs' in from ? one.atMs >= from.atMs : one.sequence >= from.sequence
        return all.filter((one) => isAfter(one) && fits(filter)(one)).slice(0, max)
      },
    }
  }
  return {
    attach,
    rollback: (ms) => {
      const sinceMs = nowMs() - ms
      all = all.filter(({ atMs }) => atMs <= sinceMs)
      sequence = all.at(-1)?.sequence ?? 0
    },
    truth: () => all,
  }
}

const fits = (filter: string): ((one: StoredEvent) => boolean) => {
  const words = filter.split('.')
  return ({ subject }) => {
    const found = subject.split('.')
    const isLong = words.at(-1) === '>'
    const [start, count] = isLong ? [words.slice(0, -1), found.length] : [words, words.length]
    return found.length === count && start.every((word, at) => word === '*' || word === found[at])
  }
}
