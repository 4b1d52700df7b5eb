/**
 * Every code that a request can end with, through the whole router: what the client gets, what the app's log
 * says, from what dynos and clients really do. Codes that take half a minute and more are reached in a router
 * whose time the test moves, the others in shard processes as they run on a host.
 */
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { connect as connectH2 } from 'node:http2'
import t, { type Test } from 'tap'
import { createAccessLog } from '../../actors/router/access-log.ts'
import type { Route } from '../../actors/protocols/shapes.ts'
import { defaultLimits, type ProxyLimits } from '../../src/proxy/limits.ts'
import { deadPort, startDeaf } from '../kit/no-answer.ts'
import { ok, Peer, startProxy, startTarget, type Target } from '../kit/proxy.ts'
import { startRouterHost, type AppPlan } from '../kit/router-host.ts'
import { route, target as dynoTarget, world as tableWorld } from '../kit/routes.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

const idForm = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
/** The whole line, but for numbers that differ from run to run. */
const lineForm = (start: string, host: string, end: string, method = 'GET'): RegExp =>
  new RegExp(
    `^${start} method=${method} path="/" host=${host} request_id=${idForm} fwd="127\\.0\\.0\\.1" ${end} ` +
      'protocol=http1\\.1 tls=false$',
  )
const unrouted = (status: number): string => `dyno= connect= service= status=${status} bytes=`
const routed = (status: number, bytes = '0'): string =>
  `dyno=web\\.1 connect=\\d+ms service=\\d+ms status=${status} bytes=${bytes}`
const request = (host: string, more = '', method = 'GET'): string =>
  `${method} / HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`

type Case = {
  readonly code: string
  readonly what: string
  readonly plan?: Omit<AppPlan, 'dynos'>
  /** What the dyno does with a connection on which it heard something; undefined: there is none. */
  readonly dyno?: (peer: Peer) => void
  readonly state?: 'starting' | 'crashed'
  readonly more?: string
  readonly method?: string
  readonly status: number
  readonly start: string
  readonly end: string
}
const answers =
  (text: string): NonNullable<Case['dyno']> =>
  (peer) =>
    void peer.send(text).socket.end()
const half = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'
const restriction = (what: string, response: string): Case => ({
  code: 'H25',
  what,
  dyno: answers(response),
  status: 502,
  start: `at=error code=H25 desc="HTTP restriction: ${what}"`,
  end: routed(502, '[1-9]\\d+'),
})

const cases: readonly Case[] = [
  {
    code: 'H10',
    what: 'crashed',
    dyno: answers(''),
    state: 'crashed',
    status: 503,
    start: 'at=error code=H10 desc="App crashed"',
    end: unrouted(503),
  },
  {
    code: 'H13',
    what: 'a dyno that closes without a word',
    dyno: answers(''),
    status: 503,
    start: 'at=error code=H13 desc="Connection closed without response"',
    end: routed(503),
  },
  {
    code: 'H14',
    what: 'no dynos',
    status: 503,
    start: 'at=error code=H14 desc="No web processes running"',
    end: unrouted(503),
  },
  {
    code: 'H17',
    what: 'an answer that is no HTTP',
    dyno: answers('nonsense\r\n\r\n'),
    status: 503,
    start: 'at=error code=H17 desc="Poorly formatted HTTP response"',
    end: routed(503),
  },
  {
    code: 'H18',
    what: 'an answer that breaks off',
    dyno: answers(half),
    status: 200,
    start: 'sock=backend at=error code=H18 desc="Server Request Interrupted"',
    end: routed(503, '[1-9]\\d+'),
  },
  restriction('invalid content length', 'HTTP/1.1 200 OK\r\nContent-Length: 1,1\r\n\r\n'),
  restriction('oversized cookie', `HTTP/1.1 200 OK\r\nSet-Cookie: ${'c'.repeat(9000)}\r\n\r\n`),
  restriction('oversized header', `HTTP/1.1 200 OK\r\nX: ${'c'.repeat(530_000)}\r\n\r\n`),
  restriction('oversized status line', `HTTP/1.1 200 ${'c'.repeat(9000)}\r\n\r\n`),
  {
    code: 'H26',
    what: 'an expectation that nobody knows',
    dyno: answers(ok()),
    more: 'Expect: more\r\n',
    status: 417,
    start: 'at=error code=H26 desc="Request Error" cause="unsupported expect header value"',
    end: unrouted(417),
  },
  {
    code: 'H26',
    what: 'a header without sense',
    dyno: answers(ok()),
    more: 'Connection: ,(\r\n',
    status: 400,
    start: 'at=error code=H26 desc="Request Error" cause="bad header"',
    end: unrouted(400),
  },
  {
    code: 'H26',
    what: 'a body in bad chunks',
    dyno: () => undefined,
    method: 'POST',
    more: 'Transfer-Encoding: chunked\r\n\r\nzz\r\n',
    status: 400,
    start: 'at=error code=H26 desc="Request Error" cause="bad chunk"',
    end: routed(400),
  },
  {
    code: 'H80',
    what: 'maintenance',
    dyno: answers(ok()),
    plan: { maintenance: true },
    status: 503,
    start: 'at=info code=H80 desc="Maintenance mode"',
    end: unrouted(503),
  },
  {
    code: 'H81',
    what: 'nothing pushed',
    plan: { release: 0 },
    status: 503,
    start: 'at=info code=H81 desc="Blank app"',
    end: unrouted(503),
  },
]

