/** What waits in a drain's memory: bounded in bytes, without a hole, and what frames may be made of it. */
import t from 'tap'
import {
  backlogBytesMax,
  heard,
  holds,
  noBacklog,
  passed,
  readOn,
  unbroken,
  within,
  type Backlog,
  type Cursor,
} from '../../actors/logplex/backlog.ts'
import type { StoredBatch } from '../../actors/protocols/log-batch.ts'

const start: Cursor = { sequence: 10, line: 100, within: 0 }
const large = backlogBytesMax / 2 + 1

const batchOf = (sequence: number, bytes: number, change: Partial<StoredBatch> = {}): StoredBatch => ({
  sequence,
  after: sequence - 1,
  first: 100 + 5 * (sequence - 11),
  count: 5,
  bytes: new Uint8Array(bytes),
  ...change,
})
const sequences = ({ batches }: Backlog): number[] => batches.map(({ sequence }) => sequence)
const hear = (...batches: StoredBatch[]): Backlog =>
  batches.reduce((all, batch) => heard(start, all, batch, backlogBytesMax), noBacklog)

t.test('what does not fit into memory is left to the history, and so is all behind it', (t) => {
  const full = hear(batchOf(11, large), batchOf(12, large), batchOf(13, 1))
  t.same(sequences(full), [11])
  t.match(full, { hasMore: true, bytes: large })
  const exactly = hear(batchOf(11, backlogBytesMax - 1), batchOf(12, 1))
  t.match(exactly, { hasMore: false, bytes: backlogBytesMax })
  const huge = hear(batchOf(11, 2 * backlogBytesMax))
  t.same(sequences(huge), [11], 'one is taken however large it is')
  t.match(heard(start, huge, batchOf(12, 1), backlogBytesMax), { hasMore: true, bytes: 2 * backlogBytesMax })
  t.end()
})

t.test('a batch is not taken twice, nor behind one that was not heard', (t) => {
  t.same(sequences(hear(batchOf(10, 1), batchOf(11, 1), batchOf(11, 1))), [11])
  const holed = hear(batchOf(11, 1), batchOf(13, 1))
  t.same(sequences(holed), [11])
  t.equal(holed.hasMore, true)
  t.end()
})

t.test('there may be more in the history when as much was read as is read at once', (t) => {
  const all = { ...noBacklog, hasMore: false }
  t.equal(readOn(start, all, [batchOf(11, 10), batchOf(12, 10)]).hasMore, false)
  t.equal(readOn(start, all, [batchOf(11, large), batchOf(12, large)]).hasMore, true)
  const heardMeanwhile = { ...noBacklog, hasMore: true }
  t.equal(readOn(start, heardMeanwhile, [batchOf(11, 10)]).hasMore, true)
  const known = readOn(start, hear(batchOf(11, 10)), [batchOf(11, 10), batchOf(12, 10)])
  t.same(sequences(known), [11, 12])
  t.equal(known.bytes, 20)
  t.end()
})

t.test('where there is less room, the first of them are kept, and the rest is read again', (t) => {
  const backlog = hear(batchOf(11, 30), batchOf(12, 50), batchOf(13, 20))
  t.equal(within(backlog, 100), backlog)
  t.match(within(backlog, 99), { bytes: 80, hasMore: true, batches: [{}, {}] })
  t.match(within(backlog, 79), { bytes: 30, hasMore: true, batches: [{}] })
  t.match(within(backlog, 29), { bytes: 0, hasMore: true, batches: [] })
  t.match(heard(start, noBacklog, batchOf(11, 9), 4), { bytes: 9 }, 'one is taken nevertheless')
  t.match(heard(start, hear(batchOf(11, 3)), batchOf(12, 2), 4), { bytes: 3, hasMore: true })
  t.end()
})

t.test('a frame that is sent again is here with all of its lines, or not at all', (t) => {
  const backlog = hear(batchOf(11, 1), batchOf(12, 1))
  t.equal(holds(start, backlog, 10), true)
  t.equal(holds(start, backlog, 11), false)
  const begun = { sequence: 10, line: 102, within: 11 }
  t.equal(holds(begun, backlog, 8), true)
  t.equal(holds(begun, backlog, 9), false)
  t.equal(holds(start, noBacklog, 0), false)
  t.equal(holds({ ...start, line: 99 }, backlog, 1), false, 'lines before them are lost')
  t.end()
})

t.test('a frame holds no lines from both sides of a gap', (t) => {
  const gap = batchOf(13, 1, { first: 117 })
  const backlog = readOn(start, noBacklog, [
    batchOf(11, 1),
    batchOf(12, 1),
    gap,
    batchOf(14, 1, { first: 122 }),
  ])
  t.same(
    unbroken(backlog).map(({ sequence }) => sequence),
    [11, 12],
  )
  const { cursor, backlog: rest } = passed(start, backlog, 10)
  t.same(cursor, { sequence: 12, line: 110, within: 0 })
  t.same(
    unbroken(rest).map(({ sequence }) => sequence),
    [13, 14],
  )
  t.end()
})

t.test('memory is free again for what has been sent', (t) => {
  const backlog = hear(batchOf(11, 30), batchOf(12, 50))
  const part = passed(start, backlog, 7)
  t.match(part, { cursor: { sequence: 11, line: 107, within: 12 }, backlog: { bytes: 50 } })
  const none = passed(part.cursor, part.backlog, 3)
  t.match(none, { cursor: { sequence: 12, line: 110, within: 0 }, backlog: { bytes: 0, batches: [] } })
  t.end()
})
