/**
 * Log lines, pure: reads the records that conmon writes (`<time> <stream> <P|F> <text>`), makes lines of
 * them, and counts those that may not pass.
 *
 * conmon cuts a long line into `P` records and ends it with an `F`. Both streams may be in the middle of a
 * line at once. A line is joined until it ends or is longer than `lineBytesMax`; what is pending is part of
 * the cursor, so that a follower which resumes there neither loses nor repeats a byte. No cursor is beyond a
 * line that was dropped and not told: whoever resumes there counts it again.
 */
import {
  lineBytesMax,
  type Dropped,
  type LogBatch,
  type LogCursor,
  type LogLine,
  type LogStream,
} from './driver.ts'
import type { Pace } from './pace.ts'

type Pending = { at: string; bytes: Buffer }

const newline = 0x0a
const space = 0x20
const [part, full] = [0x50, 0x46]
/** What every record begins with: a time with nanoseconds and offset, the stream, the tag. */
const timeBytes = 35
const tagAt = timeBytes + ' stdout '.length
const textAt = tagAt + 2
/** Above conmon's 8 KiB read with its head; a record without an end in this many bytes is damage. */
export const recordBytesMax = 64 * 1024

/** Lines that passed, and before them what did not. */
export type LogRun = Omit<LogBatch, 'lost'>

export type LogReader = {
  /** Takes the next bytes of `file`; gives the lines they complete. Where it `drops` none of them passes. */
  push(chunk: Buffer, file: number, drops?: boolean): LogRun[]
  /** Whether lines were dropped since the last run. */
  owes(): boolean
  /** A run with these, if any were. */
  tell(file: number): LogRun[]
  /** The same at the end of the log, with the lines that will never be completed. */
  flush(file: number): LogRun
  /** Offset of the next byte to push. */
  position(): number
  /** Goes to `offset` of the next file; pending lines stay. */
  seek(offset: number): void
}

/** A reader that stands at `from`. */
export const logReader = (from: LogCursor, pace: Pace): LogReader => {
  const pending = new Map<LogStream, Pending>()
  for (const stream of ['stdout', 'stderr'] as const) {
    const held = from.partial?.[stream]
    if (held) pending.set(stream, { at: held.at, bytes: Buffer.from(held.base64, 'base64') })
  }
  const headOf = makeHeads()
  let offset = from.offset
  /** All lines up to the last run. */
  let told = from.lines
  let rest: Buffer = Buffer.alloc(0)
  let lines: LogLine[] = []
  let dropped: Dropped | undefined

  /** What there is up to here. */
  const run = (file: number): LogRun => {
    told += lines.length + (dropped?.count ?? 0)
    const cursor = { file, offset, lines: told, ...partialOf(pending) }
    const made = { lines, cursor, ...(dropped && { dropped }) }
    lines = []
    dropped = undefined
    return made
  }

  /** Whether the pace lets nothing pass until the last of these records was printed. */
  const isShutFor = (data: Buffer): boolean => {
    const end = data.lastIndexOf(newline)
    const start = end > 0 ? data.lastIndexOf(newline, end - 1) + 1 : 0
    const head = end > 0 ? headOf(data, start, end) : undefined
    return head !== undefined && pace.isShut(head.atMs)
  }

  const push = (chunk: Buffer, file: number, drops = false): LogRun[] => {
    const runs: LogRun[] = []
    // The chunk is read into again; lines are views of a copy, one for all of them.
    const data = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    /** Whether complete lines pass; else they are counted, behind a run of those that did. */
    const passes = (count: number, bytes: number, atMs: number, start: number): boolean => {
      if (!drops && pace.admits(count, bytes, atMs)) return true
      if (lines.length > 0) runs.push(run(file))
      dropped = { count: (dropped?.count ?? 0) + count, since: dropped?.since ?? timeAt(data, start) }
      return false
    }
    const join = ({ stream, atMs, isPartial }: Head, text: Buffer, start: number): void => {
      const held = pending.get(stream)
      const at = held?.at ?? timeAt(data, start)
      const bytes = held ? Buffer.concat([held.bytes, text]) : text
      const { whole, open } = cut(bytes, isPartial)
      if (whole.length > 0 && passes(whole.length, bytes.length - (open?.length ?? 0), atMs, start))
        for (const line of whole) lines.push({ at, stream, bytes: line })
      if (open) pending.set(stream, { at, bytes: Buffer.from(open) })
      else pending.delete(stream)
    }
    /** Counts what none of will pass, up to the first record that is no line by itself. */
    const passOver = (start: number): number => {
      const { count, end } = plainLines(data, start)
      if (count === 0) return start
      if (lines.length > 0) runs.push(run(file))
      dropped = { count: (dropped?.count ?? 0) + count, since: dropped?.since ?? timeAt(data, start) }
      offset += end - start
      return end
    }
    const nonePasses = drops || isShutFor(data)
    let start = 0
    for (;;) {
      if (nonePasses && pending.size === 0) start = passOver(start)
      const end = data.indexOf(newline, start)
      if (end < 0) break
      const head = headOf(data, start, end)
      const from = start + textAt
      // Nearly all lines are one record, which costs no object until it passes.
      if (head && (head.isPartial || end - from > lineBytesMax || pending.has(head.stream)))
        join(head, data.subarray(from, end), start)
      else if (head && passes(1, end - from, head.atMs, start))
        lines.push({ at: timeAt(data, start), stream: head.stream, bytes: data.subarray(from, end) })
      offset += end + 1 - start
      start = end + 1
    }
    rest = Buffer.from(data.subarray(start))
    if (rest.length > recordBytesMax) {
      offset += rest.length
      rest = Buffer.alloc(0)
    }
    if (lines.length > 0) runs.push(run(file))
    return runs
  }

  return {
    push,
    owes: () => dropped !== undefined,
    tell: (file) => (dropped ? [run(file)] : []),
    flush: (file) => {
      for (const [stream, { at, bytes }] of pending) lines.push({ at, stream, bytes })
      pending.clear()
      return run(file)
    },
    position: () => offset + rest.length,
    seek: (to) => {
      offset = to
      rest = Buffer.alloc(0)
    },
  }
}

