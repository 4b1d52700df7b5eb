/**
 * A drain: what it sends and when, where it stands after a crash, and that every line is delivered or
 * counted, whatever the history has lost by then.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { drain } from '../../actors/logplex/drain.ts'
import type { Shipment } from '../../actors/effects/drains.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import type { StoredBatch } from '../../actors/protocols/log-batch.ts'
import { drive } from '../kit/drive.ts'

const token = 'd.2f1a'
const opening = { type: 'open', appId: 'a1', url: 'https://logs.example.com/in', token } as const
const startUs = 1_800_000_000_000_000

/** Batches of one app, with numbers for lines; of each only its place matters here. */
const history = () => {
  let sequence = 10
  let line = 100
  const kept: StoredBatch[] = []
  return {
    kept,
    end: () => ({ sequence, line }),
    append(count: number): StoredBatch {
      const batch = {
        sequence: sequence + 3,
        after: sequence,
        first: line,
        count,
        bytes: new Uint8Array(10 * count),
      }
      sequence = batch.sequence
      line += count
      kept.push(batch)
      return batch
    },
    after: (from: number): StoredBatch[] => kept.filter((batch) => batch.sequence > from),
  }
}

/** The numbers of the lines that a shipment may take. */
const linesOf = ({ batches, skip }: Shipment): number[] =>
  batches.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at)).slice(skip)

const shipmentOf = (ran: { readonly args: unknown } | undefined): Shipment => ran?.args as Shipment
const delivered = (count: number) => ({
  kind: 'delivered',
  count,
  sinceUs: startUs,
  untilUs: startUs + count,
})
const refused = (count: number, status = 404) => ({ ...delivered(count), kind: 'refused', status })
const failed = (count: number, more = {}) => ({
  kind: 'failed',
  count,
  reason: 'connect ECONNREFUSED',
  certificate: null,
  retryAfterMs: null,
  ...more,
})

const opened = () => {
  const log = history()
  const driven = drive(drain, { key: 'drain-1', args: null })
  driven.send(opening)
  driven.done('history.end', log.end())
  return { log, driven }
}
const said = ({ told }: { readonly told: readonly { readonly message: object }[] }): string[] =>
  told.flatMap(({ message }) =>
    ((message as { lines?: Line[] }).lines ?? []).map(({ text }) => Buffer.from(text).toString()),
  )

t.test('a drain is open from the moment that is answered, and sends what comes from then on', async (t) => {
  const log = history()
  log.append(3)
  const driven = drive(drain, { key: 'drain-1', args: null })
  t.match(driven.send({ type: 'state' }), { refused: { code: 'not_found' } })
  driven.send(opening)
  driven.send(opening)
  t.equal(driven.ran.length, 1)
  driven.failed('history.end', 'store_unavailable')
  t.match(driven.replies.slice(1), [
    { refused: { code: 'unavailable' } },
    { refused: { code: 'unavailable' } },
  ])
  driven.send(opening)
  driven.done('history.end', log.end())
  t.match(driven.replies.at(-1), { type: 'open', value: {} })
  t.match(driven.send(opening), { value: {} }, 'as often as it is asked')
  driven.send({ type: 'stored', batch: log.append(2) })
  t.equal(driven.ran.length, 0, 'more may come at once')
  driven.send({ type: 'stored', batch: log.append(1) })
  driven.fire('send')
  const shipment = shipmentOf(driven.ran[0])
  t.match(shipment, { id: 'drain-1', url: opening.url, token, skip: 0, count: null, loss: null })
  t.same(linesOf(shipment), [103, 104, 105])
  driven.send({ type: 'stored', batch: log.append(4) })
  t.equal(driven.ran.length, 1, 'one frame at a time')
  driven.done('drains.send', delivered(3))
  driven.fire('send')
  t.same(linesOf(shipmentOf(driven.ran[0])), [106, 107, 108, 109])
  driven.done('drains.send', delivered(1))
  t.match(driven.send({ type: 'state' }), { value: { state: 'up', lag: 3, reason: null, dropped: 0 } })
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 1 }, 'a frame takes a part of a batch')
  t.same(linesOf(shipmentOf(driven.ran[0])), [107, 108, 109])
  driven.send({ type: 'close' })
  t.equal(driven.saved(), undefined, 'nothing of it is kept')
  t.match(driven.ran.at(-1), { name: 'drains.close', args: { id: 'drain-1' } })
  driven.done('drains.send', delivered(3))
  driven.send({ type: 'stored', batch: log.append(1) })
  t.equal(driven.timers.size, 0)
})

