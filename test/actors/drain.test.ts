/** A drain: what it sends and when, what it tells, and where it stands after a crash. */
import t from 'tap'
import { drain } from '../../actors/logplex/drain.ts'
import {
  delivered,
  failed,
  history,
  linesOf,
  opening,
  refused,
  shipmentOf,
  startUs,
} from '../kit/drain-history.ts'
import { drive, textsOf } from '../kit/drive.ts'

const { to } = opening
const opened = () => {
  const log = history()
  const driven = drive(drain, { key: 'drain-1', args: null })
  driven.send(opening)
  driven.done('history.end', log.end())
  return { log, driven }
}

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
  t.match(shipment, { id: 'drain-1', to: opening.to, skip: 0, count: null, loss: null })
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

t.test('a drain looks for what it was not told, and not for what it knows', async (t) => {
  const { log, driven } = opened()
  const first = log.append(2)
  driven.send({ type: 'stored', batch: first })
  driven.fire('send')
  driven.done('drains.send', delivered(2))
  driven.send({ type: 'look', sequence: first.sequence })
  t.equal(driven.ran.length, 0)
  const missed = log.append(1)
  driven.send({ type: 'look', sequence: missed.sequence })
  driven.done('history.read', { batches: [missed] })
  driven.fire('send')
  t.same(linesOf(shipmentOf(driven.ran[0])), linesOf({ ...shipmentOf(driven.ran[0]), batches: [missed] }))
  driven.send({ type: 'look', sequence: missed.sequence })
  t.equal(driven.ran.length, 1, 'it is on its way')
})

t.test('one that is closed before it was open tells who waits for it', async (t) => {
  const driven = drive(drain, { key: 'drain-1', args: null })
  driven.send(opening)
  driven.send({ type: 'close' })
  t.match(driven.replies, [
    { type: 'open', refused: { code: 'not_found' } },
    { type: 'close', value: {} },
  ])
})

t.test(
  'a receiver that is away is tried again ever more seldom, with the same frame (backoff)',
  async (t) => {
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
    t.same(textsOf(driven), [], 'nothing is lost')
  },
)

t.test('lines that a receiver refuses are counted, to it and in the log, and the rest goes on', async (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(5) })
  driven.fire('send')
  driven.done('drains.send', refused(2))
  t.same(textsOf(driven), [
    "Error L10 (output buffer overflow): drain 'd.2f1a' dropped 2 messages " +
      'since 2027-01-15T08:00:00.000000+00:00.',
  ])
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 2, loss: { count: 2, sinceUs: startUs } })
  driven.done('drains.send', refused(1))
  t.equal(textsOf(driven).length, 1, 'not with each frame')
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 3, loss: { count: 3, sinceUs: startUs } })
  driven.done('drains.send', delivered(1))
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 4, loss: null })
  driven.fire('say')
  t.match(textsOf(driven)[1], /dropped 1 messages since/)
  t.match(driven.send({ type: 'state' }), { value: { dropped: 3 } })
})

t.test(
  'a receiver that is not who it says it is gets a line in the log, and no user name is in it',
  async (t) => {
    const { log, driven } = opened()
    driven.send({ type: 'stored', batch: log.append(1) })
    driven.fire('send')
    for (const _ of [1, 2]) {
      driven.done('drains.send', failed(1, { reason: 'CERT_HAS_EXPIRED', certificate: to.url }))
      driven.fire('retry')
    }
    t.same(textsOf(driven), [
      'Error L14 (certificate validation): error="CERT_HAS_EXPIRED" uri="https://logs.example.com/in"',
    ])
    driven.nowMs += 60_000
    driven.done('drains.send', failed(1, { reason: 'CERT_HAS_EXPIRED', certificate: to.url }))
    t.equal(textsOf(driven).length, 2, 'once a minute')
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

t.test('lines that fill a frame do not wait for more', (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(399) })
  t.equal(driven.ran.length, 0)
  driven.send({ type: 'stored', batch: log.append(1) })
  t.equal(linesOf(shipmentOf(driven.ran[0])).length, 400)
  t.end()
})

