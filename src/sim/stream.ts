/**
 * A simulated history: one truth for all hosts. An append may fail, or its answer may be lost after it was
 * stored; a store that loses its newest blocks comes back without them.
 */
import { StoreConflict, StoreUnavailable } from '../ports/store.ts'
import type { Recorded, Stream } from '../ports/stream.ts'
import type { Clock } from '../ports/clock.ts'
import type { SeededRandom } from './random.ts'

/** Probabilities in [0, 1]. */
export type StreamFaults = {
  /** No answer, nothing done. */
  readonly fail: number
  /** No answer to an append; done or not with equal chance. */
  readonly unknown: number
  readonly latencyMsMax: number
}
type Stored = Recorded & { readonly key: string; readonly atMs: number }

export type SimStream = {
  /** A client for one life of a host, by whose clock it waits. */
  attach(clock: Clock, faults: () => StreamFaults): Stream
  /** Undoes what was appended in the last so many ms. */
  rollback(ms: number): void
  /** Everything that was ever stored under a key and not undone, whatever was trimmed; for checks. */
  truth(key: string): readonly Recorded[]
}

export const simStream = (random: SeededRandom, nowMs: () => number): SimStream => {
  let all: Stored[] = []
  let sequence = 0
  let life = 0
  /** By key: what stands before it was forgotten. */
  const floors = new Map<string, number>()
  const kept = (key: string): readonly Stored[] =>
    all.filter((one) => one.key === key && one.sequence >= (floors.get(key) ?? 0))

  const attach = (clock: Clock, faults: () => StreamFaults): Stream => {
    const soon = async (isWrite: boolean): Promise<void> => {
      const { fail, latencyMsMax } = faults()
      await new Promise<void>((resolve) => void clock.after((random.next() * latencyMsMax) / 2, resolve))
      if (random.chance(fail)) throw new StoreUnavailable('away', isWrite ? 'unknown' : 'no')
    }
    return {
      life: () => life,
      append: async (key, bytes, after) => {
        await soon(true)
        const isUnknown = random.chance(faults().unknown)
        if (isUnknown && random.chance(0.5)) throw new StoreUnavailable('no answer', 'unknown')
        const last = kept(key).at(-1)?.sequence ?? 0
        if (after !== undefined && after !== last)
          throw new StoreConflict(`${key} stands at ${last}, not ${after}`)
        const stored = { key, bytes: bytes.slice(), sequence: ++sequence, atMs: nowMs() }
        all.push(stored)
        await soon(true)
        if (isUnknown) throw new StoreUnavailable('no answer', 'unknown')
        return stored.sequence
      },
      read: async (key, fromSequence = 1, bytesMax = Number.POSITIVE_INFINITY) => {
        await soon(false)
        const found: Recorded[] = []
        let bytes = 0
        for (const one of kept(key)) {
          if (one.sequence < fromSequence) continue
          found.push({ sequence: one.sequence, bytes: one.bytes })
          bytes += one.bytes.length
          if (bytes >= bytesMax) break
        }
        return found
      },
      follow: () => {
        throw new Error('nobody tails a simulated history')
      },
      trim: async (key, belowSequence) => {
        await soon(true)
        floors.set(key, belowSequence)
      },
      remove: async (key) => {
        await soon(true)
        floors.set(key, sequence + 1)
      },
    }
  }
  return {
    attach,
    rollback: (ms) => {
      const sinceMs = nowMs() - ms
      life += 1
      all = all.filter(({ atMs }) => atMs <= sinceMs)
      sequence = all.at(-1)?.sequence ?? 0
    },
    truth: (key) => all.filter((one) => one.key === key),
  }
}
