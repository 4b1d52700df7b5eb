/** Telemetry drains against a receiver that answers by its script: what is sent, and what comes of it. */
import t, { type Test } from 'tap'
import { parseEndpoint } from '../../src/otlp/endpoint.ts'
import { otlpProtocol } from '../../src/otlp/protocol.ts'
import { openSink, type Sink } from '../../src/syslog/sink.ts'
import { systemClock } from '../../src/system/clock.ts'
import { frameOf, logMessage } from '../kit/drains.ts'
import { encodeRejection, startOtlpReceiver } from '../kit/otlp-receiver.ts'

const sinkTo = (t: Test, endpoint: string, headers: Readonly<Record<string, string>> = {}): Sink => {
  const protocol = otlpProtocol({
    headers: async () => headers,
    scope: 'tests',
    groupsOf: (messages, { id }) => [
      {
        attributes: [['service.name', 'demo']],
        records: messages.map(({ atUs, priority, text }, at) => ({
          atUs,
          severity: priority & 7,
          body: text,
          attributes: [['log.record.uid', `${id}-${at}`]],
        })),
      },
    ],
  })
  const deps = { clock: systemClock, random: () => 0, limits: { closeMs: 200 } }
  const sink = openSink(parseEndpoint(endpoint), deps, protocol)
  t.teardown(() => sink.close())
  return sink
}

t.test('a batch is one POST of compressed protobuf, with the headers that were given', async (t) => {
  const receiver = await startOtlpReceiver(t)
  const at = receiver.url.replace('//', '//user:word@')
  const sink = sinkTo(t, `${at}/otlp?k=1`, { 'x-team': 'secret' })
  const messages = ['one', 'two ü', ''].map((text) => logMessage(text))
  t.same(await sink.send(messages, frameOf(1)), { kind: 'delivered' })
  const named = sinkTo(t, at, { authorization: 'Bearer mine' })
  t.same(await named.send(messages, frameOf(2)), { kind: 'delivered' })
  t.same(receiver.problems, [])
  const [first, second] = receiver.received
  t.match(first, {
    target: '/otlp/v1/logs?k=1',
    headers: {
      'x-team': 'secret',
      authorization: `Basic ${Buffer.from('user:word').toString('base64')}`,
      'user-agent': 'OTel-OTLP-Exporter-tests',
    },
  })
  t.same(
    first?.records.map(({ body, attributes }) => [body, attributes['log.record.uid']]),
    [
      ['one', `${frameOf(1).id}-0`],
      ['two ü', `${frameOf(1).id}-1`],
      ['', `${frameOf(1).id}-2`],
    ],
  )
  t.equal(second?.headers.authorization, 'Bearer mine', 'a header goes before what the address says')
})

t.test('only what a receiver calls temporary is tried again, when it says so', async (t) => {
  const wait = (status: number) => ({ status, headers: { 'retry-after': '7' } })
  const refused = (status: number) => ({ kind: 'refused', status, reason: `the receiver answered ${status}` })
  const cases = [
    [204, { kind: 'delivered' }],
    [400, refused(400)],
    [401, refused(401)],
    [413, refused(413)],
    [500, refused(500)],
    [{ status: 307, headers: { location: '/other' } }, refused(307)],
    [408, { kind: 'failed', reason: /408/, connected: true }],
    [wait(429), { kind: 'failed', retryAfterMs: 7000 }],
    [wait(502), { kind: 'failed', retryAfterMs: 7000 }],
    [wait(503), { kind: 'failed', retryAfterMs: 7000 }],
    [504, { kind: 'failed', retryAfterMs: undefined }],
    [
      { status: 200, body: Buffer.from('{}') },
      { kind: 'delivered', rejected: undefined },
    ],
  ] as const
  const receiver = await startOtlpReceiver(
    t,
    cases.map(([answer]) => answer),
  )
  const sink = sinkTo(t, receiver.url)
  for (const [at, [answer, outcome]] of cases.entries())
    t.match(await sink.send([logMessage('x')], frameOf(at)), outcome, JSON.stringify(answer))
  t.equal(receiver.received.length, cases.length, 'no redirect is followed')
})

t.test('records that a receiver takes in part are told by their count', async (t) => {
  const receiver = await startOtlpReceiver(t, [
    { status: 200, body: encodeRejection(1, 'too old') },
    { status: 200, body: encodeRejection(2) },
    { status: 200, body: encodeRejection(900, 'x'.repeat(900)) },
  ])
  const sink = sinkTo(t, receiver.url)
  const two = [logMessage('a'), logMessage('b')]
  t.same(await sink.send(two, frameOf(0)), {
    kind: 'delivered',
    rejected: { count: 1, reason: 'the receiver rejected 1 of 2 lines: too old' },
  })
  t.same(await sink.send(two, frameOf(1)), {
    kind: 'refused',
    status: 200,
    reason: 'the receiver rejected 2 of 2 lines',
  })
  const all = await sink.send(two, frameOf(2))
  t.match(all, { kind: 'refused', reason: /^the receiver rejected 2 of 2 lines: x{200}$/ })
})
