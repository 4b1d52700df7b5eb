/**
 * A tail: the kept lines of an app and then those that come, each once, in order, with ids that a reader can
 * resume from.
 *
 * An id names a line for ever: its batch's sequence and its place in the batch. The stream underneath joins
 * history and live without gap or double; filters and counts are applied here.
 */
import type { Stream } from '../../src/ports/stream.ts'
import { historyLinesMax, unpackBatch } from '../effects/perform/history.ts'
import type { Line } from '../protocols/channel.ts'
import { lineMatches, type LineFilter } from './line.ts'

export type TailOptions = {
  readonly appId: string
  /** How many lines of the past, at most `historyLinesMax`. */
  readonly lines: number
  /** Go on with what comes; without it the end comes after the past. */
  readonly tail: boolean
  readonly filter: LineFilter
  /** The last id the reader has: everything after it is given, whatever `lines` says. */
  readonly afterId?: number
}
export type TailReader = {
  readonly onLine: (id: number, line: Line) => void
  readonly onEnd: () => void
  /** The history cannot be read now (L15). */
  readonly onFailure: (reason: string) => void
}
export type Tail = { readonly close: () => void }

/** More than any batch has lines. */
const linesPerBatch = 1_024

type Numbered = { readonly id: number; readonly line: Line }

const numbered = (sequence: number, bytes: Uint8Array): readonly Numbered[] =>
  unpackBatch(bytes).lines.map((line, index) => ({ id: sequence * linesPerBatch + index, line }))

export const openTail = (stream: Stream, options: TailOptions, reader: TailReader): Tail => {
  let isOpen = true
  let following: Tail | undefined

  const begin = async (): Promise<void> => {
    const past = await stream.read(options.appId)
    if (!isOpen) return
    const kept = past.flatMap(({ sequence, bytes }) => numbered(sequence, bytes)).slice(-historyLinesMax)
    const wanted = kept.filter(({ line }) => lineMatches(line, options.filter))
    const { afterId } = options
    const given =
      afterId !== undefined
        ? wanted.filter(({ id }) => id > afterId)
        : wanted.slice(wanted.length - Math.min(options.lines, wanted.length))
    for (const { id, line } of given) reader.onLine(id, line)
    if (!options.tail) return reader.onEnd()
    const last = past.at(-1)?.sequence ?? 0
    following = stream.follow(
      options.appId,
      ({ sequence, bytes }) => {
        if (!isOpen) return
        for (const { id, line } of numbered(sequence, bytes))
          if (id > (afterId ?? 0) && lineMatches(line, options.filter)) reader.onLine(id, line)
      },
      last + 1,
    )
  }

  begin().catch((error: unknown) => {
    if (isOpen) reader.onFailure(error instanceof Error ? error.message : 'the history cannot be read')
  })
  return {
    close: () => {
      isOpen = false
      following?.close()
    },
  }
}
