/**
 * HTTP/2 by raw frames against the engine: what must not be forwarded (`spec/router.md` §5.5, H1 to H8) and
 * the floods that have brought servers down (H9). After each the next connection is served, and no dyno is
 * left busy.
 */
import t, { type Test } from 'tap'
import { ok, routeTo, startProxy, startTarget, type Target, type World } from '../kit/proxy.ts'
import { block, flag, frame, FramePeer, frameType, newest, u32, type Field } from '../kit/h2-frames.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const { data, headers, reset, settings, ping, windowUpdate, continuation, priority } = frameType
const whole = flag.endStream | flag.endHeaders

const pseudo = (more: Readonly<Record<string, string>> = {}): Field[] =>
  Object.entries({ ':method': 'GET', ':scheme': 'http', ':authority': 'a.example', ':path': '/', ...more })
const without = (name: string): Field[] => pseudo().filter(([one]) => one !== name)
const ask = (stream: number, fields: readonly Field[] = pseudo(), flags: number = whole): Buffer =>
  frame(headers, flags, stream, block(fields))

const open = async (t: Test, dyno?: (target: Target) => void): Promise<{ world: World; target: Target }> => {
  const target = await startTarget((peer) =>
    peer.socket.on('data', () => peer.text.endsWith('\r\n\r\n') && dyno === undefined && peer.send(ok())),
  )
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  return { world, target }
}
const client = (t: Test, world: World, payload?: Uint8Array): FramePeer => {
  const peer = new FramePeer(world.port, payload)
  t.teardown(() => void peer.socket.destroy())
  return peer
}
/** The next connection is served, and nothing of those before it is left at a dyno. */
const servesOn = async (t: Test, world: World): Promise<void> => {
  t.equal(await client(t, world).send(ask(1)).outcome(1), 'answered', 'the next connection is served')
  await until(() => world.proxy.stats().inFlight === 0, { what: 'no request left' })
}

const refusedOnes: readonly (readonly [why: string, fields: readonly Field[]])[] = [
  ['H1 a name in upper case', [...pseudo(), ['X-Upper', '1']]],
  ['H1 a name with a colon', [...pseudo(), ['x:y', '1']]],
  ['H1 a name with a blank', [...pseudo(), ['x y', '1']]],
  ['H1 an empty name', [...pseudo(), ['', '1']]],
  ['H1 a value with CR LF', [...pseudo(), ['x-a', 'b\r\nx-injected: 1']]],
  ['H1 a value with LF', [...pseudo(), ['x-a', 'b\nx-injected: 1']]],
  ['H1 a value with NUL', [...pseudo(), ['x-a', 'b\0c']]],
  ['H1 a value with a blank at its edge', [...pseudo(), ['x-a', ' b ']]],
  ['H2 Connection', [...pseudo(), ['connection', 'close']]],
  ['H2 Keep-Alive', [...pseudo(), ['keep-alive', '5']]],
  ['H2 Proxy-Connection', [...pseudo(), ['proxy-connection', 'close']]],
  ['H2 Transfer-Encoding', [...pseudo(), ['transfer-encoding', 'chunked']]],
  ['H2 Upgrade', [...pseudo(), ['upgrade', 'websocket']]],
  ['H2 TE but trailers', [...pseudo(), ['te', 'gzip']]],
  ['H3 an empty path', pseudo({ ':path': '' })],
  ['H3 a path without its slash', pseudo({ ':path': 'x' })],
  ['H3 a path with a blank', pseudo({ ':path': '/a b' })],
  ['H3 a path with CR LF', pseudo({ ':path': '/ HTTP/1.1\r\nx-injected: 1\r\n' })],
  ['H3 a method with a blank', pseudo({ ':method': 'GET /admin HTTP/1.1\r\nx-injected: 1' })],
  ['H3 a scheme that is none', pseudo({ ':scheme': 'http://x/?' })],
  ['H3 an authority with a user', pseudo({ ':authority': 'me@a.example' })],
  ['H3 an authority with a path', pseudo({ ':authority': 'a.example/x' })],
  ['H4 another Host than authority', [...pseudo(), ['host', 'b.example']]],
  ['H6 two paths', [...pseudo(), [':path', '/2']]],
  ['H6 no method', without(':method')],
  ['H6 no path', without(':path')],
  ['H6 no scheme', without(':scheme')],
  ['H6 neither authority nor Host', without(':authority')],
  ['H6 a pseudo header after others', [['x-a', '1'], ...pseudo()]],
  ['H6 one that nobody knows', [...pseudo(), [':x', '1']]],
  ['H6 one of an answer', [...pseudo(), [':status', '200']]],
  ['H6 an empty header list', []],
]