t.test('a receiver that is away is tried again ever more seldom, with the same frame', async (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(5) })
  driven.fire('send')
  const waits: number[] = []
  for (let tries = 0; tries < 12; tries++) {
    driven.done('drains.send', failed(2))
    driven.send({ type: 'stored', batch: log.append(1) })
    t.equal(driven.ran.length, 0)
    waits.push(driven.timers.get('retry')?.ms ?? 0)
    driven.fire('retry')
    t.match(shipmentOf(driven.ran[0]), { skip: 0, count: 2 })
  }
  t.ok(
    (waits[0] ?? 0) < 500 && waits.every((ms) => ms <= 30_000) && (waits.at(-1) ?? 0) >= 15_000,
    String(waits),
  )
  t.equal(driven.logs.length, 1, 'said once an outage')
  t.match(driven.send({ type: 'state' }), { value: { state: 'failing', lag: 17, reason: /ECONNREFUSED/ } })
  t.ok(driven.reminders.has('look'), 'should this host die, another looks after it')
  driven.done('drains.send', failed(2, { retryAfterMs: 90_000 }))
  t.equal(driven.timers.get('retry')?.ms, 90_000, 'as the receiver wishes')
  driven.fire('retry')
  driven.done('drains.send', failed(2, { retryAfterMs: 9e9 }))
  t.equal(driven.timers.get('retry')?.ms, 300_000, 'within reason')
  driven.fire('retry')
  driven.done('drains.send', delivered(2))
  t.match(driven.send({ type: 'state' }), { value: { state: 'up', lag: 15, reason: null } })
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 2, count: null })
  t.same(said(driven), [], 'nothing is lost')
})

t.test('lines that a receiver refuses are counted, to it and in the log, and the rest goes on', async (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(5) })
  driven.fire('send')
  driven.done('drains.send', refused(2))
  t.same(said(driven), [
    "Error L10 (output buffer overflow): drain 'd.2f1a' dropped 2 messages " +
      'since 2027-01-15T08:00:00.000000+00:00.',
  ])
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 2, loss: { count: 2, sinceUs: startUs } })
  driven.done('drains.send', refused(1))
  t.equal(said(driven).length, 1, 'not with each frame')
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 3, loss: { count: 3, sinceUs: startUs } })
  driven.done('drains.send', delivered(1))
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 4, loss: null })
  driven.fire('say')
  t.match(said(driven)[1], /dropped 1 messages since/)
  t.match(driven.send({ type: 'state' }), { value: { dropped: 3 } })
})

t.test(
  'a receiver that is not who it says it is gets a line in the log, and no user name is in it',
  async (t) => {
    const { log, driven } = opened()
    driven.send({ type: 'stored', batch: log.append(1) })
    driven.fire('send')
    for (const _ of [1, 2]) {
      driven.done('drains.send', failed(1, { reason: 'CERT_HAS_EXPIRED', certificate: opening.url }))
      driven.fire('retry')
    }
    t.same(said(driven), [
      'Error L14 (certificate validation): error="CERT_HAS_EXPIRED" uri="https://logs.example.com/in"',
    ])
    driven.nowMs += 60_000
    driven.done('drains.send', failed(1, { reason: 'CERT_HAS_EXPIRED', certificate: opening.url }))
    t.equal(said(driven).length, 2, 'once a minute')
  },
)

t.test('from the first line on, somebody looks after it should this host die, minute by minute', (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(2) })
  const first = driven.reminders.get('look')?.atMs ?? 0
  t.equal(first, driven.nowMs + 60_000)
  driven.fire('send')
  driven.nowMs = first - 51
  driven.done('drains.send', delivered(1))
  t.equal(driven.reminders.get('look')?.atMs, first, 'not with each frame')
  driven.fire('send')
  driven.nowMs = first
  driven.done('drains.send', failed(1))
  t.equal(driven.reminders.get('look')?.atMs, driven.nowMs + 60_000)
  driven.send({ type: 'close' })
  t.notOk(driven.reminders.has('look'))
  t.end()
})

t.test('what the history had no more before anything was sent is lost since the drain was opened', (t) => {
  const { log, driven } = opened()
  const openedUs = driven.nowMs * 1000
  driven.nowMs += 5_000
  log.append(4)
  driven.send({ type: 'stored', batch: log.append(2) })
  driven.done('history.read', { batches: log.after(13) })
  t.match(driven.send({ type: 'state' }), { value: { lag: 6, dropped: 0 } }, 'lines that it has to do with')
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 0, loss: { count: 4, sinceUs: openedUs } })
  driven.done('drains.send', delivered(2))
  t.match(driven.send({ type: 'state' }), { value: { lag: 0, dropped: 4 } })
  t.end()
})

t.test('an answer that comes late is no answer to what is done now', (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(2) })
  const answer = { count: 1, sinceUs: startUs, untilUs: startUs }
  driven.send({ type: 'failed', count: 1, reason: 'late', certificate: null, retryAfterMs: null })
  driven.send({ type: 'sent', ...answer })
  driven.send({ type: 'refused', ...answer, status: 404 })
  driven.send({ type: 'readFailed', reason: 'late' })
  t.match(driven.send({ type: 'state' }), { value: { state: 'up', lag: 2, dropped: 0 } })
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 0, count: null })
  t.end()
})

