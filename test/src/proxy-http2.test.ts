/**
 * HTTP/2 clients, in clear and by TLS: Node's own client on one side, a raw HTTP/1.1 target on the other, the
 * whole engine between them.
 */
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { createHash, randomBytes } from 'node:crypto'
import { createServer as createHttpServer } from 'node:http'
import { connect as connectTcp, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord } from '../../src/proxy/contract.ts'
import { ok, routeTo, startProxy, startTarget, type World } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

const h2 = (t: Test, world: World): ClientHttp2Session => {
  const session = connect(`http://127.0.0.1:${world.port}`)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return session
}

type Seen = {
  status: number
  fields: readonly string[]
  informed: number[]
  body: Buffer
  trailers: Record<string, unknown>
  rstCode: number
}
/** A stream's whole answer, or how it broke. */
const seen = async (stream: ClientHttp2Stream): Promise<Seen> => {
  const parts: Buffer[] = []
  const got: Seen = { status: 0, fields: [], informed: [], body: Buffer.alloc(0), trailers: {}, rstCode: 0 }
  let closed = false
  stream.on('headers', (headers) => got.informed.push(headers[':status'] as unknown as number))
  stream.on('response', (headers, _flags, ...rest) => {
    got.status = headers[':status'] as number
    got.fields = (rest as unknown as string[][])[0] ?? []
  })
  stream.on('trailers', (trailers) => (got.trailers = trailers))
  stream.on('data', (bytes: Buffer) => parts.push(bytes))
  stream.on('error', () => undefined)
  stream.on('close', () => (closed = true))
  await until(() => closed, { what: 'the stream to close' })
  return { ...got, body: Buffer.concat(parts), rstCode: stream.rstCode ?? 0 }
}
const head = (path = '/', more: Record<string, unknown> = {}) => ({
  ':path': path,
  ':authority': 'a.example',
  ...more,
})

t.test(
  'a request over HTTP/2 is one over HTTP/1.1 to its target, and its answer the same again',
  async (t) => {
    const target = await startTarget()
    t.teardown(target.close)
    const world = await startProxy(t, () => routeTo(target))
    const session = h2(t, world)
    const stream = session.request(
      head('/x?y=1', { 'x-a': '1', cookie: ['a=1', 'b=2'], te: 'trailers', 'x-forwarded-for': '9.9.9.9' }),
    )
    const text = await (await target.peer(0)).sees('\r\n\r\n')
    t.equal(
      text,
      'GET /x?y=1 HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\ncookie: a=1; b=2\r\nConnection: close\r\n' +
        'X-Forwarded-For: 9.9.9.9, 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n' +
        'X-Request-Start: 1700000001000\r\nX-Request-Id: 00000000-0000-4000-8000-000000000001\r\n' +
        'Via: 1.1 test-router\r\n\r\n',
    )
    ;(await target.peer(0)).send(
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n' +
        ok('hello', 'Set-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: x\r\n'),
    )
    const answer = await seen(stream)
    t.match(answer, { status: 200, informed: [103], rstCode: 0 })
    t.equal(answer.body.toString(), 'hello')
    t.equal(
      answer.fields.join(' '),
      ':status 200 date D server S set-cookie a set-cookie b via 1.1 test-router content-length 5',
    )
    t.match(formatAccessLine(await world.record(0)), / status=200 bytes=\d+ protocol=http2.0 tls=false$/)
    t.equal(world.proxy.stats().inFlight, 0)
  },
)

