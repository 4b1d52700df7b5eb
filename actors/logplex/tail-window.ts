/**
 * Tail window: the newest lines of an app, in memory while somebody reads them, in order, ready to be sent.
 *
 * Each has a place, which grows for good. Where the history lost lines before they could be read, that has a
 * place of its own. Readers are places in it: what is kept for one is a number.
 */
import { historyLinesMax } from '../effects/perform/history.ts'
import type { Batch } from './packed.ts'
import { lineMatches, type LineFilter } from './line.ts'
import { isBehind, told, type Cursor, type Form, type Told } from './tail-line.ts'

type Entry = Cursor &
  Told & {
    readonly source: string
    readonly process: string
    /** Lines that are missing here; 0: it is a line itself. */
    readonly missing: number
  }

/** What a reader may not get any more; `last` is the last of it. */
export type Missed = {
  readonly count: number
  readonly sinceUs: number
  /** False: some of them may not have been for this reader. */
  readonly isExact: boolean
  readonly last: Cursor
}

export type Piece = {
  readonly bytes: Buffer
  /** Where to go on. */
  readonly next: number
}

export type TailWindow = {
  readonly start: () => number
  readonly end: () => number
  readonly bytes: () => number
  /** Behind what stands there. Sequences grow. */
  readonly append: (sequence: number, batch: Batch) => void
  /** Where it would begin, were it as small as it may be. @param bytesMax of what it holds */
  readonly bound: (bytesMax: number) => number
  readonly forget: (before: number) => void
  /** Where to begin for the last so many lines of the filter; `isCut`: there were more, not long ago. */
  readonly last: (lines: number, filter: LineFilter) => { readonly place: number; readonly isCut: boolean }
  /** Where to go on behind a line, and what is missing before that. */
  readonly behind: (
    cursor: Cursor,
    filter: LineFilter,
  ) => { readonly place: number; readonly missed: Missed | undefined }
  /** What a reader does not get that goes on at `to`. */
  readonly missed: (from: number, to: number, filter: LineFilter) => Missed | undefined
  /** Lines from a place on, some at a time; none where lines are missing. Made once for all who want it. */
  readonly piece: (from: number, to: number, filter: LineFilter, form: Form) => Piece
  /** Nobody wants the same pieces any more. */
  readonly rest: () => void
}

/** The most that the history has of an app. */
const linesMax = 2 * historyLinesMax
const pieceBytesMax = 64 * 1024
/** Pieces that several readers may want; those that are far behind are alone. */
const piecesKept = 16
/** Of objects around a line. */
const entryBytes = 256
const nothing = Buffer.alloc(0)

const hasFilter = ({ source, process }: LineFilter): boolean => source !== undefined || process !== undefined

export const tailWindow = (): TailWindow => {
  let entries: Entry[] = []
  let start = 0
  let bytes = 0
  let isCut = false
  const pieces = new Map<string, Piece>()
  const end = (): number => start + entries.length
  const sizeOf = ({ events }: Entry): number => events.length + entryBytes
  const push = (entry: Entry): void => {
    entries.push(entry)
    bytes += sizeOf(entry)
  }

  const missed: TailWindow['missed'] = (from, to, filter) => {
    let count = 0
    let isExact = true
    let first: Entry | undefined
    let last: Entry | undefined
    for (const entry of entries.slice(from - start, to - start)) {
      if (!lineMatches(entry, filter) && entry.missing === 0) continue
      if (entry.missing > 0 && hasFilter(filter)) isExact = false
      count += Math.max(1, entry.missing)
      first ??= entry
      last = entry
    }
    return first && last && { count, sinceUs: first.atUs, isExact, last }
  }

  return {
    start: () => start,
    end,
    bytes: () => bytes,
    append(sequence, { first, lines }) {
      const before = entries.at(-1)
      const missing = before === undefined ? 0 : first - before.line - 1
      if (before !== undefined && missing > 0)
        push({ ...before, sequence, line: first - 1, missing, events: nothing, text: nothing })
      lines.forEach((line, at) => {
        const { atUs, source, process } = line
        const cursor = { sequence, line: first + at, atUs }
        push({ ...cursor, ...told(line, cursor), source, process, missing: 0 })
      })
    },
    bound(bytesMax) {
      let gone = Math.max(0, entries.length - linesMax)
      let left = bytes
      for (const entry of entries.slice(0, gone)) left -= sizeOf(entry)
      for (; left > bytesMax && gone < entries.length; gone += 1) left -= sizeOf(entries[gone] as Entry)
      return start + gone
    },
    forget(before) {
      if (before <= start) return
      const gone = entries.slice(0, before - start)
      entries = entries.slice(gone.length)
      start = before
      for (const entry of gone) bytes -= sizeOf(entry)
      isCut = entries.length < historyLinesMax
    },
    last(lines, filter) {
      let at = entries.length
      let place = at
      let left = lines
      for (; at > 0 && left > 0; at -= 1) {
        const entry = entries[at - 1] as Entry
        if (entry.missing > 0 || !lineMatches(entry, filter)) continue
        left -= 1
        place = at - 1
      }
      return { place: start + place, isCut: left > 0 && isCut }
    },
    behind(cursor, filter) {
      const found = entries.findIndex((entry) => isBehind(entry, cursor))
      const entry = entries[found]
      if (entry === undefined) return { place: end(), missed: undefined }
      const missedOf = (count: number, line: number) =>
        // A smaller number: all that was there has gone with time, and the count began anew.
        count <= 0
          ? undefined
          : {
              count,
              sinceUs: cursor.atUs,
              isExact: !hasFilter(filter),
              last: { sequence: entry.sequence, line, atUs: entry.atUs },
            }
      const first = entry.missing > 0 ? entry.line - entry.missing + 1 : entry.line
      // It has some of the lines that are missing here.
      if (entry.missing > 0 && cursor.line >= first)
        return { place: start + found + 1, missed: missedOf(entry.line - cursor.line, entry.line) }
      const missing = found === 0 ? first - cursor.line - 1 : 0
      return { place: start + found, missed: missedOf(missing, first - 1) }
    },
    missed,
    piece(from, to, filter, form) {
      const key = JSON.stringify([from, to, form, filter.source, filter.process])
      const known = pieces.get(key)
      if (known !== undefined) return known
      const parts: Buffer[] = []
      let size = 0
      let at = from - start
      for (; at < to - start && size < pieceBytesMax; at += 1) {
        const entry = entries[at] as Entry
        if (entry.missing > 0) break
        if (!lineMatches(entry, filter)) continue
        parts.push(entry[form])
        size += entry[form].length
      }
      const piece = { bytes: Buffer.concat(parts, size), next: start + at }
      if (pieces.size < piecesKept) pieces.set(key, piece)
      return piece
    },
    rest: () => pieces.clear(),
  }
}
