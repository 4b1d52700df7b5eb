/** What the frames of a drain hold: which lines, how many, under which id, and what stands before them. */
import t from 'tap'
import type { Shipment, Shipped } from '../../actors/effects/drains.ts'
import { performDrains } from '../../actors/effects/perform/drains.ts'
import { packBatch } from '../../actors/logplex/packed.ts'
import { certificateLine, overflowLine, overflowOfDrain } from '../../actors/logplex/codes.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import type { LogMessage } from '../../src/syslog/message.ts'
import type { Frame, Outcome, Sink } from '../../src/syslog/sink.ts'
import { drainToken } from '../kit/drains.ts'

const startUs = 1_800_000_000_000_000

const line = (text: string, at = 0): Line => ({
  atUs: startUs + at,
  source: 'app',
  process: 'web.1',
  text: Buffer.from(text),
})

const batch = (first: number, lines: readonly Line[]) => ({
  sequence: first + 7,
  after: 0,
  first,
  count: lines.length,
  bytes: packBatch({ first, lines }),
})

const to = {
  appId: 'a1',
  url: 'https://me:secret@logs.example.com/in',
  token: drainToken,
  telemetry: null,
  decidedAt: 1,
}

const shipment = (change: Partial<Shipment> = {}): Shipment => ({
  id: 'drain-1',
  to,
  batches: [batch(0, [line('a', 1), line('b', 2), line('c', 3)]), batch(3, [line('d', 4), line('e', 5)])],
  skip: 0,
  count: null,
  loss: null,
  ...change,
})

/** Sends through sinks that note what they are given. */
const bench = (outcome: Outcome | (() => Outcome) = { kind: 'delivered' }) => {
  const frames: (Frame & { readonly texts: readonly string[]; readonly to: string })[] = []
  const closed: string[] = []
  const effects = performDrains({
    now: () => startUs / 1000 + 60_000,
    openHeaders: async () => ({}),
    openSink: ({ shown }): Sink => ({
      send: (messages: readonly LogMessage[], frame: Frame) => {
        frames.push({ ...frame, texts: messages.map(({ text }) => Buffer.from(text).toString()), to: shown })
        return Promise.resolve(typeof outcome === 'function' ? outcome() : outcome)
      },
      close: () => {
        closed.push(shown)
        return Promise.resolve()
      },
    }),
  })
  const send = (change: Partial<Shipment> = {}): Promise<Shipped> =>
    (effects['drains.send'] as (wanted: Shipment) => Promise<Shipped>)(shipment(change))
  return { frames, closed, send, close: effects['drains.close'] as (args: object) => Promise<void> }
}

t.test('a frame holds the lines that wait, from where the drain stands', async (t) => {
  const { frames, send } = bench()
  t.same(await send(), { kind: 'delivered', count: 5, sinceUs: startUs + 1, untilUs: startUs + 5 })
  t.same(await send({ skip: 2 }), { kind: 'delivered', count: 3, sinceUs: startUs + 3, untilUs: startUs + 5 })
  t.same(await send({ skip: 1, count: 3 }), {
    kind: 'delivered',
    count: 3,
    sinceUs: startUs + 2,
    untilUs: startUs + 4,
  })
  t.same(
    frames.map(({ texts }) => texts.join('')),
    ['abcde', 'cde', 'bcd'],
  )
})

t.test('a frame takes 100 KB, or one line that is larger, or as many as it took before', async (t) => {
  const { frames, send } = bench()
  const big = Array.from({ length: 30 }, (_, at) => line('x'.repeat(10_000), at))
  t.match(await send({ batches: [batch(0, big)] }), { count: 10 })
  t.match(await send({ batches: [batch(0, [line('x'.repeat(200_000)), line('y')])] }), { count: 1 })
  t.match(await send({ batches: [batch(0, big)], count: 12 }), { count: 12 })
  t.same(
    frames.map(({ texts }) => texts.length),
    [10, 1, 12],
  )
})

t.test('over TCP a frame takes 512 KB: nobody there sees where it ends', async (t) => {
  const { frames, send } = bench()
  const lines = Array.from({ length: 600 }, (_, at) => line('x'.repeat(1_000), at))
  const url = 'syslog://logs.example.com:601'
  await send({ to: { ...to, url }, batches: [batch(0, lines.slice(0, 300)), batch(300, lines.slice(300))] })
  const taken = frames[0]?.texts.length ?? 0
  t.ok(taken > 450 && taken * 1_000 < 512 * 1024, `${taken} lines`)
})