/**
 * RFC 9113 §8.2.1 has these requests refused; nghttp2 drops the field before Node hears of it, and the rest
 * goes on without. Nothing can be smuggled by what is not there.
 */
const leftOut: ReadonlySet<string> = new Set([
  'H1 a name with a colon',
  'H1 a name with a blank',
  'H1 an empty name',
  'H1 a value with CR LF',
  'H1 a value with LF',
  'H1 a value with NUL',
  'H1 a value with a blank at its edge',
])

t.test('what would be something else in HTTP/1.1 never reaches a dyno as it was meant', async (t) => {
  const { world, target } = await open(t)
  const reachedBy = async (fields: readonly Field[]): Promise<string> => {
    const before = target.peers.length
    await client(t, world).send(ask(1, fields)).outcome(1)
    const texts = target.peers.slice(before).map(({ text }) => text)
    return texts.join('').replaceAll(/X-Request-Id: .*\r\n/g, '')
  }
  const plain = await reachedBy(pseudo())
  t.match(plain, /^GET \/ HTTP\/1.1\r\n/)
  for (const [why, fields] of refusedOnes) {
    const reached = await reachedBy(fields)
    if (leftOut.has(why)) t.equal(reached, plain, `${why}: the request without it`)
    else t.equal(reached, '', `${why}: nothing`)
  }
  await servesOn(t, world)
})

t.test('H5 a body that is not as long as was said is never whole to a dyno', async (t) => {
  const { world, target } = await open(t)
  const post = (length: string): Field[] => [...pseudo({ ':method': 'POST' }), ['content-length', length]]
  for (const [length, body] of [
    ['5', 'abc'],
    ['2', 'abc'],
    ['3', ''],
  ] as const) {
    const before = target.peers.length
    const peer = client(t, world).send(ask(1, post(length), flag.endHeaders))
    const got = await peer.send(frame(data, flag.endStream, 1, Buffer.from(body))).outcome(1)
    t.match(got, /^(rst|goaway) [12]$/, `${body.length} of ${length}`)
    await until(() => target.peers.slice(before).every((one) => one.closed || one.ended), {
      what: 'it to be told',
    })
    for (const { text } of target.peers.slice(before)) t.notMatch(text, /\r\n\r\nabc?$/s)
  }
  await servesOn(t, world)
})

t.test('H6 a pseudo header among trailers ends the stream, not the body', async (t) => {
  const { world, target } = await open(t, () => undefined)
  const peer = client(t, world).send(ask(1, pseudo({ ':method': 'POST' }), flag.endHeaders))
  peer.send(frame(data, 0, 1, Buffer.from('abc')))
  const dyno = await target.peer(0)
  await dyno.sees('abc')
  peer.send(frame(headers, whole, 1, block([[':path', '/x']])))
  t.match(await peer.outcome(1), /^(rst|goaway) 1$/)
  await dyno.seesEnd()
  t.notMatch(dyno.text, /0\r\n\r\n$/, 'the dyno never saw the end of it')
})

t.test('H8 a window of one byte stalls its stream and nothing else', async (t) => {
  const size = 8_000_000
  const { world, target } = await open(t, () => undefined)
  const peer = client(t, world, Buffer.concat([Buffer.from([0, 4]), u32(1)])).send(ask(1))
  const dyno = await target.peer(0)
  await dyno.sees('\r\n\r\n')
  dyno.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
  dyno.socket.write(Buffer.alloc(size, 'x'))
  await until(() => world.proxy.stats().stalledClients === 1, { what: 'the dyno to be slowed' })
  t.ok(dyno.socket.writableLength > 0, 'most of it waits at the dyno')
  const received = (): number =>
    peer.frames.filter(({ type }) => type === data).reduce((sum, { payload }) => sum + payload.length, 0)
  await until(() => received() === 1, { what: 'the one byte' })
  for (let byte = 2; byte <= 20; byte += 1) {
    peer.send(frame(windowUpdate, 0, 1, u32(1)))
    await until(() => received() === byte, { what: `byte ${byte}` })
  }
  world.clock.advance(55_000)
  t.match(await peer.outcome(1), /^rst /, 'and its time is that of HTTP/1.1')
  t.match(await world.record(0), { code: 'H28' })
  await dyno.seesEnd()
})

