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
 * lines is trimmed, seldom, once it is as much again. Where to cut is remembered for the apps that log now,
 * to some lines: one that says a line at a time has as many batches as lines.
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

type Numbered = { readonly first: number; readonly count: number }
/** Batches that follow each other, but for their lines; `sequence` is that of the first. */
type Stretch = Numbered & { readonly sequence: number }
/** What is known of an app's history, oldest first, and up to where its sources are stored. */
type Known = {
  /** Of the stream, when it was read. */
  readonly life: number
  readonly stretches: Stretch[]
  readonly marks: Map<string, Mark>
  /** The last batch. */
  last: Stretch | undefined
}

const appsRemembered = 10_000
/** Of all apps. */
const marksRememberedMax = 500_000
const stretchLines = 50
const trimAtLines = 2 * historyLinesMax
const triesMax = 5

const fresh = (life: number): Known => ({ life, stretches: [], marks: new Map(), last: undefined })

const extend = (own: Known, batch: Stretch): void => {
  const { stretches } = own
  const open = stretches.at(-1)
  if (open !== undefined && open.count < stretchLines && endOf(open) === batch.first)
    stretches[stretches.length - 1] = { ...open, count: open.count + batch.count }
  else stretches.push(batch)
  own.last = batch
}

export const performHistory = (stream: Stream, marksRemembered = marksRememberedMax): Effects => {
  /** The app that logged last at the end. */
  const known = new Map<string, Known>()
  let marksAll = 0

  const forget = (appId: string): void => {
    marksAll -= known.get(appId)?.marks.size ?? 0
    known.delete(appId)
  }
  const keep = (appId: string, own: Known): void => {
    forget(appId)
    known.set(appId, own)
    marksAll += own.marks.size
    for (const oldest of known.keys()) {
      if (known.size <= appsRemembered && marksAll <= marksRemembered) return
      forget(oldest)
    }
  }
  const remember = async (appId: string): Promise<Known> => {
    const found = known.get(appId)
    if (found !== undefined && found.life === stream.life()) return found
    const own = fresh(stream.life())
    for (const { sequence, bytes } of await stream.read(appId)) {
      const { first, count, untilUs, marks } = headOf(bytes)
      marked(own.marks, marks, untilUs)
      extend(own, { sequence, first, count })
    }
    keep(appId, own)
    return own
  }

  const trim = async (appId: string, { stretches, last }: Known): Promise<void> => {
    const [oldest] = stretches
    if (oldest === undefined || last === undefined || !isLong(oldest, last)) return
    const end = endOf(last)
    const from = stretches.findIndex((stretch) => end - endOf(stretch) < historyLinesMax)
    const first = stretches[from]
    if (first === undefined) return
    // What is not trimmed now is trimmed with the next batch.
    await stream.trim(appId, first.sequence).then(
      () => stretches.splice(0, from),
      () => undefined,
    )
  }

  const append = async (appId: string, parts: readonly Part[]): Promise<StoredBatch | null> => {
    const own = await remember(appId)
    const { stretches, last } = own
    const isWhole = (stretches[0]?.first ?? 0) === 0
    const { lines, marks } = unstored(own.marks, isWhole, parts)
    if (lines.length === 0) return null
    const made = { first: endOf(last), count: lines.length }
    // What is cut now takes the marks in it along: this one has them all.
    const all = isLong(stretches[0] ?? made, made) ? merged(own.marks, marks) : marks
    const bytes = packBatch({ first: made.first, lines, marks: all })
    const after = last?.sequence ?? 0
    const sequence = await stream.append(appId, bytes, after)
    forget(appId)
    extend(own, { sequence, ...made })
    marked(own.marks, marks, lines.at(-1)?.atUs ?? 0)
    keep(appId, own)
    await trim(appId, own)
    return { sequence, after, ...made, bytes }
  }

  return {
    'history.append': async ({ appId, parts }: { appId: string; parts: readonly Part[] }) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await append(appId, parts)
        } catch (error) {
          // It may have been stored: whoever tries again looks.
          forget(appId)
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
      forget(appId)
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
