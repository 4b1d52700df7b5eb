/** Lines as telemetry: whose they are said to be, in how large requests, and with which headers. */
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { performDrains } from '../../actors/effects/perform/drains.ts'
import { packBatch } from '../../actors/logplex/packed.ts'
import { certificateLine, overflowOfDrain } from '../../actors/logplex/codes.ts'
import type { Shipment, Shipped } from '../../actors/effects/drains.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import { openSink } from '../../src/syslog/sink.ts'
import { systemClock } from '../../src/system/clock.ts'
import { startOtlpReceiver } from '../kit/otlp-receiver.ts'

const line = (source: string, process: string, text: string): Line => ({
  atUs: 1_700_000_000_000_001,
  source,
  process,
  text: Buffer.from(text),
})

const bench = async (t: Test, answers: readonly number[] = []) => {
  const receiver = await startOtlpReceiver(t, answers)
  let sealed: Readonly<Record<string, string>> | undefined = { 'x-key': 'secret' }
  const effects = performDrains({
    now: () => 1_700_000_000_001,
    openSink: (address, protocol) =>
      openSink(address, { clock: systemClock, random: () => 0, limits: { closeMs: 200 } }, protocol),
    openHeaders: async (appId, headersId) => {
      if (sealed === undefined || appId !== 'a1' || headersId !== 'h1') throw new Error('the store is away')
      return sealed
    },
  })
  t.teardown(() => (effects['drains.close'] as (args: object) => Promise<void>)({ id: 'drain-1' }))
  const send = (lines: readonly Line[], change: Partial<Shipment> = {}): Promise<Shipped> =>
    (effects['drains.send'] as (wanted: Shipment) => Promise<Shipped>)({
      id: 'drain-1',
      to: {
        appId: 'a1',
        url: receiver.url,
        token: 'drain-1',
        telemetry: { headersId: 'h1', appName: 'demo' },
        decidedAt: 1,
      },
      batches: [
        { sequence: 7, after: 0, first: 0, count: lines.length, bytes: packBatch({ first: 0, lines }) },
      ],
      skip: 0,
      count: null,
      loss: null,
      ...change,
    })
  return { receiver, send, lose: () => (sealed = undefined) }
}

t.test('lines are their dyno’s, or the app’s when the platform speaks of it', async (t) => {
  const { receiver, send } = await bench(t)
  const lines = [
    line('app', 'web.1', 'one'),
    line('heroku', 'router', 'at=info'),
    line('app', 'web.1', 'two'),
    line('my-database', 'db.1', 'checkpoint'),
    line('heroku', 'web.1', 'State changed from starting to up'),
  ]
  t.match(await send(lines, { loss: { count: 3, sinceUs: 1_700_000_000_000_000 } }), {
    kind: 'delivered',
    count: 5,
  })
  t.same(receiver.problems, [])
  const [request] = receiver.received
  t.equal(request?.headers['x-key'], 'secret')
  const app = { 'cloud.provider': 'heroku', 'heroku.app.id': 'a1', 'service.name': 'demo' }
  const web = { ...app, 'heroku.dyno.name': 'web.1', 'service.instance.id': 'web.1' }
  t.same(
    request?.records.map(({ resource, scope, severity, body }) => [resource, scope, severity[1], body]),
    [
      [
        app,
        'manifold',
        'warning',
        'Error L10 (output buffer overflow): 3 messages dropped since 2023-11-14T22:13:20.000000+00:00.',
      ],
      [app, 'manifold', 'info', 'at=info'],
      [app, 'manifold', 'notice', 'checkpoint'],
      [web, 'manifold', 'info', 'one'],
      [web, 'manifold', 'info', 'two'],
      [web, 'manifold', 'notice', 'State changed from starting to up'],
    ],
    'what is lost stands before the rest, and lines of one dyno in their order',
  )
  t.match(request?.records[1]?.attributes, {
    'heroku.log.source': 'heroku',
    'heroku.log.process': 'router',
    'log.record.uid': 'a1-1-1700000000000001',
  })
})