/** Each is sent again and again until the connection is gone. */
const floods: readonly (readonly [name: string, round: (at: number) => Buffer, first?: Buffer])[] = [
  [
    'rapid reset (CVE-2023-44487)',
    (at) => Buffer.concat([ask(2 * at + 1), frame(reset, 0, 2 * at + 1, u32(8))]),
  ],
  [
    'streams that the server has to reset (CVE-2025-8671)',
    (at) =>
      Buffer.concat([
        ask(2 * at + 1, pseudo({ ':method': 'POST' }), flag.endHeaders),
        frame(windowUpdate, 0, 2 * at + 1, u32(0)),
      ]),
  ],
  ['malformed requests without end', (at) => ask(2 * at + 1, [...pseudo(), ['connection', 'close']])],
  [
    'a header list without end (CVE-2024-27983)',
    () => frame(continuation, 0, 1, block([['x-a', 'b'.repeat(1000)]])),
    ask(1, pseudo(), 0),
  ],
  ['empty continuations without end', () => frame(continuation, 0, 1), ask(1, pseudo(), 0)],
]

for (const [name, round, first] of floods) {
  t.test(`H9 ${name}: the connection is ended, its dynos let go`, async (t) => {
    const { world, target } = await open(t, () => undefined)
    const peer = client(t, world)
    if (first !== undefined) peer.send(first)
    for (
      let at = first === undefined ? 0 : 1;
      at < 20_000 && !peer.ended && !peer.socket.destroyed;
      at += 1
    ) {
      peer.send(round(at))
      if (at % 16 === 0) await new Promise(setImmediate)
    }
    await until(() => peer.ended, { what: 'the end of the connection' })
    await until(() => world.proxy.stats().inFlight === 0, { what: 'no request left' })
    await until(() => target.peers.every((one) => one.closed || one.ended), {
      what: 'its dynos to be let go',
    })
    t.ok(target.peers.length <= 500, `${target.peers.length} connections to the dyno`)
  })
}

const unread: readonly (readonly [name: string, one: Buffer])[] = [
  ['PING', frame(ping, 0, 0, Buffer.alloc(8))],
  ['SETTINGS', frame(settings, 0, 0, Buffer.concat([Buffer.from([0, 4]), u32(65_535)]))],
]
for (const [name, one] of unread) {
  t.test(`H9 ${name} without end from a client that reads nothing is not answered for ever`, async (t) => {
    const { world } = await open(t)
    const peer = client(t, world)
    peer.socket.pause()
    const many = Buffer.concat(Array.from({ length: 2000 }, () => one))
    let sent = 0
    while (sent < 4_000 && !peer.socket.destroyed && peer.socket.writable) {
      if (!peer.socket.write(many))
        await Promise.race([
          new Promise((resolve) => peer.socket.once('drain', resolve)),
          until(() => peer.ended, { what: 'its end', timeoutMs: 500 }).catch(() => undefined),
        ])
      sent += 1
      if (peer.socket.writableLength > 4_000_000) break
    }
    peer.socket.resume()
    await until(() => peer.ended, { what: 'the end of the connection' })
    t.ok(peer.ended)
    await servesOn(t, world)
  })
}

t.test(
  'H9 header lists that grow as they are read are refused, each as soon as it is too long',
  async (t) => {
    const { world, target } = await open(t)
    const peer = client(t, world)
    peer.send(frame(headers, whole, 1, block([...pseudo(), ['x-bomb', 'b'.repeat(3900)]], true)))
    t.equal(await peer.outcome(1), 'answered')
    const before = process.memoryUsage().rss
    // 200 bytes that stand for 780 KB each.
    const bomb = Buffer.concat([block(pseudo()), ...Array.from({ length: 200 }, () => newest)])
    const last = 4001
    for (let stream = 3; stream <= last && !peer.ended; stream += 2) {
      peer.send(frame(headers, whole, stream, bomb))
      if (stream % 64 === 1) await new Promise(setImmediate)
    }
    t.match(await peer.outcome(last), /^(rst|goaway) 11$/)
    t.equal(target.peers.length, 1, 'none of them reached a dyno')
    t.ok(process.memoryUsage().rss - before < 256 * 1_048_576, 'memory is bounded')
    await servesOn(t, world)
  },
)

t.test('H9 empty frames and priorities without end cost no dyno and no memory', async (t) => {
  const { world, target } = await open(t, () => undefined)
  const peer = client(t, world).send(ask(1, pseudo({ ':method': 'POST' }), flag.endHeaders))
  const dyno = await target.peer(0)
  const before = process.memoryUsage().rss
  const some = Buffer.concat(
    Array.from({ length: 500 }, () =>
      Buffer.concat([frame(data, 0, 1), frame(priority, 0, 3, Buffer.alloc(5))]),
    ),
  )
  for (let at = 0; at < 100 && !peer.ended; at += 1) {
    peer.send(some)
    await new Promise(setImmediate)
  }
  if (!peer.ended) {
    peer.send(frame(data, flag.endStream, 1, Buffer.from('end')))
    await dyno.sees('end')
  }
  t.ok(process.memoryUsage().rss - before < 100 * 1_048_576, 'memory is bounded')
  t.ok(dyno.text.length < 1000, 'the dyno saw nothing of it')
})
