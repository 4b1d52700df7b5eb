/**
 * The proxy's data path over real sockets on loopback: what reaches the target, what reaches the client,
 * and what the record says, when things go well.
 */
import t from 'tap'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import { get, ok, type Peer, post, routeTo, startProxy, startTarget, upstream } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

/** Answers every request head it reads with its own request line. */
const echo = (peer: Peer): void => {
  let answered = 0
  peer.socket.on('data', () => {
    const heads = peer.text.match(/(?:GET|HEAD) (\S+) HTTP\/1.1\r\n/g) ?? []
    for (const head of heads.slice(answered)) peer.send(ok(head.split(' ')[1]))
    answered = heads.length
  })
}

t.test('a request reaches its target with the headers of a router and its answer comes back', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const hosts: string[] = []
  const world = await startProxy(t, (host) => (hosts.push(host), routeTo(target)))
  const client = world.client(
    get(
      '/x?y="1"',
      'X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nVia: 1.0 z\r\nX-Request-Id: bad id\r\n',
    ),
  )
  const seen = await (await target.peer(0)).sees('\r\n\r\n')
  t.equal(
    seen,
    'GET /x?y="1" HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX-Forwarded-For: 9.9.9.9, 127.0.0.1\r\n' +
      'X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\nX-Request-Start: 1700000001000\r\n' +
      'X-Request-Id: 00000000-0000-4000-8000-000000000001\r\nVia: 1.0 z, 1.1 test-router\r\n\r\n',
  )
  world.clock.advance(18)
  ;(await target.peer(0)).send(ok('hello', 'Set-Cookie: a\r\nset-cookie: b\r\nVia: 1.1 v\r\n'))
  t.equal(
    await client.sees('hello'),
    'HTTP/1.1 200 OK\r\nDate: D\r\nServer: S\r\nSet-Cookie: a\r\nset-cookie: b\r\nConnection: keep-alive\r\n' +
      'Via: 1.1 v, 1.1 test-router\r\nContent-Length: 5\r\n\r\nhello',
  )
  t.same(hosts, ['a.example'])
  t.equal(
    formatAccessLine(await world.record(0)),
    'at=info method=GET path="/x?y=\\"1\\"" host=a.example request_id=00000000-0000-4000-8000-000000000001 ' +
      `fwd="9.9.9.9, 127.0.0.1" dyno=web.1 connect=0ms service=18ms status=200 bytes=${client.text.length} protocol=http1.1 tls=false`,
  )
  await (await target.peer(0)).seesEnd()
  t.same(world.proxy.stats().inFlight, 0)
})

t.test(
  'pipelined requests are answered in order, each routed anew, up to the limit of a connection',
  async (t) => {
    const [one, two] = [await startTarget(echo), await startTarget(echo)]
    t.teardown(one.close)
    t.teardown(two.close)
    const world = await startProxy(
      t,
      async (host) => routeTo(host === 'a.example' ? one : two, { app: host }),
      { requestsPerConnectionMax: 4 },
    )
    const other = 'GET /2 HTTP/1.1\r\nHost: b.example\r\n\r\n'
    const client = world.client(get('/1') + other + get('/3') + other + get('/5'))
    await client.seesEnd()
    t.same(
      client.text.match(/\r\n\r\n\/\d/g)?.map((found) => found.at(-1)),
      ['1', '2', '3', '2'],
    )
    t.equal(client.text.match(/Connection: close/g)?.length, 1, 'the last answer says that it is the last')
    t.same(
      world.records.map(({ host }) => host),
      ['a.example', 'b.example', 'a.example', 'b.example'],
    )
    t.equal(one.peers.length + two.peers.length, 4, 'each on a connection of its own')
  },
)