t.test('the id of a frame follows from what it holds', async (t) => {
  const { frames, send } = bench()
  const loss = { count: 3, sinceUs: startUs }
  const changes: Partial<Shipment>[] = [
    {},
    { count: 4 },
    { skip: 1 },
    { id: 'drain-2' },
    { loss },
    { loss: { ...loss, count: 4 } },
    { batches: [batch(9, [line('a', 1), line('b', 2), line('c', 3)])] },
  ]
  for (const change of changes) await send(change)
  for (const change of changes) await send(change)
  const ids = frames.map(({ id }) => id)
  t.equal(new Set(ids).size, changes.length)
  t.same(ids.slice(0, changes.length), ids.slice(changes.length), 'and is the same when it is sent again')
  for (const id of ids) t.match(id, /^[0-9A-F]{32}$/)
})

t.test('what is lost stands first, and is not counted as a line', async (t) => {
  const { frames, send } = bench()
  t.match(await send({ loss: { count: 3, sinceUs: startUs } }), { count: 5 })
  t.equal(
    frames[0]?.texts[0],
    'Error L10 (output buffer overflow): 3 messages dropped since 2027-01-15T08:00:00.000000+00:00.',
  )
  t.equal(frames[0]?.texts.length, 6)
})

t.test("lines about an app's drains go to none of them, and are passed", async (t) => {
  const { frames, send } = bench()
  const told = [
    overflowOfDrain('d.another', { count: 9, sinceUs: startUs }, startUs),
    certificateLine('CERT_HAS_EXPIRED', 'https://logs.example.com/in', startUs),
  ]
  t.match(await send({ batches: [batch(0, told)] }), { kind: 'delivered', count: 2 })
  t.equal(frames.length, 0, 'nothing else: no frame')
  const forged = told.map((one) => ({ ...one, source: 'app', process: 'web.1' }))
  const ofChannel = overflowLine({ count: 2, sinceUs: startUs }, startUs)
  t.match(await send({ batches: [batch(0, [...told, ...forged, ofChannel])] }), { count: 5 })
  t.equal(frames[0]?.texts.length, 3, 'what the app itself says of it is a line like any other')
})

t.test('what became of a frame is told with its lines', async (t) => {
  const part = { count: 5, sinceUs: startUs + 1, untilUs: startUs + 5 }
  const reason = 'it answered 413'
  t.same(await bench({ kind: 'refused', status: 413, reason }).send(), { kind: 'refused', ...part, reason })
  const rejected = { count: 2, reason: 'too old' }
  t.same(await bench({ kind: 'delivered', rejected }).send(), { kind: 'delivered', ...part, rejected })
  t.same(await bench({ kind: 'failed', reason: 'away', connected: false }).send(), {
    kind: 'failed',
    count: 5,
    reason: 'away',
    certificate: null,
    retryAfterMs: null,
    room: 1_048_576,
  })
  const failed = {
    kind: 'failed',
    reason: 'expired',
    connected: false,
    certificate: true,
    retryAfterMs: 7,
  } as const
  t.match(
    await bench(failed).send(),
    { certificate: 'https://logs.example.com/in', retryAfterMs: 7 },
    'without user name and password',
  )
})

t.test('drains that fail share the room for what waits', async (t) => {
  const failing = { kind: 'failed', reason: 'away', connected: false } as const
  const outcomes: Outcome[] = [...Array.from({ length: 512 }, () => failing), { kind: 'delivered' }, failing]
  const { send, close } = bench(() => outcomes.shift() ?? failing)
  const rooms: unknown[] = []
  for (let drain = 0; drain < 512; drain++) rooms.push(await send({ id: `drain-${drain}` }))
  t.match(rooms[255], { room: 1_048_576 })
  t.match(rooms[511], { room: 524_288 })
  await send({ id: 'drain-0' })
  t.match(await send({ id: 'drain-1' }), { room: 525_314 }, 'one is well again')
  for (let drain = 1; drain < 300; drain++) await close({ id: `drain-${drain}` })
  t.match(await send({ id: 'drain-300' }), { room: 1_048_576 }, 'those that are closed have none')
})

t.test('a drain has one connection, until it is closed or leads elsewhere', async (t) => {
  const { closed, frames, send, close } = bench()
  await send()
  await send()
  t.same(closed, [])
  await send({ to: { ...to, url: 'syslog://logs.example.com:6000', decidedAt: 2 } })
  t.same(closed, ['https://logs.example.com/in'])
  t.match(frames.at(-1)?.to, 'syslog://logs.example.com:6000/')
  await close({ id: 'drain-1' })
  await close({ id: 'drain-1' })
  t.equal(closed.length, 2)
})
