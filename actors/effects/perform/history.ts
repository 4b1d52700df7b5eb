/**
 * Performs History over an append stream: one message a batch of lines, kept so that an app's last lines are
 * always there.
 *
 * The lines of an app are numbered in their order, for good: a batch says the number of its first, so that
 * whoever reads on later knows how many lines it did not get to see. A batch is stored behind the one that
 * was the last when it was numbered, or not at all; so a number is never given twice, whoever appends.
 *
 * Batches differ in size, so the bound on lines is kept here: what stands before the last `historyLinesMax`
 * lines is trimmed, seldom, once it is as much again. How many lines a batch has is remembered for the apps
 * that log now.
 */
import type { Effects } from '../../../src/ports/effects.ts'
import { StoreConflict, StoreUnavailable } from '../../../src/ports/store.ts'
import type { Stream } from '../../../src/ports/stream.ts'
import { decode, encode } from '../../../src/runtime/codec.ts'
import type { Line } from '../../protocols/channel.ts'
import type { StoredBatch } from '../../protocols/log-batch.ts'
import { asEffectFailure } from './names.ts'

/** Heroku keeps 1,500 lines an app for a week (devcenter "Logging"). */
export const historyLinesMax = 1_500

/** Lines in order, and the number of the first among all of the app's. */
export type Batch = { readonly first: number; readonly lines: readonly Line[] }

/** A batch in the stream, but for its lines. */
type Kept = { readonly sequence: number; readonly first: number; readonly count: number }

const appsRemembered = 10_000
const trimAtLines = 2 * historyLinesMax
const triesMax = 5

export const packBatch = ({ first, lines }: Batch): Uint8Array => encode([first, lines])
export const unpackBatch = (bytes: Uint8Array): Batch => {
  const packed = decode(bytes) as readonly [number, readonly Line[]] | readonly Line[]
  // Batches of before lines had numbers are lines alone; they go within a week.
  return isNumbered(packed) ? { first: packed[0], lines: packed[1] } : { first: 0, lines: packed }
}
const isNumbered = (packed: readonly unknown[]): packed is readonly [number, readonly Line[]] =>
  typeof packed[0] === 'number'

export const performHistory = (stream: Stream): Effects => {
  /** The batches of an app, oldest first. */
  const known = new Map<string, Kept[]>()
  /** Apps of which it is not known whether the last append came to be. */
  const inDoubt = new Set<string>()

  const remember = async (appId: string): Promise<Kept[]> => {
    const found = known.get(appId)
    if (found !== undefined) return found
    const batches = (await stream.read(appId)).map(({ sequence, bytes }) => {
      const { first, lines } = unpackBatch(bytes)
      return { sequence, first, count: lines.length }
    })
    const [oldest] = known.keys()
    if (known.size >= appsRemembered && oldest !== undefined) known.delete(oldest)
    known.set(appId, batches)
    return batches
  }

  const trim = async (appId: string, batches: Kept[]): Promise<void> => {
    const end = endOf(batches.at(-1))
    if (end - (batches[0]?.first ?? end) < trimAtLines) return
    const from = batches.findIndex((batch) => end - endOf(batch) < historyLinesMax)
    const first = batches[from]
    if (first === undefined) return
    // What is not trimmed now is trimmed with the next batch.
    await stream.trim(appId, first.sequence).then(
      () => batches.splice(0, from),
      () => undefined,
    )
  }

  /** The same lines stored already, by an append whose answer was lost. */
  const storedBefore = async (
    appId: string,
    batches: readonly Kept[],
    lines: readonly Line[],
  ): Promise<StoredBatch | undefined> => {
    const last = batches.at(-1)
    if (last === undefined || !inDoubt.has(appId)) return undefined
    const bytes = packBatch({ first: last.first, lines })
    const [stored] = await stream.read(appId, last.sequence)
    if (stored === undefined || Buffer.compare(stored.bytes, bytes) !== 0) return undefined
    return { ...last, after: batches.at(-2)?.sequence ?? 0, bytes }
  }

  const append = async (appId: string, lines: readonly Line[]): Promise<StoredBatch> => {
    const batches = await remember(appId)
    const last = batches.at(-1)
    const before = await storedBefore(appId, batches, lines)
    if (before !== undefined) return before
    const made = { first: endOf(last), count: lines.length }
    const bytes = packBatch({ first: made.first, lines })
    const after = last?.sequence ?? 0
    const sequence = await stream.append(appId, bytes, after)
    batches.push({ sequence, ...made })
    await trim(appId, batches)
    return { sequence, after, ...made, bytes }
  }

  return {
    'history.append': async ({ appId, lines }: { appId: string; lines: readonly Line[] }) => {
      for (let tries = 1; ; tries += 1) {
        try {
          const stored = await append(appId, lines)
          inDoubt.delete(appId)
          return stored
        } catch (error) {
          known.delete(appId)
          if (error instanceof StoreUnavailable && error.applied === 'unknown') inDoubt.add(appId)
          // Somebody else's batch came between: this one is numbered anew.
          if (!(error instanceof StoreConflict) || tries === triesMax) throw asEffectFailure(error)
        }
      }
    },
    'history.read': async ({
      appId,
      after,
      bytesMax,
    }: {
      appId: string
      after: number
      bytesMax: number
    }) => {
      try {
        const messages = await stream.read(appId, after + 1, bytesMax)
        const batches = messages.map(({ sequence, bytes }, at): StoredBatch => {
          const { first, lines } = unpackBatch(bytes)
          return { sequence, after: messages[at - 1]?.sequence ?? after, first, count: lines.length, bytes }
        })
        return { batches }
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
    'history.end': async ({ appId }: { appId: string }) => {
      try {
        // Read anew: whoever appends may be on another host.
        const last = (await stream.read(appId)).at(-1)
        if (last === undefined) return { sequence: 0, line: 0 }
        const { first, lines } = unpackBatch(last.bytes)
        return { sequence: last.sequence, line: first + lines.length }
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
    'history.drop': async ({ appId }: { appId: string }) => {
      known.delete(appId)
      try {
        await stream.remove(appId)
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
  }
}

/** The number of the line behind it. */
const endOf = (batch: Kept | undefined): number => (batch === undefined ? 0 : batch.first + batch.count)