t.test('a kept connection is used again while it is clean, young and of the same life', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  let epoch = 1
  const world = await startProxy(t, () =>
    routeTo(target, { keepAlive: true, targets: [upstream(target.port, 'web.1', epoch)] }),
  )
  const client = world.client()
  let served = 0
  const serve = async (connection: number, answer: string) => {
    served += 1
    client.send(get(`/${served}`))
    const peer = await target.peer(connection)
    await peer.sees(`/${served} `)
    peer.send(answer)
    await world.record(served - 1)
  }
  await serve(0, ok('a'))
  await serve(0, ok('b', 'Keep-Alive: timeout=5\r\n'))
  t.match(target.peers[0]?.text, 'Connection: keep-alive\r\n')
  world.clock.advance(4100)
  await (await target.peer(0)).seesEnd()
  await serve(1, `${ok('c')}HTTP/1.1 200 OK`)
  await (await target.peer(1)).seesEnd()
  await serve(2, ok('d', 'Connection: close\r\n'))
  await (await target.peer(2)).seesEnd()
  await serve(3, ok('e'))
  ;(await target.peer(3)).send('HTTP/1.1 408 Unasked\r\n\r\n')
  await (await target.peer(3)).seesEnd()
  await serve(4, ok('f'))
  epoch = 2
  await serve(5, ok('g'))
  await (await target.peer(4)).seesEnd()
  await serve(5, 'HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n')
  await serve(5, 'HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n')
  await serve(5, 'HTTP/1.1 304 No\r\n\r\nbody')
  await (await target.peer(5)).seesEnd()
  t.equal(served, 10)
  client.socket.destroy()
  await until(() => world.proxy.stats().activeApps === 0, { what: 'an app at rest to take no room' })
})

t.test('a request that found its kept connection closed is repeated only when that is safe', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target, { keepAlive: true }))
  const client = world.client(get('/1'))
  const [first] = [await target.peer(0)]
  await first.sees('\r\n\r\n')
  first.send(ok())
  await world.record(0)
  client.send(get('/2'))
  await first.sees('/2')
  first.socket.destroy()
  const second = await target.peer(1)
  await second.sees('GET /2')
  second.send(ok())
  t.match(await world.record(1), { code: '', status: 200 })
  client.send(post('body'))
  await second.sees('body')
  second.socket.destroy()
  t.match(await world.record(2), { code: 'H13', status: 503 })
  t.equal(target.peers.length, 2)
})

