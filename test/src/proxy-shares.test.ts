/**
 * Limits that several processes of one host serve together: never more than the limit, whatever happens to
 * processes and messages; what one does not use, another has soon; who fails for one is left alone by all.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Decision } from '../../src/proxy/contract.ts'
import { defaultLimits, type ProxyLimits } from '../../src/proxy/limits.ts'
import type { SiblingMessage } from '../../src/proxy/siblings.ts'
import { deadPort } from '../kit/no-answer.ts'
import { get, ok, routeTo, startProxy, startTarget, upstream, type World } from '../kit/proxy.ts'
import { HostOf } from '../kit/shares.ts'
import { until } from '../kit/until.ts'

t.test('one process has the whole limit when the others have nothing to do, and no more', async (t) => {
  for (const [count, max] of [
    [2, 200],
    [3, 20],
    [8, 200],
    [4, 3],
    [1, 5],
  ] as const) {
    const host = new HostOf(count, max)
    for (let asked = 0; asked < max + 10; asked++) {
      host.begin(count - 1)
      host.deliverAll()
    }
    t.same([host.used.at(-1), host.refused, host.waiting], [max, 10, 0], `${count} processes, ${max}`)
    if (count === 1) continue
    host.begin(0)
    host.deliverAll()
    t.equal(host.total, max, 'and then another has none')
    host.end(count - 1)
    host.pass(100)
    host.begin(0)
    host.deliverAll()
    t.same([host.used[0], host.total], [1, max], 'until one ends')
  }
})

t.test('a burst at one process is not refused while others have room', async (t) => {
  const host = new HostOf(4, 200)
  for (let asked = 0; asked < 210; asked++) host.begin(0)
  t.equal(host.waiting + host.refused + host.total, 210)
  t.ok(host.waiting > 0, 'it waits for the answers')
  host.deliverAll()
  t.same([host.total, host.refused, host.waiting], [200, 10, 0])
})

t.test('far from the limit nobody is asked, and what was had from others goes back', async (t) => {
  const host = new HostOf(2, 200)
  const before = host.sent
  for (let asked = 0; asked < 75; asked++) host.begin(0)
  t.equal(host.sent, before)
  for (let asked = 0; asked < 100; asked++) host.begin(0)
  host.deliverAll()
  t.equal(host.total, 175)
  for (let ended = 0; ended < 175; ended++) host.end(0)
  host.pass(100)
  host.deliverAll()
  const asks = host.sent
  for (let asked = 0; asked < 75; asked++) host.begin(1)
  t.same([host.total, host.sent], [75, asks], 'the other has its part again')
})

t.test('at the limit the others are asked now and then, not for each request', async (t) => {
  const host = new HostOf(2, 10)
  for (const index of [0, 1])
    for (let asked = 0; asked < 5; asked++) {
      host.begin(index)
      host.deliverAll()
    }
  const before = host.sent
  for (let asked = 0; asked < 1000; asked++) {
    host.begin(0)
    host.deliverAll()
  }
  t.same([host.total, host.refused], [10, 1000])
  t.ok(host.sent - before <= 4, `${host.sent - before} messages`)
})

t.test('the next life of a process knows what the others still have of its part', async (t) => {
  const host = new HostOf(3, 30)
  const fill = (index: number): void => {
    host.pass(21)
    host.deliverAll()
    for (let asked = 0; asked < 40; asked++) {
      host.begin(index)
      host.deliverAll()
    }
  }
  fill(1)
  t.same(host.used, [0, 30, 0])
  for (const lender of [0, 2]) {
    host.kill(lender)
    host.start(lender)
    fill(lender)
    t.same(host.used, [0, 30, 0], `${lender} has nothing left`)
  }
  host.kill(1)
  fill(0)
  t.same(host.used, [20, 0, 0], 'and has it again when the other is gone, but for the part of that one')
  host.start(1)
  fill(0)
  t.same(host.used, [30, 0, 0])
})

t.test('a limit that falls lets in nobody until fewer are there', async (t) => {
  const host = new HostOf(2, 100)
  for (let asked = 0; asked < 100; asked++) {
    host.begin(0)
    host.deliverAll()
  }
  host.max = 20
  const ask = (): void => {
    for (const index of [0, 1, 0, 1]) host.begin(index)
    host.deliverAll()
  }
  ask()
  for (let ended = 0; ended < 80; ended++) host.end(0)
  ask()
  t.same(host.used, [20, 0])
  host.end(0)
  host.end(0)
  ask()
  t.equal(host.total, 20)
})

t.test('a neighbour that does not answer costs a request a moment, and the next ones nothing', async (t) => {
  const host = new HostOf(2, 10)
  for (let asked = 0; asked < 6; asked++) host.begin(0)
  t.same([host.total, host.waiting], [5, 1])
  host.pass(101)
  t.same([host.waiting, host.refused], [0, 1])
  host.begin(0)
  t.same([host.waiting, host.refused], [0, 2])
  host.deliverAll()
  host.begin(0)
  t.equal(host.total, 6, 'what it gives late is good')
})

t.test('never more than the limit, whatever comes in between, and all of it in the end', async () => {
  const step = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant('begin' as const),
        at: fc.nat(3),
        times: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        at: fc.nat(3),
        times: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({ do: fc.constant('deliver' as const), at: fc.nat(3), to: fc.nat(3) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 150 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), at: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('start' as const), at: fc.nat(3) }) },
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 24 }),
      fc.array(step, { maxLength: 200 }),
      (count, max, steps) => {
        const host = new HostOf(count, max)
        for (const one of steps) {
          const at = 'at' in one ? one.at % count : 0
          const times = 'times' in one ? one.times : 1
          for (let time = 0; time < times; time++) {
            if (one.do === 'begin') host.begin(at)
            else if (one.do === 'end') host.end(at)
            else if (one.do === 'deliver') host.deliver(at, one.to % count)
            else if (one.do === 'pass') host.pass(one.ms)
            else if (one.do === 'kill') host.kill(at)
            else host.start(at)
            if (host.total > max) throw new Error(`${host.total} of ${max}`)
          }
        }
        for (let index = 0; index < count; index++) host.start(index)
        const settle = () => {
          for (let times = 0; times < 4; times++) {
            host.deliverAll()
            host.pass(150)
          }
        }
        settle()
        host.used.fill(0)
        settle()
        for (let index = 0; index < count; index++) {
          for (let asked = 0; asked < max + 2; asked++) {
            host.begin(index)
            host.deliverAll()
          }
          if (host.total !== max) throw new Error(`${host.total} of ${max} at ${index} in the end`)
          host.used.fill(0)
          host.pass(21)
          host.deliverAll()
        }
      },
    ),
    { numRuns: 600 },
  )
})

/** Two proxies that are siblings. */
const pair = async (t: Test, resolve: (host: string) => Decision, limits: Partial<ProxyLimits> = {}) => {
  const worlds: World[] = []
  for (const index of [0, 1]) {
    const send = (peer: number, message: SiblingMessage) =>
      setImmediate(() => worlds[peer]?.proxy.siblings.heard(index, message))
    worlds.push(await startProxy(t, resolve, limits, { siblings: { index, count: 2, send } }))
  }
  for (const [index, { proxy }] of worlds.entries()) proxy.siblings.joined(1 - index)
  return worlds as [World, World]
}

