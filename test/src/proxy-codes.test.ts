/**
 * Everything that can end a request badly: the code, the status, what each side sees, and that nothing
 * stays behind. Real sockets, the test's own clock.
 */
import t from 'tap'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord } from '../../src/proxy/contract.ts'
import { assertLimits, defaultLimits } from '../../src/proxy/limits.ts'
import { errorResponse } from '../../src/proxy/page.ts'
import { deadPort, startDeaf } from '../kit/no-answer.ts'
import { get, ok, post, routeTo, startProxy, startTarget, upstream } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

const brief = ({ code, status, at, sock, target }: AccessRecord) =>
  `${at} ${code} ${status} sock=${sock} target=${target}`

t.test('a target that refuses is passed over for another, and H21 when there is none', async (t) => {
  const target = await startTarget((peer) => peer.send(ok()))
  t.teardown(target.close)
  const dead = await deadPort()
  const targets = [upstream(dead, 'web.1'), upstream(dead, 'web.2'), upstream(target.port, 'web.3')]
  const world = await startProxy(t, (host) =>
    routeTo(target, { targets: host === 'a.example' ? targets : targets.slice(0, 2) }),
  )
  t.match(await world.client(post('body')).sees('hi'), /^HTTP\/1.1 200/)
  t.match(await world.record(0), { target: 'web.3', code: '' })
  world.clock.advance(defaultLimits.quarantineMs)
  t.match(await world.client('GET / HTTP/1.1\r\nHost: b\r\n\r\n').sees('</html>'), /^HTTP\/1.1 503/)
  t.match(
    formatAccessLine(await world.record(1)),
    /^at=error code=H21 desc="Backend connection refused" .* dyno=web.2 connect=0ms service= status=503 bytes= protocol=http1.1 tls=false$/,
  )
  t.equal(world.proxy.stats().connectRetries, 3)
})

t.test('a target that does not answer the connect in time is H19, at its last try', async (t) => {
  const deaf = await startDeaf()
  t.teardown(deaf.close)
  const targets = [upstream(deaf.port, 'web.1'), upstream(deaf.port, 'web.2')]
  const world = await startProxy(t, () => ({ kind: 'route', app: 'app', targets }))
  const client = world.client(get())
  await until(() => world.proxy.stats().inFlight === 1, { what: 'the request' })
  world.clock.advance(5000)
  t.same(world.records, [])
  world.clock.advance(5000)
  await client.sees('</html>')
  t.match(
    formatAccessLine(await world.record(0)),
    /code=H19 .* dyno=web.2 connect=5000ms service= status=503/,
  )
})