t.test('an answer that comes late is no answer to what is done now', (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(2) })
  const answer = { count: 1, sinceUs: startUs, untilUs: startUs }
  driven.send({ type: 'failed', count: 1, reason: 'late', certificate: null, retryAfterMs: null, room: 0 })
  driven.send({ type: 'sent', ...answer })
  driven.send({ type: 'refused', ...answer, reason: 'late' })
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

t.test('where many drains wait there is less room: it keeps less, and reads it again for each try', (t) => {
  const { log, driven } = opened()
  for (const _ of [1, 2, 3]) driven.send({ type: 'stored', batch: log.append(10) })
  driven.fire('send')
  driven.done('drains.send', failed(12, { room: 250 }))
  driven.send({ type: 'stored', batch: log.append(10) })
  t.equal(driven.ran.length, 0, 'what is stored meanwhile is not kept')
  driven.fire('retry')
  t.equal(linesOf(shipmentOf(driven.ran[0])).length, 20)
  driven.done('drains.send', failed(12, { room: 150 }))
  driven.fire('retry')
  t.match(driven.ran, [{ name: 'history.read', args: { after: 10 } }])
  driven.done('history.read', { batches: log.after(10) })
  t.match(shipmentOf(driven.ran[0]), { skip: 0, count: 12 }, 'the same frame')
  driven.done('drains.send', failed(12, { room: 0 }))
  driven.fire('retry')
  driven.done('history.read', { batches: log.after(10).slice(1) })
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { count: null, loss: { count: 10 } }, 'unless lines of it are gone')
  driven.done('drains.send', failed(5, { room: 0 }))
  driven.fire('retry')
  driven.done('history.read', { batches: [] })
  const last = log.append(2)
  driven.send({ type: 'stored', batch: last })
  driven.done('history.read', { batches: [last] })
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { count: null, loss: { count: 40 } })
  driven.done('drains.send', delivered(2))
  driven.send({ type: 'look' })
  t.match(driven.ran, [{ name: 'history.read', args: { bytesMax: 1_048_576 } }])
  t.end()
})

t.test('a drain that is to lead elsewhere does so from where it stands, and waits no more', async (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(3) })
  driven.fire('send')
  driven.done('drains.send', failed(2))
  const elsewhere = { ...to, url: 'https://other.example.com/', decidedAt: 6 }
  t.match(driven.send({ type: 'open', to: elsewhere }), { value: {} })
  t.notOk(driven.timers.has('retry'))
  t.match(shipmentOf(driven.ran[0]), { to: elsewhere, skip: 0, count: 2 }, 'what is not known to have come')
  t.match(driven.send({ type: 'open', to: { ...to, url: 'https://late.example.com/' } }), { value: {} })
  driven.done('drains.send', delivered(2))
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { to: elsewhere, skip: 2 }, 'what was decided before came too late')
  t.match(driven.saved(), { to: elsewhere })
})

t.test('of two places that a drain is to lead to before it is open, the later one counts', async (t) => {
  const { end } = history()
  const driven = drive(drain, { key: 'drain-1', args: null })
  const later = { ...to, url: 'https://later.example.com/', decidedAt: 6 }
  driven.send({ type: 'open', to: later })
  driven.send(opening)
  driven.done('history.end', end())
  t.match(driven.saved(), { to: later })
})

t.test('lines that a receiver took and dropped are lost, and the frame is not sent again', async (t) => {
  const { log, driven } = opened()
  driven.send({ type: 'stored', batch: log.append(5) })
  driven.fire('send')
  const reason = 'the receiver rejected 2 of 3 lines: too old'
  driven.done('drains.send', { ...delivered(3), rejected: { count: 2, reason } })
  t.match(driven.send({ type: 'state' }), { value: { state: 'up', dropped: 2, lag: 2, reason } })
  t.match(textsOf(driven), [/drain 'd.2f1a' dropped 2 messages since 2027-01-15T08:00:00/])
  driven.fire('send')
  t.match(shipmentOf(driven.ran[0]), { skip: 3, loss: { count: 2, sinceUs: startUs } })
  driven.done('drains.send', delivered(2))
  t.match(driven.send({ type: 'state' }), { value: { dropped: 2, reason: null } })
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