t.test('shards of a host end requests as dynos and clients make them end', async (t) => {
  const router = await startRouterHost(t)
  const dial = (): Peer => {
    const peer = new Peer(connectTcp({ port: router.port, host: '127.0.0.1', allowHalfOpen: true }))
    t.teardown(() => peer.socket.destroy())
    return peer
  }
  const appWith = async (number: number, port: number): Promise<string> =>
    router.app(number, { dynos: [{ port }] })
  const dyno = async (onText: (peer: Peer) => void): Promise<Target> => {
    const target = await startTarget((peer) => peer.socket.once('data', () => onText(peer)))
    t.teardown(target.close)
    return target
  }

  for (const [
    at,
    { code, what, plan, dyno: behave, state, more, method, status, start, end },
  ] of cases.entries())
    await t.test(`${code}: ${what}, and its line is Heroku's`, async (t) => {
      const target = behave && (await dyno(behave))
      const dynos = target === undefined ? [] : [{ port: target.port, ...(state && { state }) }]
      const host = await router.app(at, { ...plan, dynos })
      const client = dial().send(request(host, more, method))
      t.match(await client.sees('\r\n\r\n'), new RegExp(`^HTTP/1\\.1 ${status} `))
      t.match(await router.line(at, `code=${code}`), lineForm(start, host, end, method))
    })

  const next = cases.length
  await t.test(
    'H19 and H21: dynos that no connection can be made to, silent ones and dead ones',
    async (t) => {
      const deaf = await startDeaf()
      t.teardown(deaf.close)
      const silent = await appWith(next, deaf.port)
      const dead = await appWith(next + 1, await deadPort())
      const [one, other] = [dial().send(request(silent)), dial().send(request(dead))]
      t.match(await other.sees('</html>'), /^HTTP\/1\.1 503 /)
      const refused = 'at=error code=H21 desc="Backend connection refused"'
      const unserved = 'dyno=web\\.1 connect=\\d+ms service= status=503 bytes='
      t.match(await router.line(next + 1, 'H21'), lineForm(refused, dead, unserved))
      await until(() => one.text.includes('</html>'), { what: 'five seconds to pass' })
      const late = 'at=error code=H19 desc="Backend connection timeout"'
      t.match(
        await router.line(next, 'H19'),
        lineForm(late, silent, unserved.replace('\\d+', '[5-9]\\d\\d\\d')),
      )
    },
  )

  await t.test('H27: a client that does not wait, and its dyno hears of it', async (t) => {
    const target = await dyno(() => undefined)
    const host = await appWith(next + 2, target.port)
    const client = dial().send(request(host))
    const peer = await target.peer(0)
    await peer.sees('\r\n\r\n')
    const leftMs = performance.now()
    client.socket.resetAndDestroy()
    await peer.seesEnd()
    t.ok(performance.now() - leftMs < 10_000, 'not only when the request has taken too long')
    const start = 'sock=client at=warning code=H27 desc="Client Request Interrupted"'
    t.match(await router.line(next + 2, 'H27'), lineForm(start, host, routed(499)))
  })

  await t.test('H31 and H33: a connection for another app, and a stream that breaks the rules', async (t) => {
    const target = await dyno(() => undefined)
    const own = await appWith(next + 3, target.port)
    const other = await appWith(next + 4, target.port)
    const session = connectH2(`https://${own}`, {
      createConnection: () =>
        connectTls({
          port: router.tlsPort,
          host: '127.0.0.1',
          servername: own,
          ALPNProtocols: ['h2'],
          ca: router.authority,
        }),
    })
    t.teardown(() => session.destroy())
    const ask = (authority: string, more: Record<string, string> = {}) => {
      const stream = session.request({ ':path': '/', ':authority': authority, 'user-agent': 'test', ...more })
      stream.on('error', () => undefined)
      return stream
    }
    let status = 0
    ask(other)
      .on('response', (fields) => (status = fields[':status'] ?? 0))
      .resume()
    await until(() => status === 421, { what: 'another app to be refused' })
    t.match(
      await router.line(next + 4, 'H31'),
      /^at=error code=H31 desc="Misdirected Request" .* status=421 .*protocol=http2\.0 tls=true tls_version=tls1\.3 agent="test"$/,
    )
    ask(own, { ':method': 'POST', 'content-length': '9' }).end('short')
    t.match(
      await router.line(next + 3, 'H33'),
      /^at=error code=H33 desc="HTTP\/2 Stream Broken" .* dyno=web\.1 .* status=499 bytes=0? protocol=http2\.0/,
    )
  })

  await t.test('H99: nobody can be asked where an app is, and those that are known are served', async (t) => {
    const target = await startTarget((peer) => peer.socket.on('data', () => peer.send(ok())))
    t.teardown(target.close)
    const host = await appWith(next + 5, target.port)
    for (const _ of Array.from({ length: 12 })) await dial().send(request(host)).sees('hi')
    await router.killBus()
    const client = dial().send(request('unheard.localhost', 'Accept: application/json\r\n'))
    await until(() => /^HTTP\/1\.1 503 [^]*"H99"/.test(client.text), { what: 'H99' })
    for (const _ of [1, 2, 3]) await dial().send(request(host)).sees('hi')
  })
})