t.test('bodies stream both ways as they come, with their framing and trailers', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const client = world.client('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  const peer = await target.peer(0)
  await peer.sees('3\r\nabc\r\n')
  peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n2\r\nde\r\n')
  t.match(
    await client.sees('2\r\nde\r\n'),
    /Connection: close\r\n/,
    'an answer to half a request ends the connection',
  )
  client.send('3;x\r\nfgh\r\n0\r\nA: b\r\nHost: z\r\n\r\n')
  t.match(await peer.sees('A: b'), /abc\r\n3\r\nfgh\r\n0\r\nA: b\r\n\r\n$/)
  peer.send('0\r\nT: u\r\n\r\n')
  t.match(await client.seesEnd(), /\r\nTrailer: T\r\n.*2\r\nde\r\n0\r\nT: u\r\n\r\n$/s)

  const close = world.client(get())
  ;(await target.peer(1)).send('HTTP/1.0 200 OK\r\n\r\nall of it').socket.end()
  t.match(await close.seesEnd(), /^HTTP\/1.1 200 OK\r\nConnection: close\r\n.*\r\n\r\nall of it$/s)

  const head = world.client('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
  ;(await target.peer(2)).send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')
  t.match(await head.sees('\r\n\r\n'), 'Connection: keep-alive\r\n')
  t.match(head.text, 'Content-Length: 5\r\n')
  t.same(
    world.records.map(({ code, status }) => `${code}${status}`),
    ['200', '200', '200'],
  )
})

t.test(
  'an HTTP/1.0 client gets no chunks, no interim answer, and a connection only if it asks',
  async (t) => {
    const target = await startTarget()
    t.teardown(target.close)
    const world = await startProxy(t, () => routeTo(target))
    const client = world.client('GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n')
    ;(await target.peer(0)).send(`HTTP/1.1 100 Continue\r\n\r\n${ok('a')}`)
    t.match(await client.sees('\r\n\r\na'), /^HTTP\/1.1 200 OK\r\n.*Connection: keep-alive\r\n/s)
    client.send('GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n')
    ;(await target.peer(1)).send(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n',
    )
    const text = await client.seesEnd()
    t.match(text.slice(text.lastIndexOf('HTTP/')), /Connection: close\r\n(?!.*chunked).*\r\n\r\nhi ho$/s)
  },
)

t.test(
  '100-continue is answered here, or by the target where the route says so, and 103 passes',
  async (t) => {
    const target = await startTarget()
    t.teardown(target.close)
    const world = await startProxy(t, (host) => routeTo(target, { endToEndContinue: host === 'e2e' }))
    const expecting = (host: string) =>
      `POST / HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`
    const client = world.client(expecting('a'))
    t.equal(await client.sees('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
    const peer = await target.peer(0)
    t.notMatch(await peer.sees('\r\n\r\n'), /expect/i)
    client.send('hi')
    await peer.sees('hi')
    peer.send(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: l\r\n\r\n${ok('done')}`)
    t.match(await client.sees('done'), /Continue\r\n\r\nHTTP\/1.1 103 Early\r\nLink: l\r\n\r\nHTTP\/1.1 200/)

    const other = world.client(expecting('e2e'))
    t.match(await (await target.peer(1)).sees('\r\n\r\n'), 'Expect: 100-continue\r\n')
    t.equal(other.text, '')
    ;(await target.peer(1)).send('HTTP/1.1 100 Continue\r\nX: y\r\n\r\n')
    t.equal(await other.sees('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
    other.send('hi')
    await (await target.peer(1)).sees('hi')
    ;(await target.peer(1)).send(ok())
    await world.record(1)
  },
)

t.test('an upgraded connection is a pipe until one side closes it', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const upgrade = get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n')
  const client = world.client(`${upgrade}early`)
  const peer = await target.peer(0)
  t.match(await peer.sees('\r\n\r\n'), 'Connection: Upgrade\r\nUpgrade: websocket\r\n')
  peer.send('HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst')
  await peer.sees('early')
  t.match(
    await client.sees('first'),
    /101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst$/,
  )
  client.send('\x00\xff')
  await peer.sees('\x00\xff')
  t.equal(world.records.length, 0, 'the record is written at the end')
  peer.send('bye').socket.end()
  t.match(await client.seesEnd(), /bye$/)
  t.match(await world.record(0), { status: 101, at: 'info', code: '' })

  const leaving = world.client(upgrade)
  const left = await target.peer(1)
  await left.sees('\r\n\r\n')
  left.send('HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n')
  await leaving.sees('101')
  leaving.send('last').socket.end()
  t.match(await left.seesEnd(), /last$/)
  left.socket.end()
  t.match(await world.record(1), { status: 101, code: '' })

  const refused = world.client(upgrade)
  ;(await target.peer(2)).send(ok('no'))
  t.match(await refused.sees('no'), /^HTTP\/1.1 200 OK/, 'any other answer is an ordinary one')
})

t.test('a client that half closes still gets its answer', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const client = world.client(get())
  client.socket.end()
  const peer = await target.peer(0)
  await peer.sees('\r\n\r\n')
  peer.send(ok('late'))
  t.match(await client.seesEnd(), /late$/)
  t.match(await world.record(0), { status: 200, code: '' })
})

t.test('two proxies share a port, and one that drains finishes what it has', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const busy = world.client(get('/1'))
  const idle = world.client()
  await (await target.peer(0)).sees('\r\n\r\n')
  await until(() => world.proxy.stats().openClients === 2, { what: 'both clients' })
  const drained = world.proxy.drain(30_000)
  await idle.seesEnd()
  idle.socket.end()
  ;(await target.peer(0)).send(ok('last'))
  t.match(await busy.seesEnd(), /Connection: close\r\n.*last$/s)
  busy.socket.end()
  await drained
  t.match(world.records, [{ code: '', status: 200 }])

  const options = { resolve: () => routeTo(target), onDone: () => {} }
  const [a, b] = [createProxy(options), createProxy(options)]
  const { port } = await a.listen({ port: 0, host: '127.0.0.1', reusePort: true })
  t.equal((await b.listen({ port, host: '127.0.0.1', reusePort: true })).port, port)
  await t.rejects(createProxy(options).listen({ port, host: '127.0.0.1' }), { code: 'EADDRINUSE' })
  await Promise.all([a.close(), b.close()])
})