t.test(
  'requests wait for the share of another process, and H11 only when the host has no more',
  async (t) => {
    const target = await startTarget()
    t.teardown(target.close)
    const [one, other] = await pair(t, () => routeTo(target), { inFlightPerTargetMax: 10 })
    const clients = Array.from({ length: 12 }, () => one.client(get()))
    await until(() => target.peers.length === 10 && one.records.length === 2, { what: 'ten and no more' })
    t.match(one.records, [{ code: 'H11' }, { code: 'H11' }])
    t.match(await other.client(get()).sees('</html>'), /^HTTP\/1.1 503/)
    t.match(await other.record(0), { code: 'H11' })
    await (await target.peer(0)).sees('\r\n\r\n')
    ;(await target.peer(0)).send(ok())
    await until(() => one.records.length === 3, { what: 'one to be over' })
    other.clock.advance(100)
    const late = other.client(get())
    await (await target.peer(10)).sees('\r\n\r\n')
    late.socket.destroy()
    t.equal(clients.length, 12)
  },
)

t.test('client connections of an app are counted together as well', async (t) => {
  const target = await startTarget((peer) => peer.socket.on('data', () => peer.send(ok())))
  t.teardown(target.close)
  const [one, other] = await pair(t, () => routeTo(target), { connectionsPerAppMax: 4 })
  for (const _ of [1, 2, 3, 4]) await one.client(get()).sees('hi')
  for (const { client, record } of [one, other]) {
    await client(get()).seesEnd()
    t.match(await record(client === one.client ? 4 : 0), { code: 'H22' })
  }
})

t.test('a client that leaves while its request waits for a share is H27, and takes none', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const silent = { index: 0, count: 2, send: () => undefined }
  const world = await startProxy(t, () => routeTo(target), { inFlightPerTargetMax: 2 }, { siblings: silent })
  world.proxy.siblings.joined(1)
  world.client(get())
  await target.peer(0)
  const waiting = world.client(get())
  await until(() => world.proxy.stats().requests === 2, { what: 'the second request' })
  waiting.socket.resetAndDestroy()
  t.match(await world.record(0), { code: 'H27', target: '' })
  world.clock.advance(defaultLimits.sweepMs)
  t.equal(world.proxy.stats().inFlight, 1)
})

t.test('who could not be connected to by one process is left alone by the other', async (t) => {
  const dead = await deadPort()
  const live = await startTarget((peer) => peer.socket.on('data', () => peer.send(ok())))
  t.teardown(live.close)
  const targets = [upstream(dead, 'web.1', 2), upstream(live.port, 'web.2', 2)]
  const [one, other] = await pair(t, () => routeTo(live, { targets }))
  await one.client(get()).sees('hi')
  t.equal(one.proxy.stats().connectRetries, 1)
  await until(() => other.proxy.stats().activeApps === 1, { what: 'the news' })
  await other.client(get()).sees('hi')
  t.equal(other.proxy.stats().connectRetries, 0)
  other.clock.advance(defaultLimits.quarantineMs)
  await other.client(get()).sees('hi')
  t.equal(other.proxy.stats().connectRetries, 1, 'for five seconds')
  const news = { type: 'shut', app: 'app', forMs: 5000 } as const
  other.clock.advance(defaultLimits.quarantineMs)
  for (const upstreams of [upstream(live.port, 'web.2', 1)])
    other.proxy.siblings.heard(0, { ...news, upstream: upstreams })
  await other.client(get()).sees('hi')
  t.match(other.records.at(-1), { target: 'web.2' })
})