t.test('bodies of unknown length go in chunks, with their trailers, both ways', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const stream = h2(t, world).request(head('/', { ':method': 'POST' }), { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc', host: 'evil' }))
  stream.write('one')
  const peer = await target.peer(0)
  await peer.sees('3\r\none\r\n')
  stream.end('second')
  const text = await peer.sees('0\r\nx-sum: abc\r\n\r\n')
  t.match(text, /Transfer-Encoding: chunked\r\n/)
  t.match(text, /6\r\nsecond\r\n/)
  t.notMatch(text, /evil/)
  peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\nX-End: yes\r\n\r\n')
  const answer = await seen(stream)
  t.equal(answer.body.toString(), 'hi')
  t.match(answer.trailers, { 'x-end': 'yes' })
  t.notOk(answer.fields.includes('transfer-encoding'))
})

t.test('what HTTP/1.1 would take for something else is broken off before a target hears of it', async (t) => {
  const target = await startTarget((peer) => peer.send(ok()))
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const session = h2(t, world)
  const answer = (fields: Record<string, unknown>) => seen(session.request(fields as never))
  t.match(await answer(head('/', { host: 'b.example' })), { status: 400 }, 'another Host than authority')
  t.match(await answer(head('/', { host: 'A.example' })), { status: 200 }, 'the same in another case')
  t.match(await answer({ ':method': 'CONNECT', ':authority': 'a.example:443' }), { status: 400 })
  for (const authority of ['u@a.example', 'a.example/x', '']) {
    const refused = await answer(head('/', { ':authority': authority }))
    t.ok(refused.status === 400 || refused.rstCode === constants.NGHTTP2_PROTOCOL_ERROR, authority)
  }
  const oversized = await answer(head('/', { 'x-long': 'x'.repeat(8193) }))
  t.equal(oversized.status, 400, 'limits are those of HTTP/1.1')
  const short = session.request(head('/', { ':method': 'POST', 'content-length': '5' }))
  short.end('abc')
  t.equal((await seen(short)).status, 0)
  await until(() => target.peers.every((peer) => peer.closed || peer.ended), {
    what: 'no target left in doubt',
  })
  t.notOk(target.peers.some(({ text }) => text.includes('abc') && !text.includes('Content-Length: 5')))
})

t.test(
  'codes and pages are those of HTTP/1.1; a response that breaks off is not taken for whole',
  async (t) => {
    const target = await startTarget()
    t.teardown(target.close)
    const world = await startProxy(t, (host) =>
      host === 'a.example'
        ? routeTo(target)
        : { kind: 'refuse', app: 'app', code: 'H14', status: 503, description: 'No web processes running' },
    )
    const session = h2(t, world)
    const refused = await seen(
      session.request(head('/', { ':authority': 'b.example', accept: 'application/json' })),
    )
    t.match(refused, { status: 503 })
    t.match(JSON.parse(refused.body.toString()), { code: 'H14' })
    t.match(await seen(session.request(head('/', { ':authority': 'b.example', ':method': 'HEAD' }))), {
      status: 503,
    })
    const cut = session.request(head())
    ;(await target.peer(0)).send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf').socket.end()
    t.match(await seen(cut), { status: 200, rstCode: constants.NGHTTP2_INTERNAL_ERROR })
    t.match(await world.record(2), { code: 'H18', protocol: 'http2.0' })
    const slow = session.request(head())
    await (await target.peer(1)).sees('\r\n\r\n')
    world.clock.advance(30_000)
    t.match(await seen(slow), { status: 503 })
    t.match(await world.record(3), { code: 'H12' })
    const left = session.request(head())
    await (await target.peer(2)).sees('\r\n\r\n')
    left.close(constants.NGHTTP2_CANCEL)
    t.match(await world.record(4), { code: 'H27', status: 499 })
    await (await target.peer(2)).seesEnd()
  },
)

t.test('a stream that breaks the rules is H33, one whose client leaves is H27', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const session = h2(t, world)
  const upload = head('/', { ':method': 'POST', 'content-length': '5' })
  const breaks: readonly (readonly [string, (stream: ClientHttp2Stream) => void])[] = [
    ['H33', (stream) => void stream.end('abc')],
    ['H33', (stream) => stream.close(constants.NGHTTP2_FLOW_CONTROL_ERROR)],
    ['H27', (stream) => stream.close(constants.NGHTTP2_CANCEL)],
    ['H27', () => session.destroy()],
  ]
  for (const [at, [code, breakIt]] of breaks.entries()) {
    const stream = session.request(at === 0 ? upload : head())
    stream.on('error', () => undefined)
    await (await target.peer(at)).sees(/\r\n\r\n/)
    breakIt(stream)
    t.match(await world.record(at), { code, status: 499, target: 'web.1' }, `${code} ${at}`)
    await (await target.peer(at)).seesEnd()
  }
  t.match(
    formatAccessLine(world.records[0] as AccessRecord),
    /^at=error code=H33 desc="HTTP\/2 Stream Broken" /,
  )
})