/** Table, proxy and access log as a shard has them, in this process and with time that the test moves. */
const inOne = async (t: Test, first: Partial<Route>, limits: Partial<ProxyLimits> = {}) => {
  const lines: string[] = []
  const plane = tableWorld({ 'app shop': 'a1' }, [route(first)])
  const proxy = await startProxy(t, (host) => plane.table.resolve(host), limits)
  const accessLog = createAccessLog('test', proxy.clock.epochMs, async (_app, { lines: batch }) => {
    for (const { text } of batch) lines.push(Buffer.from(text).toString('latin1'))
  })
  const line = async (text: string): Promise<string> => {
    let taken = 0
    return until(
      () => {
        for (; taken < proxy.records.length; taken++) accessLog.add(proxy.records[taken]!)
        accessLog.flush()
        return lines.find((one) => one.includes(text))
      },
      { what: `a line with ${text}` },
    )
  }
  const advance = (ms: number): void => {
    plane.advance(ms)
    proxy.clock.advance(ms)
  }
  return { ...proxy, table: plane.table, line, advance }
}
const at = (port: number, dyno = 'web.1') => ({ ...dynoTarget, dyno, address: '127.0.0.1', port })
const host = 'shop.localhost'

t.test('H20: a dyno that does not come up in 75 seconds', async (t) => {
  const { client, line, advance, proxy } = await inOne(t, { web: 'booting', targets: [] })
  const waiting = client(request(host))
  await until(() => proxy.stats().requests === 1, { what: 'the request' })
  advance(74_999)
  t.equal(waiting.text, '')
  advance(1)
  t.match(await waiting.sees('</html>'), /^HTTP\/1\.1 503 /)
  t.match(await line('H20'), lineForm('at=error code=H20 desc="App boot timeout"', host, unrouted(503)))
})