/** The lines that are complete, and what is left of the one that is not. */
const cut = (text: Buffer, isOpen: boolean): { whole: Buffer[]; open: Buffer | undefined } => {
  const whole: Buffer[] = []
  let start = 0
  for (; text.length - start > lineBytesMax; start += lineBytesMax)
    whole.push(text.subarray(start, start + lineBytesMax))
  const last = start === 0 ? text : text.subarray(start)
  if (isOpen) return { whole, open: last }
  whole.push(last)
  return { whole, open: undefined }
}

const partialOf = (pending: ReadonlyMap<LogStream, Pending>): Pick<LogCursor, 'partial'> =>
  pending.size === 0
    ? {}
    : {
        partial: Object.fromEntries(
          [...pending].map(([stream, { at, bytes }]) => [stream, { at, base64: bytes.toString('base64') }]),
        ),
      }

/**
 * How many records from `start` on are each a whole line of usual length, and where the last of them ends.
 * Of a flood nearly everything is only counted, and this is most of what reading it costs.
 */
const plainLines = (data: Buffer, start: number): { count: number; end: number } => {
  let count = 0
  let end = start
  while (
    data[end + timeBytes] === space &&
    data[end + tagAt - 1] === space &&
    data[end + tagAt] === full &&
    data[end + tagAt + 1] === space
  ) {
    const at = data.indexOf(newline, end + textAt)
    if (at < 0 || at - end - textAt > lineBytesMax) break
    count++
    end = at + 1
  }
  return { count, end }
}

type Head = { atMs: number; stream: LogStream; isPartial: boolean }

const timeAt = (data: Buffer, start: number): string => data.toString('latin1', start, start + timeBytes)

/**
 * Reads the head of one record, or undefined for what is none (a file cut by power loss). A flood is a
 * million of them a second: a second is parsed once, and the rest of the time is three digits.
 */
const makeHeads = (): ((data: Buffer, start: number, end: number) => Head | undefined) => {
  const second = Buffer.alloc('2026-11-23T03:24:09.'.length)
  let secondMs = Number.NaN
  const secondOf = (data: Buffer, start: number): number => {
    for (let n = second.length - 1; n >= 0; n--) {
      if (data[start + n] === second[n]) continue
      data.copy(second, 0, start, start + second.length)
      const zone = data.toString('latin1', start + timeBytes - '+00:00'.length, start + timeBytes)
      secondMs = Date.parse(second.toString('latin1', 0, second.length - 1) + zone)
      break
    }
    return secondMs
  }
  const digit = (data: Buffer, at: number): number => (data[at] ?? 0) - 0x30
  return (data, start, end) => {
    if (end - start < textAt || data[start + timeBytes] !== space) return undefined
    const tag = data[start + tagAt]
    const isOut = isAt(data, start + timeBytes, ' stdout ')
    if ((!isOut && !isAt(data, start + timeBytes, ' stderr ')) || (tag !== part && tag !== full))
      return undefined
    const ms = start + second.length
    const atMs =
      secondOf(data, start) + 100 * digit(data, ms) + 10 * digit(data, ms + 1) + digit(data, ms + 2)
    return Number.isNaN(atMs)
      ? undefined
      : { atMs, stream: isOut ? 'stdout' : 'stderr', isPartial: tag === part }
  }
}

const isAt = (data: Buffer, at: number, text: string): boolean => {
  for (let n = 0; n < text.length; n++) if (data[at + n] !== text.charCodeAt(n)) return false
  return true
}
