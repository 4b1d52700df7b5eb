/**
 * Which dyno a request goes to, and what becomes of it when that one can't be connected to: the choice by
 * itself, then quarantine and hedging over real sockets with the test's own clock.
 */
import { connect } from 'node:net'
import t from 'tap'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import { quantile, queueTimes, rapGenius } from '../../scripts/bench/router/two-choices.ts'
import { chooseTarget } from '../../src/proxy/choice.ts'
import type { Decided, Decision, Hold } from '../../src/proxy/contract.ts'
import { defaultLimits } from '../../src/proxy/limits.ts'
import { LoadTable } from '../../src/proxy/load.ts'
import { deadPort, startDeaf } from '../kit/no-answer.ts'
import { get, ok, post, routeTo, startProxy, startTarget, upstream } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

const rolls =
  (...values: number[]) =>
  () =>
    values.shift() ?? 0

t.test('the less loaded of two random targets is chosen, near ones first, tried ones never', async (t) => {
  const targets = ['a', 'b', 'c'].map((id) => upstream(1, id))
  const table = new LoadTable(() => 0)
  const choose = (loads: Record<string, number>, random: () => number, near = 0, tried?: string[]) => {
    const app = table.enter('app')
    for (const target of targets) table.target(app, target).inFlight = loads[target.id] ?? 0
    const set = tried === undefined ? null : new Set(tried.map((id) => app.targets.get(id)))
    return chooseTarget({ targets, near }, app, 0, random, set)?.id
  }
  t.equal(choose({ a: 1, b: 0 }, rolls(0, 0)), 'b')
  t.equal(choose({ a: 1, b: 1 }, rolls(0, 0)), 'a', 'the first on a tie')
  t.equal(choose({ c: 5, a: 4 }, rolls(0.99, 0)), 'a')
  t.equal(choose({}, rolls(0), 0, ['a', 'b']), 'c')
  t.equal(choose({}, rolls(0), 0, ['a', 'b', 'c']), undefined)
  t.equal(choose({}, rolls(0.99, 0.99), 1), 'a', 'the only near one')
  t.equal(choose({ a: 3 }, rolls(0.99, 0), 1), 'b', 'unless it is busier')
})

t.test('dynos that serve one request at a time are waited for less than when chosen at random', async (t) => {
  for (const shards of [1, 4]) {
    const of = { ...rapGenius, shards, requests: 20_000 }
    const [ours, random] = [queueTimes(of, 'two choices'), queueTimes(of, 'random')]
    for (const share of [0.9, 0.99]) t.ok(quantile(ours, share) < 0.8 * quantile(random, share), `${shards}`)
  }
})

t.test('a target that refuses is left alone for five seconds, by every request', async (t) => {
  const dead = await deadPort()
  const live = await startTarget((peer) => peer.send(ok()))
  t.teardown(live.close)
  const targets = [upstream(dead, 'web.1'), upstream(live.port, 'web.2')]
  const world = await startProxy(t, () => routeTo(live, { targets }))
  const served = async (index: number) => {
    await world.client(get('/', 'Connection: close\r\n')).sees('hi')
    t.match(await world.record(index), { target: 'web.2' })
  }
  await served(0)
  t.equal(world.proxy.stats().connectRetries, 1)
  world.clock.advance(4999)
  await served(1)
  t.equal(world.proxy.stats().connectRetries, 1, 'it was not tried')
  world.clock.advance(1)
  await served(2)
  t.equal(world.proxy.stats().connectRetries, 2, 'it was tried again')
  world.clock.advance(defaultLimits.quarantineMs)
  t.equal(world.proxy.stats().activeApps, 0, 'and then it is forgotten')
})

t.test('while all are left alone a request waits, and finds a new life of its dyno', async (t) => {
  const live = await startTarget((peer) => peer.send(ok()))
  t.teardown(live.close)
  let route: Decision = routeTo({ port: await deadPort() })
  const world = await startProxy(t, () => route)
  await world.client(get()).sees('</html>')
  t.equal((await world.record(0)).code, 'H21')
  const waiting = world.client(get())
  await until(() => world.proxy.stats().inFlight === 1, { what: 'the request to wait' })
  world.clock.advance(100)
  t.equal(world.records.length, 1, 'it still waits')
  route = routeTo(live, { targets: [upstream(live.port, 'web.1', 2)] })
  world.clock.advance(400)
  await waiting.sees('hi')
  t.match(await world.record(1), { code: '', status: 200 })
})

t.test('when they are left alone for 75 seconds it is H34, and a client that leaves is H27', async (t) => {
  const dead = await deadPort()
  const world = await startProxy(t, () => routeTo({ port: dead }), { quarantineMs: 75_000 })
  await world.client(get()).sees('</html>')
  const waiting = world.client(get())
  const leaving = world.client(get())
  await until(() => world.proxy.stats().inFlight === 2, { what: 'both to wait' })
  leaving.socket.resetAndDestroy()
  t.match(formatAccessLine(await world.record(1)), /code=H27 .* dyno= connect= service= status=499 bytes= /)
  for (let ms = 0; ms < 74_000; ms += 1000) world.clock.advance(1000)
  t.equal(world.records.length, 2)
  for (let ms = 0; ms < 1000; ms += 100) world.clock.advance(100)
  t.match(await waiting.sees('</html>'), /^HTTP\/1.1 503/)
  t.match(
    formatAccessLine(await world.record(2)),
    /^at=error code=H34 desc="All up dynos are quarantined" .* dyno= connect= service= status=503 bytes= /,
  )
})