t.test('H12, H15 and H28: silence before an answer, in it, and from a client that sends', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const { client, line, advance } = await inOne(t, { targets: [at(target.port)] })
  const first = client(request(host))
  await (await target.peer(0)).sees('\r\n\r\n')
  advance(30_000)
  t.match(await first.sees('</html>'), /^HTTP\/1\.1 503 /)
  const late = routed(503).replace('service=\\d+', 'service=30\\d\\d\\d')
  t.match(await line('H12'), lineForm('at=error code=H12 desc="Request timeout"', host, late))
  const reader = client(request(host))
  ;(await target.peer(1)).send(half)
  await reader.sees('half')
  advance(55_000)
  await reader.seesEnd()
  t.match(
    await line('H15'),
    lineForm('at=error code=H15 desc="Idle connection"', host, routed(503, '[1-9]\\d+')),
  )
  const sender = client(request(host, 'Content-Length: 9\r\n', 'POST'))
  await (await target.peer(2)).sees('\r\n\r\n')
  advance(55_000)
  await sender.seesEnd()
  const start = 'at=warning code=H28 desc="Client Connection Idle"'
  t.match(await line('H28'), lineForm(start, host, routed(499), 'POST'))
})

t.test('H34: dynos that go on failing for others are not tried for 75 seconds', async (t) => {
  const targets = [at(await deadPort(), 'web.1'), at(await deadPort(), 'web.2')]
  const { client, line, advance, proxy } = await inOne(t, { targets })
  const othersFail = (): void => {
    for (const { dyno: id, address, port, epoch } of targets) {
      const upstream = { id, address, port, epoch }
      proxy.siblings.heard(1, { type: 'shut', app: 'a1', upstream, forMs: defaultLimits.quarantineMs })
    }
  }
  othersFail()
  const waiting = client(request(host))
  await until(() => proxy.stats().inFlight === 1, { what: 'the request' })
  for (let seconds = 0; seconds < 75; seconds++) {
    othersFail()
    advance(1_000)
  }
  t.match(await waiting.sees('</html>'), /^HTTP\/1\.1 503 /)
  const start = 'at=error code=H34 desc="All up dynos are quarantined"'
  t.match(await line('H34'), lineForm(start, host, unrouted(503)))
})

t.test('H11 and H22: more at once than an app may have, of requests and of connections', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const few = { inFlightPerTargetMax: 1, connectionsPerAppMax: 2 }
  const { client, line } = await inOne(t, { targets: [at(target.port)] }, few)
  client(request(host))
  await target.peer(0)
  t.match(await client(request(host)).sees('</html>'), /^HTTP\/1\.1 503 /)
  t.match(await line('H11'), lineForm('at=error code=H11 desc="Backlog too deep"', host, unrouted(503)))
  t.match(await client(request(host)).seesEnd(), /^HTTP\/1\.1 503 /)
  t.match(
    await line('H22'),
    lineForm('at=error code=H22 desc="Connection limit reached"', host, unrouted(503)),
  )
})

t.test('H24: what is not over when a router has to end', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const { client, line, advance, proxy } = await inOne(t, { targets: [at(target.port)] })
  const cut = client(request(host))
  ;(await target.peer(0)).send(half)
  await cut.sees('half')
  const drained = proxy.drain(30_000)
  advance(29_999)
  t.notOk(cut.ended)
  advance(1)
  await drained
  await cut.seesEnd()
  const end = 'dyno=web\\.1 connect=\\d+ms service=\\d+ms status= bytes=[1-9]\\d+'
  t.match(await line('H24'), lineForm('at=error code=H24 desc="Forced close"', host, end))
})
