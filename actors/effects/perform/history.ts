/**
 * Performs History over an append stream: one message a batch of lines, kept so that an app's last lines are
 * always there.
 *
 * Batches differ in size, so the bound on lines is kept here: what stands before the last `historyLinesMax`
 * lines is trimmed, seldom, once it is as much again. How many lines a batch has is remembered for the apps
 * that log now.
 */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Stream } from '../../../src/ports/stream.ts'
import { decode, encode } from '../../../src/runtime/codec.ts'
import type { Line } from '../../protocols/channel.ts'
import { asEffectFailure } from './names.ts'

/** Heroku keeps 1,500 lines an app for a week (devcenter "Logging"). */
export const historyLinesMax = 1_500

type Kept = { readonly batches: { readonly sequence: number; readonly lines: number }[]; lines: number }

const appsRemembered = 10_000
const trimAtLines = 2 * historyLinesMax

export const packLines = (lines: readonly Line[]): Uint8Array => encode(lines)
export const unpackLines = (bytes: Uint8Array): readonly Line[] => decode(bytes) as readonly Line[]

export const performHistory = (stream: Stream): Effects => {
  const known = new Map<string, Kept>()

  const remember = async (appId: string): Promise<Kept> => {
    const found = known.get(appId)
    if (found !== undefined) return found
    const batches = (await stream.read(appId)).map(({ sequence, bytes }) => ({
      sequence,
      lines: unpackLines(bytes).length,
    }))
    const kept = { batches, lines: batches.reduce((sum, batch) => sum + batch.lines, 0) }
    const [oldest] = known.keys()
    if (known.size >= appsRemembered && oldest !== undefined) known.delete(oldest)
    known.set(appId, kept)
    return kept
  }

  const trim = async (appId: string, kept: Kept): Promise<void> => {
    if (kept.lines < trimAtLines) return
    let first = kept.batches[0]
    while (first !== undefined && kept.lines - first.lines >= historyLinesMax) {
      kept.lines -= first.lines
      kept.batches.shift()
      first = kept.batches[0]
    }
    if (first !== undefined) await stream.trim(appId, first.sequence)
  }

  return {
    'history.append': async ({ appId, lines }: { appId: string; lines: readonly Line[] }) => {
      try {
        const kept = await remember(appId)
        const seq = await stream.append(appId, packLines(lines))
        kept.batches.push({ sequence: seq, lines: lines.length })
        kept.lines += lines.length
        await trim(appId, kept)
        return { seq }
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
