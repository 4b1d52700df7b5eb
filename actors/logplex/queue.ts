/**
 * Queue: what waits in a channel to be stored, one part of a source at a time, in the order it came. Pure.
 *
 * Every source keeps what it brought until it is stored, so what does not fit is turned away, and nothing
 * here is lost with its host.
 */
import type { Caller } from '../../src/runtime/index.ts'
import type { Line, Part } from '../protocols/channel.ts'
import { beginOf, endOf } from './account.ts'

/** With whom to tell; undefined: more of the same part comes behind it. */
export type Waiting = Part & { readonly caller: Caller | undefined }
export type Queue = { readonly parts: readonly Waiting[]; readonly bytes: number }
export const noQueue: Queue = { parts: [], bytes: 0 }

/** What some seconds without a store bring. */
export const queueBytesMax = 4 * 1024 * 1024
const batchLinesMax = 1_000
const batchBytesMax = 256 * 1024
/** What a line takes besides its text. */
const lineBytes = 64

const bytesOf = (lines: readonly Line[]): number =>
  lines.reduce((sum, { text }) => sum + text.length + lineBytes, 0)

/**
 * `stored`: its source went on behind it, which it does only when this is stored. One that begins anew, as
 * the next life of a reader of a file does, may bring a part of what waits: it takes its place, and the rest
 * comes again.
 */
export type Joined = { readonly queue: Queue } | 'stored' | 'full'

/** @param inFlight what is being stored now */
export const join = (queue: Queue, inFlight: readonly Waiting[], part: Waiting): Joined => {
  const before = queue.parts.find(({ source }) => source === part.source)
  const leaving = inFlight.find(({ source }) => source === part.source)
  const earliest = leaving ?? before
  if (earliest !== undefined && endOf(part) <= beginOf(earliest)) return 'stored'
  if (before === undefined) {
    const bytes = queue.bytes + bytesOf(part.lines)
    if (queue.parts.length > 0 && bytes > queueBytesMax) return 'full'
    return { queue: { parts: [...queue.parts, part], bytes } }
  }
  const isRepeat = endOf(part) === endOf(before)
  const kept = isRepeat ? { ...before, caller: part.caller } : part
  return {
    queue: {
      parts: queue.parts.map((one) => (one === before ? kept : one)),
      bytes: queue.bytes + bytesOf(kept.lines) - bytesOf(before.lines),
    },
  }
}

/** As much of the first as one batch takes; at least a line. */
export const takeBatch = ({ parts, bytes }: Queue): { readonly taken: Waiting[]; readonly queue: Queue } => {
  const taken: Waiting[] = []
  let [left, room] = [batchLinesMax, batchBytesMax]
  for (const [at, part] of parts.entries()) {
    const count = fitting(part.lines, left, taken.length === 0 ? Math.max(1, room) : room)
    if (count === part.lines.length) taken.push(part)
    else if (count > 0) taken.push({ ...part, lines: part.lines.slice(0, count), caller: undefined })
    const passed = bytesOf(part.lines.slice(0, count))
    left -= count
    room -= passed
    if (count < part.lines.length) {
      const rest = count === 0 ? part : behind(part, count)
      return { taken, queue: { parts: [rest, ...parts.slice(at + 1)], bytes: bytes - bytesOfAll(taken) } }
    }
  }
  return { taken, queue: noQueue }
}

/** What was dropped goes with the first line. */
const behind = ({ source, first, lines, caller }: Waiting, count: number): Waiting => ({
  source,
  first: first + count,
  lines: lines.slice(count),
  caller,
})

const bytesOfAll = (parts: readonly Part[]): number =>
  parts.reduce((sum, { lines }) => sum + bytesOf(lines), 0)

/** How many of the first lines fit; the first does, when there is any room. */
const fitting = (lines: readonly Line[], linesMax: number, room: number): number => {
  let bytes = 0
  let count = 0
  for (const { text } of lines) {
    bytes += text.length + lineBytes
    if (count >= linesMax || room <= 0 || (count > 0 && bytes > room)) break
    count++
  }
  return count
}