t.test('refusals are answered with their status, as HTML or JSON, and recorded as given', async (t) => {
  const world = await startProxy(t, (host) => {
    if (host === 'none')
      return { kind: 'refuse', app: null, code: '', status: 404, description: 'No such app' }
    if (host === 'broken') throw new Error('no routes')
    if (host === 'stuck') return new Promise(() => {})
    if (host === 'empty') return { kind: 'route', app: 'app', targets: [] }
    const pageUrl = '//pages.example/down.html?a=1&b="'
    const refusal = {
      app: 'app',
      code: 'H80',
      status: 503,
      description: 'Maintenance mode',
      pageUrl,
    } as const
    return { kind: 'refuse', at: 'info', ...refusal }
  })
  const ask = (host: string, more = '') => `GET / HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
  const client = world.client(ask('none'))
  t.match(await client.sees('</html>'), /^HTTP\/1.1 404 Not Found\r\n.*Connection: keep-alive\r\n/s)
  client.send(ask('down'))
  t.match(
    await client.sees('</iframe>'),
    /503 Service.*\nRetry-After: 60\r\n.*<iframe src="\/\/pages.example\/down.html\?a=1&#38;b=&#34;"/s,
  )
  client.send(ask('down', 'Accept: application/json, text/html;q=0.1\r\n'))
  t.match(await client.sees('"H80"'), 'application/json\r\n')
  client.send(ask('broken'))
  t.match(brief(await world.record(3)), 'error H99 503')
  client.send(ask('empty'))
  t.match(brief(await world.record(4)), 'error H14 503')
  client.send(ask('stuck'))
  await until(() => world.proxy.stats().requests === 6, { what: 'the request' })
  world.clock.advance(defaultLimits.resolveMs)
  t.match(brief(await world.record(5)), 'error H99 503')
  t.match(world.records[0], { app: null, status: 404 })
  t.match(
    formatAccessLine(world.records[1] as AccessRecord),
    /^at=info code=H80 desc="Maintenance mode" method=GET .* dyno= connect= service= status=503 bytes= protocol=http1.1 tls=false$/,
  )
  const page = {
    code: 'H12',
    description: 'd',
    requestId: 'r',
    json: false,
    pageUrl: '',
    date: 'D',
    via: 'v',
  }
  const head = errorResponse({ ...page, status: 503, keepAlive: true, bodyless: true }).toString()
  t.match(head, /Content-Length: [1-9]\d*\r\n.*\r\n\r\n$/s, 'a page for HEAD has no body')
})

t.test('a target that says nothing for 30 seconds after the whole request is H12', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const client = world.client('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo')
  const peer = await target.peer(0)
  await peer.sees('bo')
  world.clock.advance(29_000)
  client.send('dy')
  await peer.sees('body')
  world.clock.advance(29_999)
  t.equal(world.records.length, 0, 'the clock runs from the end of the body')
  world.clock.advance(1)
  t.match(await client.sees('</html>'), /503.*Connection: keep-alive/s)
  await peer.seesEnd()
  t.match(
    formatAccessLine(await world.record(0)),
    /code=H12 desc="Request timeout".* connect=0ms service=59000ms status=503 bytes=0/,
  )
})

t.test('silence in the middle is H15 or H28 by whose turn it was', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const reader = world.client(get())
  ;(await target.peer(0)).send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
  await reader.sees('half')
  world.clock.advance(50_000)
  ;(await target.peer(0)).send('more')
  await reader.sees('more')
  world.clock.advance(54_999)
  t.equal(world.records.length, 0, 'each byte starts the 55 seconds again')
  world.clock.advance(1)
  await reader.seesEnd()
  await (await target.peer(0)).seesEnd()

  const sender = world.client('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
  await (await target.peer(1)).sees('half')
  world.clock.advance(55_000)
  await sender.seesEnd()
  await (await target.peer(1)).seesEnd()

  const piped = world.client(get('/', 'Connection: upgrade\r\nUpgrade: x\r\n'))
  ;(await target.peer(2)).send('HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n')
  await piped.sees('101')
  world.clock.advance(55_000)
  await piped.seesEnd()
  await (await target.peer(2)).seesEnd()
  t.same(world.records.map(brief), [
    'error H15 503 sock= target=web.1',
    'warning H28 499 sock= target=web.1',
    'error H15 503 sock= target=web.1',
  ])
})

t.test('slow heads get 408, idle connections are closed in silence', async (t) => {
  const world = await startProxy(t, () => ({ kind: 'route', app: 'a', targets: [] }))
  const slow = world.client('GET / HTTP/1.1\r\n')
  const idle = world.client()
  await until(() => world.proxy.stats().openClients === 2, { what: 'both clients' })
  world.clock.advance(59_000)
  slow.send('Host: a\r\n')
  world.clock.advance(1000)
  t.match(await slow.seesEnd(), /^HTTP\/1.1 408/)
  await idle.seesEnd()
  t.equal(idle.text, '')
  t.equal(world.proxy.stats().badHeads, 1)
})

t.test('targets that close or answer badly get their codes', async (t) => {
  const cases: readonly [code: string, answer: string, page: RegExp][] = [
    ['H13', '', /^HTTP\/1.1 503/],
    ['H18', 'HTTP/1.1 200 OK\r\nConte', /^HTTP\/1.1 503/],
    ['H18', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', /^HTTP\/1.1 200.*half$/s],
    ['H18', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', /4\r\nhalf\r\n$/],
    ['H17', 'nonsense\r\n\r\n', /^HTTP\/1.1 503/],
    ['H17', 'HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n', /^HTTP\/1.1 503/],
    ['H17', 'HTTP/1.1 102 P\r\n\r\n'.repeat(33), /HTTP\/1.1 503/],
    ['H25', 'HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n\r\n', /^HTTP\/1.1 502/],
    ['H25', `HTTP/1.1 200 OK\r\nSet-Cookie: ${'c'.repeat(9000)}\r\n\r\n`, /^HTTP\/1.1 502/],
    ['H25', `HTTP/1.1 200 OK\r\nX: ${'c'.repeat(530_000)}\r\n\r\n`, /^HTTP\/1.1 502/],
    ['H25', `HTTP/1.1 200 ${'c'.repeat(9000)}\r\n\r\n`, /^HTTP\/1.1 502/],
  ]
  let answer = ''
  const target = await startTarget((peer) => peer.socket.once('data', () => peer.send(answer).socket.end()))
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  for (const [index, [code, text, page]] of cases.entries()) {
    answer = text
    const client = world.client(get('/', 'Connection: close\r\n'))
    t.match(await client.seesEnd(), page, `${code}: ${JSON.stringify(text.slice(0, 60))}`)
    t.equal((await world.record(index)).code, code)
    client.socket.end()
  }
  t.match(
    formatAccessLine(world.records[2] as AccessRecord),
    /^sock=backend at=error code=H18 desc="Server Request Interrupted"/,
  )
  t.match(
    formatAccessLine(world.records[7] as AccessRecord),
    /desc="HTTP restriction: invalid content length".* status=502 bytes=[1-9]/,
  )
})

t.test("requests whose body or expectation is wrong are H26, and bad heads are nobody's", async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const chunk = world.client('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await (await target.peer(0)).sees('abc')
  chunk.send('zz\r\n')
  t.match(await chunk.seesEnd(), /^HTTP\/1.1 400/)
  await (await target.peer(0)).seesEnd()
  t.match(await world.client(post('x', 'Expect: magic\r\n')).seesEnd(), /^HTTP\/1.1 417/)
  t.match(formatAccessLine(await world.record(0)), 'code=H26 desc="Request Error" cause="bad chunk" ')
  t.match(
    formatAccessLine(await world.record(1)),
    /cause="unsupported expect header value" .* dyno= .* status=417/,
  )
  const badHeaders = ['Connection: ,(', 'Connection: upgrade', 'Expect: \xe9']
  for (const [at, header] of badHeaders.entries()) {
    t.match(await world.client(post('x', `${header}\r\n`)).seesEnd(), /^HTTP\/1.1 400.*Connection: close/s)
    t.match(
      formatAccessLine(await world.record(2 + at)),
      /code=H26 desc="Request Error" cause="bad header" .* dyno= connect= service= status=400 bytes= /,
      header,
    )
  }
  t.match(await world.client(`${'X'.repeat(9000)} / HTTP/1.1\r\n\r\n`).seesEnd(), /^HTTP\/1.1 414/)
  t.match(await world.client('GET / HTTP/3.0\r\nHost: a\r\n\r\n').seesEnd(), /^HTTP\/1.1 505/)
  t.equal(world.records.length, 5)
})

t.test('nothing can be smuggled past the framing to the target', async (t) => {
  const target = await startTarget((peer) =>
    peer.socket.on('data', () => {
      if (peer.text.endsWith('0\r\n\r\n')) peer.send(ok())
    }),
  )
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target, { keepAlive: true }))
  const both = 'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n'
  const client = world.client(`POST / HTTP/1.1\r\nHost: a\r\n${both}\r\n0\r\n\r\n${get('/admin')}`)
  t.match(await client.seesEnd(), /^HTTP\/1.1 200.*Connection: close\r\n/s)
  t.equal(target.peers.length, 1)
  t.notMatch(target.peers[0]?.text, /admin|Content-Length/)
})

t.test('a client that goes away is H27 at every stage, and its target learns of it', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, (host) => (host === 'held' ? new Promise(() => {}) : routeTo(target)))
  const held = world.client('GET / HTTP/1.1\r\nHost: held\r\n\r\n')
  await until(() => world.proxy.stats().requests === 1, { what: 'the held request' })
  held.socket.resetAndDestroy()
  t.equal(brief(await world.record(0)), 'warning H27 499 sock=client target=')

  const sending = world.client('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf')
  await (await target.peer(0)).sees('half')
  sending.socket.end()
  t.equal(brief(await world.record(1)), 'warning H27 499 sock=client target=web.1')
  await until(async () => (await target.peer(0)).error?.code === 'ECONNRESET', {
    what: 'an abort, not an end',
  })

  const waiting = world.client(get())
  await (await target.peer(1)).sees('\r\n\r\n')
  waiting.socket.destroy()
  await until(() => (world.clock.advance(100), world.records.length === 3), { what: 'the FIN to count' })
  await (await target.peer(1)).seesEnd()

  const reading = world.client(get())
  ;(await target.peer(2)).send('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf')
  await reading.sees('half')
  reading.socket.resetAndDestroy()
  await (await target.peer(2)).seesEnd()
  t.match(
    formatAccessLine(await world.record(3)),
    /^sock=client at=warning code=H27 desc="Client Request Interrupted"/,
  )
  t.same(world.proxy.stats().inFlight, 0)
})

t.test('an early answer to an upload is delivered and ends the connection', async (t) => {
  const target = await startTarget((peer) =>
    peer.socket.once('data', () => peer.send(ok('too large')).socket.end()),
  )
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const client = world.client(
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(50_000)}`,
  )
  t.match(await client.seesEnd(), /^HTTP\/1.1 200.*Connection: close\r\n.*too large$/s)
  t.equal(client.error, null)
  t.match(await world.record(0), { code: '', status: 200 })
})

