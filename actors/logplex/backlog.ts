/**
 * Backlog: which lines of its app a drain has sent on, and those that wait here, in order. Pure.
 *
 * The cursor is on record; the batches are in memory, up to a bound, and follow it without a hole: what does
 * not fit is read from the history when its turn comes. Lines that the history does not have any more by then
 * are known by their numbers.
 */
import type { StoredBatch } from '../protocols/log-batch.ts'

export type Cursor = {
  /** The last batch of which every line was sent. */
  readonly sequence: number
  /** The number of the next line. */
  readonly line: number
  /** The batch that this line is in, when some of its lines were sent; else 0. */
  readonly within: number
}

export type Backlog = {
  readonly batches: readonly StoredBatch[]
  readonly bytes: number
  /** The history has, or may have, more behind the last of them. */
  readonly hasMore: boolean
}

/** Heroku's buffer holds 1,024 messages of at most 10 KB; this is in bytes. */
export const backlogBytesMax = 1024 * 1024

export const noBacklog: Backlog = { batches: [], bytes: 0, hasMore: false }

const lastOf = (cursor: Cursor, { batches }: Backlog): number => batches.at(-1)?.sequence ?? cursor.sequence

/** A batch that has just been stored. */
export const heard = (cursor: Cursor, backlog: Backlog, batch: StoredBatch, bytesMax: number): Backlog => {
  const last = lastOf(cursor, backlog)
  if (batch.sequence <= last || backlog.hasMore) return backlog
  const isNext = batch.after <= last
  const fits = backlog.bytes === 0 || backlog.bytes + batch.bytes.length <= bytesMax
  return isNext && fits ? added(backlog, batch) : { ...backlog, hasMore: true }
}

/** What the history had behind the last one, read up to `backlogBytesMax`. */
export const readOn = (cursor: Cursor, backlog: Backlog, batches: readonly StoredBatch[]): Backlog => {
  const bytes = batches.reduce((sum, batch) => sum + batch.bytes.length, 0)
  return batches.reduce((all, batch) => (batch.sequence <= lastOf(cursor, all) ? all : added(all, batch)), {
    ...backlog,
    hasMore: backlog.hasMore || bytes >= backlogBytesMax,
  })
}

const added = ({ batches, bytes, hasMore }: Backlog, batch: StoredBatch): Backlog => ({
  batches: [...batches, batch],
  bytes: bytes + batch.bytes.length,
  hasMore,
})

/** The first of them, as far as there is room: the rest is read again. */
export const within = (backlog: Backlog, bytesMax: number): Backlog => {
  if (backlog.bytes <= bytesMax) return backlog
  let bytes = 0
  const end = backlog.batches.findIndex((batch) => (bytes += batch.bytes.length) > bytesMax)
  const batches = backlog.batches.slice(0, end)
  return { batches, bytes: batches.reduce((sum, batch) => sum + batch.bytes.length, 0), hasMore: true }
}

/** Whether the next so many lines are all here. */
export const holds = (cursor: Cursor, { batches }: Backlog, count: number): boolean => {
  const [first] = batches
  if (first === undefined) return false
  const { skip, missing } = meets(cursor, first)
  return missing === 0 && batches.reduce((sum, batch) => sum + batch.count, -skip) >= count
}

/** How the first of the batches meets the cursor: lines of it that were sent, and lines missing before it. */
export const meets = (
  cursor: Cursor,
  { sequence, first }: StoredBatch,
): { skip: number; missing: number } => {
  if (sequence === cursor.within) return { skip: cursor.line - first, missing: 0 }
  // A smaller number: all that was there has gone with time, and the count began anew.
  return { skip: 0, missing: Math.max(0, first - cursor.line) }
}

/** The first batches whose lines follow each other without a number left out: what one frame may hold. */
export const unbroken = ({ batches }: Backlog): readonly StoredBatch[] => {
  const end = batches.findIndex((batch, at) => {
    const before = batches[at - 1]
    return before !== undefined && batch.first !== before.first + before.count
  })
  return end < 0 ? batches : batches.slice(0, end)
}

/** Behind `count` more lines of the batches, which are no longer needed once they are passed whole. */
export const passed = (
  cursor: Cursor,
  backlog: Backlog,
  count: number,
): { cursor: Cursor; backlog: Backlog } => {
  let at = cursor
  let left = count
  let gone = 0
  let bytes = 0
  for (const batch of backlog.batches) {
    const { skip } = meets(at, batch)
    const rest = batch.count - skip
    if (left < rest) {
      if (left > 0) at = { ...at, line: batch.first + skip + left, within: batch.sequence }
      break
    }
    at = { sequence: batch.sequence, line: batch.first + batch.count, within: 0 }
    left -= rest
    gone += 1
    bytes += batch.bytes.length
  }
  return {
    cursor: at,
    backlog: { ...backlog, batches: backlog.batches.slice(gone), bytes: backlog.bytes - bytes },
  }
}