t.test(
  'a target that does not answer has another tried beside it, and comes last from then on',
  async (t) => {
    const deaf = await startDeaf()
    t.teardown(deaf.close)
    const live = await startTarget((peer) => peer.send(ok()))
    t.teardown(live.close)
    const targets = [upstream(deaf.port, 'web.1'), upstream(live.port, 'web.2')]
    const world = await startProxy(t, () => routeTo(live, { targets }))
    const client = world.client(get())
    await until(() => world.proxy.stats().inFlight === 1, { what: 'the request' })
    t.equal(live.peers.length, 0)
    world.clock.advance(defaultLimits.hedgeMs)
    await client.sees('hi')
    t.match(await world.record(0), { target: 'web.2', code: '' })
    await world.client(get()).sees('hi')
    t.match(world.proxy.stats(), { hedges: 1, connectRetries: 0, inFlight: 0 }, 'not tried again at once')
  },
)

t.test('a hedge that fails leaves the first attempt its time', async (t) => {
  const deaf = await startDeaf()
  t.teardown(deaf.close)
  const dead = await deadPort()
  const targets = [upstream(deaf.port, 'web.1'), upstream(dead, 'web.2')]
  const world = await startProxy(t, () => routeTo({ port: 0 }, { targets }))
  const client = world.client(get())
  await until(() => world.proxy.stats().inFlight === 1, { what: 'the request' })
  world.clock.advance(defaultLimits.hedgeMs)
  await until(() => world.proxy.stats().hedges === 1, { what: 'the hedge' })
  const later = connect(dead, '127.0.0.1').on('error', () => {})
  await until(() => later.closed, { what: 'who connects after the hedge to be refused' })
  world.clock.advance(4000)
  t.equal(world.records.length, 0)
  world.clock.advance(750)
  await client.sees('</html>')
  t.match(formatAccessLine(await world.record(0)), /code=H19 .* connect=5000ms service= status=503/)
})

t.test('a request whose dynos are gone goes by the route as it is by then', async (t) => {
  const dead = await deadPort()
  const live = await startTarget((peer) =>
    peer.socket.on('data', () => peer.text.endsWith('whole') && peer.send(ok())),
  )
  t.teardown(live.close)
  const old = routeTo({ port: dead })
  const next = routeTo(live, { targets: [upstream(live.port, 'web.1', 2)] })
  const held: Decision = {
    kind: 'hold',
    app: 'app',
    wait: (decided) => (setImmediate(decided, next), () => undefined),
  }
  const crashed: Decision = {
    kind: 'refuse',
    app: 'app',
    code: 'H10',
    status: 503,
    description: 'App crashed',
  }
  const answers: readonly [string, Decision[], object, number][] = [
    ['another life of the dyno', [old, next], { code: '', status: 200, target: 'web.1' }, 2],
    ['one that starts', [old, held], { code: '', status: 200 }, 2],
    ['none any more', [old, crashed], { code: 'H10', status: 503 }, 2],
    ['the same as before', [old, old], { code: 'H21', status: 503 }, 2],
  ]
  for (const [what, decisions, expected, asked] of answers) {
    let at = 0
    const world = await startProxy(t, () => decisions[at++] ?? old)
    const client = world.client(post('whole'))
    t.match(await world.record(0), expected, what)
    await client.sees(/hi|<\/html>/)
    t.equal(at, asked, 'asked once more, and no more')
    t.equal(world.proxy.stats().inFlight, 0)
  }
})

t.test('however often its route changes, a request is tried ten times', async (t) => {
  const dead = await deadPort()
  let epoch = 0
  const world = await startProxy(t, () =>
    routeTo({ port: dead }, { targets: [upstream(dead, 'web.1', ++epoch)] }),
  )
  world.client(get())
  t.match(await world.record(0), { code: 'H21', target: 'web.1' })
  t.equal(epoch, defaultLimits.connectTriesMax)
})

t.test('requests that are held together each go on as what they were', async (t) => {
  const live = await startTarget((peer) => {
    peer.socket.on('data', () => peer.send(ok(peer.text.split('\r\n').slice(0, 2).join(' '))))
  })
  t.teardown(live.close)
  for (const bare of [undefined, null]) {
    const held: ((decision: Decided) => void)[] = []
    const more = bare === undefined ? {} : { bare }
    const wait: Hold['wait'] = (decided) => {
      held.push(decided)
      return () => undefined
    }
    const world = await startProxy(t, () => ({ kind: 'hold', app: 'app', wait }), {}, more)
    const paths = ['/first', '/the-second', '/3']
    const clients = []
    for (const path of paths) {
      clients.push(world.client(get(path)))
      await until(() => held.length === clients.length, { what: `${path} to be held` })
    }
    for (const decided of held) decided(routeTo(live))
    for (const [at, path] of paths.entries())
      t.match(await clients[at]?.sees('a.example'), `GET ${path} HTTP/1.1 Host: a.example`)
  }
})

t.test(
  'a held request goes on when its app comes up, and is H27 in its log when its client leaves',
  async (t) => {
    const live = await startTarget((peer) => peer.send(ok()))
    t.teardown(live.close)
    const held = new Set<(decision: Decided) => void>()
    const world = await startProxy(t, () => ({
      kind: 'hold',
      app: 'app',
      wait: (decided) => {
        held.add(decided)
        return () => held.delete(decided)
      },
    }))
    const [staying, leaving] = [world.client(get()), world.client(get())]
    await until(() => held.size === 2, { what: 'both to be held' })
    leaving.socket.destroy()
    await until(() => (world.clock.advance(100), held.size === 1), { what: 'the wait to be called off' })
    t.match(await world.record(0), { app: 'app', code: 'H27', target: '', connectMs: null })
    for (const decided of held) decided(routeTo(live))
    await staying.sees('hi')
    t.match(await world.record(1), { code: '', status: 200 })
  },
)
