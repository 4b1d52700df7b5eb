/**
 * The simulated record: one truth for all hosts, reached through faults. Writes take time; an answer may be
 * lost after the write was applied (`unknown`), the store or only its leader may be away, a read may be
 * stale, a compare-and-set may lose for no visible reason.
 */
import { StoreConflict, StoreUnavailable, type Entry, type Store } from '../ports/store.ts'
import type { VirtualClock } from './clock.ts'
import { createGate, type Gate } from './gate.ts'
import type { SeededRandom } from './random.ts'
import { sumOf, type Trace } from './trace.ts'

export type StoreFaults = {
  readonly latencyMsMin: number
  readonly latencyMsMax: number
  /** No answer, nothing done. */
  readonly unavailable: number
  /** No answer; done or not with equal chance. */
  readonly unknown: number
  /** An older value of the key is read. */
  readonly stale: number
  /** A write is refused as if somebody else had been first. */
  readonly conflict: number
}
export const calmStore: StoreFaults = {
  latencyMsMin: 0.2,
  latencyMsMax: 1,
  unavailable: 0,
  unknown: 0,
  stale: 0,
  conflict: 0,
}

export type SimStore = {
  /** A client for one life of a host. */
  attach(host: string, gate?: Gate): Store & { end(): void }
  faults(faults: StoreFaults): void
  /** Away altogether: every call fails until it is back. */
  away(isAway: boolean): void
  /** The leader is away: writes and reads through it fail, `peek` still finds what was there. */
  writesAway(isAway: boolean): void
  /** Hosts that do not reach the record now. */
  cutOff(hosts: ReadonlySet<string>): void
  /**
   * Undoes what was written in the last so many ms, revisions too, as a store that lost its newest blocks.
   */
  rollback(ms: number): void
  /** Is told of each change as it stands in the truth; undefined: removed. */
  watch(seen: (key: string, entry: Entry | undefined) => void): void
  /** The truth, for checks after a run. */
  truth(prefix: string): readonly Entry[]
  /** The truth of one key. */
  peek(key: string): Entry | undefined
}

/** What a key held before a change. */
type Change = {
  readonly atMs: number
  readonly key: string
  readonly before: Entry | undefined
  readonly revision: number
}
const journalMax = 10_000

export const simStore = (clock: VirtualClock, random: SeededRandom, trace: Trace): SimStore => {
  const entries = new Map<string, Entry>()
  const previous = new Map<string, Entry | undefined>()
  let revision = 0
  let faults = calmStore
  let isAway = false
  let isLeaderAway = false
  let lost: ReadonlySet<string> = new Set()
  let journal: Change[] = []
  const watchers: ((key: string, entry: Entry | undefined) => void)[] = []
  const tell = (key: string): void => {
    for (const seen of watchers) seen(key, entries.get(key))
  }
  const note = (key: string): void => {
    journal.push({ atMs: clock.monotonicMs(), key, before: entries.get(key), revision })
    if (journal.length > 2 * journalMax) journal = journal.slice(-journalMax)
  }

  const write = (key: string, value: Uint8Array): number => {
    note(key)
    previous.set(key, entries.get(key))
    revision++
    entries.set(key, { key, value: value.slice(), revision })
    trace.add(clock.monotonicMs(), `store ${key} ${revision}`, sumOf(value))
    tell(key)
    return revision
  }

  const attach = (host: string, gate = createGate()): Store & { end(): void } => {
    let alive = true
    /** Applies at a moment between call and answer; the answer never comes to a host that is gone. */
    const call = <T>(apply: () => T, isWrite: boolean, isPeek = false): Promise<T> =>
      new Promise((resolve, reject) => {
        const latencyMs = () =>
          (faults.latencyMsMin + random.next() * (faults.latencyMsMax - faults.latencyMsMin)) / 2
        const answer = (settle: () => void) => clock.after(latencyMs(), () => alive && gate.pass(settle))
        clock.after(latencyMs(), () => {
          if (isAway || lost.has(host) || (isLeaderAway && !isPeek) || random.chance(faults.unavailable))
            return answer(() =>
              reject(new StoreUnavailable(`store away for ${host}`, isWrite ? 'unknown' : 'no')),
            )
          const unknown = random.chance(faults.unknown)
          if (unknown && random.chance(0.5))
            return answer(() =>
              reject(new StoreUnavailable(`no answer for ${host}`, isWrite ? 'unknown' : 'no')),
            )
          try {
            const result = apply()
            if (unknown)
              answer(() => reject(new StoreUnavailable(`no answer for ${host}`, isWrite ? 'unknown' : 'no')))
            else answer(() => resolve(result))
          } catch (error) {
            const refused = error instanceof Error ? error : new Error('store', { cause: error })
            answer(() => reject(refused))
          }
          return undefined
        })
      })
    const conflictByChance = (): void => {
      if (random.chance(faults.conflict)) throw new StoreConflict('conflict by chance')
    }
    const read = (key: string): Entry | undefined =>
      random.chance(faults.stale) ? (previous.get(key) ?? entries.get(key)) : entries.get(key)
    return {
      get: (key) => call(() => read(key), false),
      peek: (key) => call(() => read(key), false, true),
      create: (key, value) =>
        call(() => {
          conflictByChance()
          if (entries.has(key)) throw new StoreConflict(`${key} exists`)
          return write(key, value)
        }, true),
      update: (key, value, expected) =>
        call(() => {
          conflictByChance()
          const found = entries.get(key)?.revision
          if (found !== expected) throw new StoreConflict(`${key} stands at ${found}, not ${expected}`)
          return write(key, value)
        }, true),
      remove: (key, expected) =>
        call(() => {
          const found = entries.get(key)
          if (found === undefined) return
          if (expected !== undefined && found.revision !== expected)
            throw new StoreConflict(`${key} stands at ${found.revision}, not ${expected}`)
          note(key)
          previous.set(key, found)
          entries.delete(key)
          trace.add(clock.monotonicMs(), `store ${key} removed`)
          tell(key)
        }, true),
      list: (prefix) => call(() => truth(prefix), false),
      end: () => {
        alive = false
      },
    }
  }
  const truth = (prefix: string): readonly Entry[] =>
    [...entries.values()].filter((entry) => entry.key.startsWith(prefix))

  return {
    attach,
    faults: (next) => {
      faults = next
    },
    away: (value) => {
      isAway = value
    },
    writesAway: (value) => {
      isLeaderAway = value
    },
    cutOff: (hosts) => {
      lost = hosts
    },
    rollback: (ms) => {
      const sinceMs = clock.monotonicMs() - ms
      for (let last = journal.at(-1); last !== undefined && last.atMs > sinceMs; last = journal.at(-1)) {
        if (last.before === undefined) entries.delete(last.key)
        else entries.set(last.key, last.before)
        revision = last.revision
        journal.pop()
        tell(last.key)
      }
      previous.clear()
      trace.add(clock.monotonicMs(), `store back to ${revision}`)
    },
    watch: (seen) => void watchers.push(seen),
    truth,
    peek: (key) => entries.get(key),
  }
}