t.test('too many requests at once for an app are H11, and a drain that is over cuts with H24', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target), { inFlightPerTargetMax: 2 })
  const busy = [world.client(get()), world.client(get())]
  await target.peer(1)
  t.match(await world.client(get()).sees('</html>'), /503/)
  t.equal(brief(await world.record(0)), 'error H11 503 sock= target=')
  const drained = world.proxy.drain(1000)
  world.clock.advance(1000)
  await drained
  for (const client of busy) await client.seesEnd()
  t.match(formatAccessLine(world.records[1] as AccessRecord), /code=H24 .* dyno=web.1 .* status= bytes=0/)
})

t.test('too many connections of clients of one app are H22, wherever else they go', async (t) => {
  const target = await startTarget((peer) => void peer.socket.on('data', () => peer.send(ok())))
  t.teardown(target.close)
  const world = await startProxy(t, (app) => routeTo(target, { app, keepAlive: true }), {
    connectionsPerAppMax: 2,
  })
  const ask = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const [first, second] = [world.client(ask('a')), world.client(ask('a'))]
  await Promise.all([first.sees('hi'), second.sees('hi')])
  const third = world.client(ask('a'))
  t.match(await third.seesEnd(), /^HTTP\/1.1 503.*Connection: close/s, 'and it may not stay')
  t.match(
    formatAccessLine(await world.record(2)),
    /^at=error code=H22 desc="Connection limit reached" .* dyno= connect= service= status=503 bytes= /,
  )
  await world.client(ask('b')).sees('hi')
  first.send(ask('a'))
  await world.record(4)
  t.equal(world.records[4]?.code, '', 'who is counted already may go on')
  first.send(ask('b'))
  await world.record(5)
  await world.client(ask('a')).sees('hi')
  t.equal((await world.record(6)).code, '', 'who went elsewhere is counted there')
  const { openClients } = world.proxy.stats()
  second.socket.destroy()
  await until(() => world.proxy.stats().openClients < openClients, { what: 'one to be gone' })
  await world.client(ask('a')).sees('hi')
})

