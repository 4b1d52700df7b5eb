/**
 * Log lines, pure: reads the records that conmon writes (`<time> <stream> <P|F> <text>`) and makes lines of
 * them.
 *
 * conmon cuts a long line into `P` records and ends it with an `F`. Both streams may be in the middle of a
 * line at once. A line is joined until it ends or is longer than `lineBytesMax`; what is pending is part of
 * the cursor, so that a follower which resumes there neither loses nor repeats a byte.
 */
import { lineBytesMax, type LogCursor, type LogLine, type LogStream } from './driver.ts'

type Pending = { at: string; bytes: Buffer }

const newline = 0x0a
const space = 0x20
/** Above conmon's 8 KiB read with its head; a record without an end in this many bytes is damage. */
export const recordBytesMax = 64 * 1024

export type LogReader = {
  /** Takes the next bytes of the file; gives the lines they complete. */
  push(chunk: Buffer): LogLine[]
  /** Lines that will never be completed: at the end of the log. */
  flush(): LogLine[]
  /** Offset of the next byte to push. */
  position(): number
  /** Where to resume in file `file`. */
  cursor(file: number): LogCursor
  /** Goes to `offset` of the next file; pending lines stay. */
  seek(offset: number): void
}

/** A reader that stands at `from`. */
export const logReader = (from: LogCursor): LogReader => {
  const pending = new Map<LogStream, Pending>()
  for (const stream of ['stdout', 'stderr'] as const) {
    const held = from.partial?.[stream]
    if (held) pending.set(stream, { at: held.at, bytes: Buffer.from(held.base64, 'base64') })
  }
  let offset = from.offset
  let rest: Buffer = Buffer.alloc(0)

  const push = (chunk: Buffer): LogLine[] => {
    const lines: LogLine[] = []
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline, start)) {
      take(data.subarray(start, end), lines)
      offset += end + 1 - start
      start = end + 1
    }
    rest = Buffer.from(data.subarray(start))
    if (rest.length > recordBytesMax) {
      offset += rest.length
      rest = Buffer.alloc(0)
    }
    return lines
  }

  const take = (record: Buffer, lines: LogLine[]): void => {
    const parsed = parseRecord(record)
    if (!parsed) return
    const { at, stream, partial } = parsed
    const held = pending.get(stream)
    const line: Pending = held
      ? { at: held.at, bytes: Buffer.concat([held.bytes, parsed.bytes]) }
      : { at, bytes: Buffer.from(parsed.bytes) }
    while (line.bytes.length > lineBytesMax) {
      lines.push({ at: line.at, stream, bytes: line.bytes.subarray(0, lineBytesMax) })
      line.bytes = line.bytes.subarray(lineBytesMax)
    }
    if (partial) {
      pending.set(stream, line)
    } else {
      pending.delete(stream)
      lines.push({ at: line.at, stream, bytes: line.bytes })
    }
  }

  return {
    push,
    flush: () => {
      const lines = [...pending].map(([stream, { at, bytes }]) => ({ at, stream, bytes }))
      pending.clear()
      return lines
    },
    position: () => offset + rest.length,
    cursor: (file) => ({ file, offset, ...partialOf(pending) }),
    seek: (to) => {
      offset = to
      rest = Buffer.alloc(0)
    },
  }
}

const partialOf = (pending: ReadonlyMap<LogStream, Pending>): Pick<LogCursor, 'partial'> =>
  pending.size === 0
    ? {}
    : {
        partial: Object.fromEntries(
          [...pending].map(([stream, { at, bytes }]) => [stream, { at, base64: bytes.toString('base64') }]),
        ),
      }

/** One record, or undefined for what is none (a file cut by power loss). */
const parseRecord = (
  record: Buffer,
): { at: string; stream: LogStream; partial: boolean; bytes: Buffer } | undefined => {
  const first = record.indexOf(space)
  const second = record.indexOf(space, first + 1)
  if (first <= 0 || second < 0 || record.length < second + 3 || record[second + 2] !== space) return undefined
  const stream = record.toString('latin1', first + 1, second)
  const tag = String.fromCharCode(record[second + 1] ?? 0)
  if ((stream !== 'stdout' && stream !== 'stderr') || (tag !== 'P' && tag !== 'F')) return undefined
  return {
    at: record.toString('latin1', 0, first),
    stream,
    partial: tag === 'P',
    bytes: record.subarray(second + 3),
  }
}