t.test('a request is as large as a frame, and one that is sent again is the same to the byte', async (t) => {
  const { receiver, send } = await bench(t, [503])
  const lines = Array.from({ length: 30 }, () => line('app', 'web.1', 'x'.repeat(10_000)))
  const loss = { count: 2, sinceUs: 1 }
  t.match(await send(lines, { loss }), { kind: 'failed', count: 10, reason: 'the receiver answered 503' })
  t.match(await send(lines, { count: 10, loss }), { kind: 'delivered', count: 10 })
  const [first, second] = receiver.received
  t.equal(first?.records.length, 11)
  t.strictSame(first?.body, second?.body)
})

t.test('a request of short lines is as large as one of long ones', async (t) => {
  const { receiver, send } = await bench(t)
  const lines = Array.from({ length: 1_000 }, () => line('app', 'web.1', ''))
  t.match(await send(lines), { kind: 'delivered', count: Number })
  const bytes = gunzipSync(receiver.received[0]?.body ?? '').length
  t.ok(bytes > 60_000 && bytes < 120_000, `${bytes} bytes`)
})

t.test('a line has the same id in whatever frame it comes again, as after a crash', async (t) => {
  const { receiver, send } = await bench(t)
  const lines = ['a', 'b', 'c', 'd'].map((text) => line('app', 'web.1', text))
  const part = (first: number, end: number, sequence: number) => {
    const bytes = packBatch({ first: 40 + first, lines: lines.slice(first, end) })
    return { sequence, after: sequence - 1, first: 40 + first, count: end - first, bytes }
  }
  const loss = { count: 2, sinceUs: 1 }
  await send([], { batches: [part(0, 2, 7)], loss })
  await send([], { batches: [part(0, 2, 7), part(2, 4, 8)], skip: 1 })
  await send([], { batches: [part(2, 4, 8)] })
  const idsOf = (text: string) =>
    receiver.received.flatMap(({ records }) =>
      records.filter(({ body }) => body === text).map(({ attributes }) => attributes['log.record.uid']),
    )
  t.same(
    ['a', 'b', 'c', 'd'].map((text) => idsOf(text).length),
    [1, 2, 2, 2],
  )
  const ids = ['a', 'b', 'c', 'd'].map((text) => new Set(idsOf(text)))
  t.ok(ids.every(({ size }) => size === 1))
  t.equal(new Set(ids.flatMap((one) => [...one])).size, 4, 'and no two have the same')
  t.match(receiver.received[0]?.records[0]?.attributes, { 'log.record.uid': /^[0-9A-F]{32}-0$/ }, 'the loss')
})

t.test('what drains say in the log of the app goes to none, what another says so does', async (t) => {
  const { receiver, send } = await bench(t)
  const own = overflowOfDrain('d.1', { count: 3, sinceUs: 0 }, 1)
  const lines = [
    own,
    certificateLine('CERT', 'https://h', 1),
    { ...own, priority: 13 },
    { ...own, source: 'x' },
  ]
  t.match(await send(lines), { kind: 'delivered', count: 4 })
  t.same(
    receiver.received[0]?.records.map(({ severity, attributes }) => [
      severity[1],
      attributes['heroku.log.source'],
    ]),
    [
      ['notice', 'heroku'],
      ['warning', 'x'],
    ],
  )
  t.same(await send(lines.slice(0, 2)), { kind: 'delivered', count: 2, sinceUs: 1, untilUs: 1 })
  t.equal(receiver.received.length, 1, 'nothing is sent when there is nothing else')
})

t.test('a telemetry drain whose headers cannot be opened now sends nothing without them', async (t) => {
  const { receiver, send, lose } = await bench(t)
  lose()
  t.match(await send([line('app', 'web.1', 'one')]), {
    kind: 'failed',
    count: 1,
    reason: 'the store is away',
  })
  t.equal(receiver.received.length, 0)
})