t.test('thousands of aborted requests leave nothing behind', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target, { keepAlive: true }))
  for (let round = 0; round < 20; round += 1) {
    const clients = Array.from({ length: 50 }, () => world.client(post('x')))
    await until(() => target.peers.length === 50 * (round + 1), { what: 'all requests at the target' })
    for (const client of clients) client.socket.resetAndDestroy()
    await until(() => world.records.length === 50 * (round + 1), { what: 'all records' })
  }
  t.match(world.proxy.stats(), { inFlight: 0, activeApps: 0, openClients: 0, stalledClients: 0 })
  await until(() => target.peers.every((peer) => peer.closed || peer.ended), { what: 'all targets to know' })
})

t.test('limits that make no sense are refused, and log fields can not be forged', async (t) => {
  t.throws(() => assertLimits({ ...defaultLimits, connectMs: 0 }), /connectMs/)
  t.throws(() => assertLimits({ ...defaultLimits, slowBufferBytesMax: 2 ** 21 }))
  const target = await startTarget((peer) => peer.send(ok()))
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  await world
    .client(get('/"\\x', 'X-Request-Id: 0123456789012345678" dyno=evil\r\nX-Forwarded-For: a"\t=\r\n'))
    .sees('hi')
  const line = formatAccessLine(await world.record(0))
  t.match(
    line,
    'path="/\\"\\\\x" host=a.example request_id=00000000-0000-4000-8000-000000000001 fwd="a\\"\\x09=, 127.0.0.1" ',
  )
})
