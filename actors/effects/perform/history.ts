/**
 * Performs History over an append stream: one message a batch of lines, kept so that an app's last lines are
 * always there.
 *
 * The lines of an app are numbered in their order, for good: a batch says the number of its first, so that
 * whoever reads on later knows how many lines it did not get to see. A batch is stored behind the one that
 * was the last when it was numbered, or not at all; so a number is never given twice, whoever appends. It
 * also says up to where its sources are stored by then: what is brought again is known, by whomever
 * (account.ts).
 *
 * Batches differ in size, so the bound on lines is kept here: what stands before the last `historyLinesMax`
 * lines is trimmed, seldom, once it is as much again. How many lines a batch has is remembered for the apps
 * that log now.
 */
import type { Effects } from '../../../src/ports/effects.ts'
import { StoreConflict } from '../../../src/ports/store.ts'
import type { Stream } from '../../../src/ports/stream.ts'
import { marked, merged, unstored, type Mark } from '../../logplex/account.ts'
import { headOf, packBatch } from '../../logplex/packed.ts'
import type { Part } from '../../protocols/channel.ts'
import type { StoredBatch } from '../../protocols/log-batch.ts'
import { asEffectFailure } from './names.ts'

/** Heroku keeps 1,500 lines an app for a week (devcenter "Logging"). */
export const historyLinesMax = 1_500

/** A batch in the stream, but for its lines. */
type Kept = Numbered & { readonly sequence: number }
type Numbered = { readonly first: number; readonly count: number }
/** The batches of an app, oldest first, and up to where its sources are stored. */
type Known = { readonly batches: Kept[]; readonly marks: Map<string, Mark> }

const appsRemembered = 10_000
const trimAtLines = 2 * historyLinesMax
const triesMax = 5

export const performHistory = (stream: Stream): Effects => {
  const known = new Map<string, Known>()

  const remember = async (appId: string): Promise<Known> => {
    const found = known.get(appId)
    if (found !== undefined) return found
    const marks = new Map<string, Mark>()
    const batches = (await stream.read(appId)).map(({ sequence, bytes }) => {
      const { first, count, untilUs, marks: its } = headOf(bytes)
      marked(marks, its, untilUs)
      return { sequence, first, count }
    })
    const [oldest] = known.keys()
    if (known.size >= appsRemembered && oldest !== undefined) known.delete(oldest)
    known.set(appId, { batches, marks })
    return { batches, marks }
  }

  const trim = async (appId: string, batches: Kept[]): Promise<void> => {
    const [oldest, newest] = [batches[0], batches.at(-1)]
    if (oldest === undefined || newest === undefined || !isLong(oldest, newest)) return
    const end = endOf(newest)
    const from = batches.findIndex((batch) => end - endOf(batch) < historyLinesMax)
    const first = batches[from]
    if (first === undefined) return
    // What is not trimmed now is trimmed with the next batch.
    await stream.trim(appId, first.sequence).then(
      () => batches.splice(0, from),
      () => undefined,
    )
  }

  const append = async (appId: string, parts: readonly Part[]): Promise<StoredBatch | null> => {
    const own = await remember(appId)
    const last = own.batches.at(-1)
    const isWhole = (own.batches[0]?.first ?? 0) === 0
    const { lines, marks } = unstored(own.marks, isWhole, parts)
    if (lines.length === 0) return null
    const made = { first: endOf(last), count: lines.length }
    // What is cut now takes the marks in it along: this one has them all.
    const all = isLong(own.batches[0] ?? made, made) ? merged(own.marks, marks) : marks
    const bytes = packBatch({ first: made.first, lines, marks: all })
    const after = last?.sequence ?? 0
    const sequence = await stream.append(appId, bytes, after)
    own.batches.push({ sequence, ...made })
    marked(own.marks, marks, lines.at(-1)?.atUs ?? 0)
    await trim(appId, own.batches)
    return { sequence, after, ...made, bytes }
  }

  return {
    'history.append': async ({ appId, parts }: { appId: string; parts: readonly Part[] }) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await append(appId, parts)
        } catch (error) {
          // It may have been stored: whoever tries again looks.
          known.delete(appId)
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
          const { first, count } = headOf(bytes)
          return { sequence, after: messages[at - 1]?.sequence ?? after, first, count, bytes }
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
        const { first, count } = headOf(last.bytes)
        return { sequence: last.sequence, line: first + count }
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
const endOf = (batch: Numbered | undefined): number => (batch === undefined ? 0 : batch.first + batch.count)

const isLong = (oldest: Numbered, newest: Numbered): boolean => endOf(newest) - oldest.first >= trimAtLines