t.test('what waits is known as soon as it is heard of, and all of it, whatever is in memory', (t) => {
  const { log, driven } = opened()
  const big = { ...log.append(500), bytes: new Uint8Array(900_000) }
  driven.send({ type: 'stored', batch: big })
  driven.send({ type: 'stored', batch: { ...log.append(700), bytes: new Uint8Array(900_000) } })
  driven.send({ type: 'stored', batch: log.append(1) })
  t.match(driven.send({ type: 'state' }), { value: { lag: 1_201 } })
  driven.send({ type: 'stored', batch: big })
  t.match(driven.send({ type: 'state' }), { value: { lag: 1_201 } }, 'though one is heard of late')
  const again = drive(drain, { key: 'drain-1', args: null, saved: driven.saved()! })
  t.match(again.send({ type: 'state' }), { value: { lag: 0 } }, 'until it has read')
  again.done('history.read', { batches: log.after(10) })
  t.match(again.send({ type: 'state' }), { value: { lag: 1_201 } })
  t.end()
})

t.test('after a crash it goes on from its record, and reads what it did not hear', async (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(4) })
  driven.fire('send')
  driven.done('drains.send', delivered(3))
  log.append(2)
  const again = drive(drain, { key: 'drain-1', args: null, saved: driven.saved()! })
  t.match(again.ran, [{ name: 'history.read', args: { appId: 'a1', after: 10 } }])
  again.failed('history.read', 'store_unavailable')
  again.fire('retry')
  again.done('history.read', { batches: log.after(10) })
  again.fire('send')
  t.same(linesOf(shipmentOf(again.ran[0])), [103, 104, 105])
  again.done('drains.send', delivered(3))
  t.equal(again.ran.length, 0)
  again.remind('look')
  again.done('history.read', { batches: [] })
  t.equal(again.ran.length, 0, 'there is nothing more')
  again.lost(3)
  again.send({ type: 'stored', batch: log.append(1) })
  t.match(again.ran, [{ name: 'history.read' }], 'what its mailbox did not take is read')
})

t.test('a history that began anew is read from its beginning, and nothing is told as lost', async (t) => {
  const { driven } = opened()
  const batch = { sequence: 50, after: 0, first: 0, count: 2, bytes: new Uint8Array(20) }
  driven.send({ type: 'stored', batch })
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 0, loss: null })
  driven.done('drains.send', delivered(1))
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 1, loss: null })
})

t.test('every line is delivered or counted, in order, whatever is lost on the way', async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('log' as const),
        count: fc.integer({ min: 1, max: 40 }),
        isHeard: fc.boolean(),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('answer' as const),
        how: fc.constantFrom('all', 'some', 'refused', 'failed', 'failed'),
      }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('time' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), keep: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('overflow' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 30 }), (steps, frameMax) => {
      const log = history()
      let driven = drive(drain, { key: 'drain-1', args: null })
      driven.send(opening)
      driven.done('history.end', log.end())
      const { line: first } = log.end()
      const got: number[] = []
      let counted = 0
      const answer = (how: string): void => {
        const [ran] = driven.ran
        if (ran?.name === 'history.read') {
          const { after } = ran.args as { after: number }
          if (how === 'failed') driven.failed('history.read', 'store_unavailable')
          else driven.done('history.read', { batches: log.after(after).slice(0, how === 'some' ? 1 : 9) })
        } else if (ran?.name === 'drains.send') {
          const shipment = shipmentOf(ran)
          const open = linesOf(shipment)
          const count = shipment.count ?? Math.min(open.length, how === 'some' ? 1 : frameMax)
          assert(count > 0 && count <= open.length, 'a frame has lines')
          if (how === 'failed') return driven.done('drains.send', failed(count))
          if (how === 'refused') return driven.done('drains.send', refused(count))
          counted += shipment.loss?.count ?? 0
          got.push(...open.slice(0, count))
          driven.done('drains.send', delivered(count))
        }
      }
      const tick = (): void => {
        const [name] = driven.timers.keys()
        if (name !== undefined) driven.fire(name)
      }
      for (const one of steps) {
        if (one.do === 'log') {
          const batch = log.append(one.count)
          if (one.isHeard) driven.send({ type: 'stored', batch })
        } else if (one.do === 'answer') answer(one.how)
        else if (one.do === 'time') tick()
        else if (one.do === 'trim') log.kept.splice(0, Math.max(0, log.kept.length - one.keep))
        else if (one.do === 'overflow') driven.lost(1)
        // What was under way had not arrived.
        else driven = drive(drain, { key: 'drain-1', args: null, saved: driven.saved()! })
      }
      // The last line, and then as much time as it takes.
      driven.send({ type: 'stored', batch: log.append(1) })
      for (let rounds = 0; rounds < 5_000 && (driven.ran.length > 0 || driven.timers.size > 0); rounds++)
        if (driven.ran.length > 0) answer('all')
        else tick()
      const { line: end } = log.end()
      assert.equal(got.at(-1), end - 1, 'it came to the end')
      assert.deepEqual(
        got,
        [...new Set(got)].sort((a, b) => a - b),
        'each once and in order',
      )
      assert.equal(got.length + counted, end - first, 'delivered and counted are all')
    }),
    { numRuns: 400 },
  )
})
