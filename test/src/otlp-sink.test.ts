/** Telemetry drains against a receiver that answers by its script: what is sent, and what comes of it. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
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
  const deps = { clock: systemClock, random: () => 0, limits: { closeMs: 200, requestMs: 1_000 } }
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
      'accept-encoding': 'identity',
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

t.test('whatever a receiver answers, or does not, is an outcome, and the next batch goes', async (t) => {
  const head = (status: string, ...more: readonly string[]): string =>
    `HTTP/1.1 ${[status, 'Content-Type: application/x-protobuf', ...more].join('\r\n')}\r\n\r\n`
  const rejection = Buffer.from(encodeRejection(1, 'too old'))
  const packed = gzipSync(rejection)
  const lengthOf = (bytes: Buffer, extra = 0): string => `Content-Length: ${bytes.length + extra}`
  const delivered = { kind: 'delivered', rejected: undefined }
  const failed = { kind: 'failed', connected: true }
  const answers: readonly (readonly [string, (socket: Socket) => void, object])[] = [
    ['nothing', () => {}, { ...failed, code: 'ETIMEDOUT' }],
    ['its end', (socket) => socket.end(), failed],
    ['a reset', (socket) => socket.resetAndDestroy(), failed],
    ['half a head', (socket) => socket.end('HTTP/1.1 200 O'), failed],
    ['no HTTP', (socket) => socket.end('220 smtp ready\r\n'), failed],
    ['a head without end', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`), failed],
    ['early hints alone', (socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), failed],
    [
      'half a body',
      (socket) => {
        socket.write(head('200 OK', lengthOf(rejection, 9)))
        socket.end(rejection)
      },
      delivered,
    ],
    [
      'a body that does not go on',
      (socket) => {
        socket.write(head('200 OK', lengthOf(rejection, 9)))
        socket.write(rejection)
      },
      delivered,
    ],
    [
      'much',
      (socket) => socket.write(head('200 OK', 'Content-Length: 999999999') + 'x'.repeat(99_999)),
      delivered,
    ],
    [
      'much of an error',
      (socket) =>
        socket.write(head('503 Busy', 'Content-Length: 99999999', 'Retry-After: 3') + 'x'.repeat(99_999)),
      { ...failed, retryAfterMs: 3000 },
    ],
    [
      'gzip that it was not asked for',
      (socket) => {
        socket.write(head('200 OK', lengthOf(packed), 'Content-Encoding: gzip'))
        socket.write(packed)
      },
      delivered,
    ],
    [
      'no gzip',
      (socket) => socket.write(head('200 OK', 'Content-Length: 3', 'Content-Encoding: gzip') + 'bad'),
      delivered,
    ],
    [
      'a time to wait that is none',
      (socket) => socket.write(head('429 Slow', 'Content-Length: 0', 'Retry-After: -5')),
      failed,
    ],
    [
      'a time to wait long past',
      (socket) =>
        socket.write(head('429 Slow', 'Content-Length: 0', 'Retry-After: Fri, 31 Dec 1999 23:59:59 GMT')),
      { ...failed, retryAfterMs: 0 },
    ],
    [
      'a time to wait without end',
      (socket) => socket.write(head('503 Busy', 'Content-Length: 0', `Retry-After: ${'9'.repeat(400)}`)),
      { ...failed, retryAfterMs: 3_600_000 },
    ],
    [
      'what it has rejected, in pieces',
      (socket) => {
        socket.write(head('200 OK', 'Transfer-Encoding: chunked'))
        for (const byte of rejection)
          socket.write(Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]))
        socket.write('0\r\n\r\n')
      },
      { kind: 'delivered', rejected: { count: 1, reason: 'the receiver rejected 1 of 2 lines: too old' } },
    ],
  ]
  let answer: (socket: Socket) => void = () => {}
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('data', () => answer(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const [what, one, outcome] of answers) {
    const sink = sinkTo(t, url)
    answer = one
    t.match(await sink.send([logMessage('a'), logMessage('b')], frameOf(1)), outcome, what)
    answer = (socket) => socket.end(head('200 OK', 'Content-Length: 0', 'Connection: close'))
    // A connection that is kept is asked again on the same socket.
    for (const socket of sockets) if (!socket.destroyed) socket.once('data', () => answer(socket))
    t.match(await sink.send([logMessage('c')], frameOf(2)), { kind: 'delivered' }, `after ${what}`)
  }
})