t.test(
  'hundreds of requests share a connection, and large bodies flow at the pace of who reads them',
  async (t) => {
    const app = createHttpServer((request, response) => {
      const hash = createHash('sha256')
      request.on('data', (bytes: Buffer) => hash.update(bytes))
      request.on('end', () => response.end(request.url === '/big' ? big : hash.digest('hex')))
    })
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
    t.teardown(() => app.close())
    const big = randomBytes(6_000_000)
    const { port } = app.address() as AddressInfo
    const world = await startProxy(t, () => routeTo({ port }))
    const session = h2(t, world)
    const all = await Promise.all(Array.from({ length: 250 }, () => seen(session.request(head('/')))))
    t.ok(all.every(({ status }) => status === 200))
    t.match(world.proxy.stats(), { connections: 1, requests: 250 })
    const up = session.request(head('/', { ':method': 'PUT' }))
    up.end(big)
    t.equal((await seen(up)).body.toString(), createHash('sha256').update(big).digest('hex'))
    const down = session.request(head('/big'))
    let status = 0
    down.on('response', (headers) => (status = headers[':status'] as number))
    down.pause()
    await until(() => world.proxy.stats().stalledClients === 1, {
      what: 'the target to be slowed',
    })
    t.equal(status, 200)
    const read = seen(down)
    down.resume()
    t.equal(Buffer.compare((await read).body, big), 0)
    t.equal(world.proxy.stats().stalledClients, 0)
  },
)

t.test('a client that only breaks requests off is sent away', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target), { resetsPerSessionMax: 20 })
  const session = h2(t, world)
  const goaways: number[] = []
  session.on('goaway', (code) => goaways.push(code))
  for (let round = 0; round < 200 && !session.destroyed; round += 1) {
    const stream = session.request(head())
    stream.on('error', () => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    stream.close(constants.NGHTTP2_CANCEL)
  }
  await until(() => session.destroyed || session.closed, { what: 'the end of the session' })
  t.ok(goaways.includes(constants.NGHTTP2_ENHANCE_YOUR_CALM), `told ${goaways.join()}`)
  await until(() => world.proxy.stats().inFlight === 0, { what: 'nothing in flight' })
  await until(() => target.peers.every((peer) => peer.closed || peer.ended), {
    what: 'every target to be let go',
  })
})

t.test('draining says so first, lets a request under way end, and then closes', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const session = h2(t, world)
  let goaways = 0
  session.on('goaway', () => (goaways += 1))
  const stream = session.request(head())
  const peer = await target.peer(0)
  await peer.sees('\r\n\r\n')
  const drained = world.proxy.drain(30_000)
  await until(() => goaways > 0, { what: 'the first GOAWAY' })
  world.clock.advance(100)
  peer.send(ok('last'))
  t.equal((await seen(stream)).body.toString(), 'last')
  await until(() => session.destroyed, { what: 'the end of the session' })
  await drained
  t.match(await world.record(0), { status: 200 })
})

t.test('an idle connection is closed after a minute', async (t) => {
  const world = await startProxy(t, () => routeTo({ port: 1 }))
  const session = h2(t, world)
  await until(() => world.proxy.stats().openClients === 1, { what: 'the connection' })
  await new Promise<void>((resolve) => session.ping(() => resolve()) || resolve())
  world.clock.advance(60_000)
  await until(() => session.destroyed, { what: 'the end of the session' })
  await until(() => world.proxy.stats().openClients === 0, { what: 'it to be gone' })
})

t.test(
  'an HTTP/2 client is known wherever its first bytes are cut, and none but it is taken for one',
  async (t) => {
    const world = await startProxy(t, () => routeTo({ port: 1 }))
    const preface = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    ])
    for (let cut = 1; cut < preface.length; cut += 1) {
      const socket = connectTcp({ port: world.port, host: '127.0.0.1', noDelay: true })
      const got: Buffer[] = []
      socket.on('data', (bytes: Buffer) => got.push(bytes))
      socket.write(preface.subarray(0, cut))
      await new Promise((resolve) => setImmediate(resolve))
      socket.write(preface.subarray(cut))
      await until(() => Buffer.concat(got)[3] === 4, { what: `SETTINGS, cut at ${cut}` })
      socket.destroy()
    }
    const late = world.client('GET / HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\n')
    t.match(await late.sees(/HTTP\/1.1 505/), /HTTP\/1.1 503/, 'not after a request')
    t.match(await world.client('PRI * HTTP/2.0\r\nHost: a\r\n\r\n').seesEnd(), /HTTP\/1.1 (?:400|505)/)
  },
)
