/**
 * The router's side of the edge: what a shard knows of routes and what becomes of a request.
 * Time is virtual and questions to the control plane are answered by hand.
 */
import t from 'tap'
import { createRouteCache } from '../../actors/router/route-cache.ts'
import { normalHost, wildcardsOf } from '../../actors/router/hostnames.ts'
import { routeTableLimits } from '../../actors/router/route-table.ts'
import { shard } from '../../actors/router/shard.ts'
import type { Route } from '../../actors/protocols/shapes.ts'
import type { Hold } from '../../src/proxy/contract.ts'
import { drive } from '../kit/drive.ts'
import { code, route, routed, settled, world } from '../kit/routes.ts'
import { until } from '../kit/until.ts'

t.test('a host is asked for once, then answered from the cache without a promise', async (t) => {
  const { table, asked } = world({ 'app shop': 'a1' }, [route()])
  t.strictSame(await table.resolve('Shop.LOCALHOST.:8080'), routed)
  t.strictSame(asked, ['app shop', 'route a1'])
  t.strictSame(table.resolve('shop.localhost'), routed, 'at once')
  t.equal(asked.length, 2)
  t.strictSame(table.stats(), { cached: 1, hits: 1, misses: 1, unsure: 0, asking: 0 })
  t.equal(normalHost('[::1]:8080'), '[::1]')
})

t.test('concurrent misses of one host share one question', async (t) => {
  const { table, asked } = world({ 'app shop': 'a1' }, [route()])
  const all = await Promise.all(Array.from({ length: 5 }, async () => table.resolve('shop.localhost')))
  t.strictSame(
    all,
    Array.from({ length: 5 }, () => routed),
  )
  t.equal(asked.length, 2)
})

t.test('nobody is believed for a moment, and not after an announcement', async (t) => {
  const { table, plane, asked, advance } = world({}, [route()])
  t.equal(await code(table.resolve('shop.localhost')), '404  No such app')
  const questions = asked.length
  t.equal(await code(table.resolve('shop.localhost')), '404  No such app')
  t.equal(asked.length, questions, 'not asked again')
  plane.names['app shop'] = 'a1'
  advance(routeTableLimits.nobodyMs)
  t.equal(await code(table.resolve('shop.localhost')), 'route', 'asked again after its time')
  plane.names['host www.example.com'] = 'a1'
  plane.routes.set('a1', route({ hostnames: ['www.example.com'], version: 2 }))
  t.equal(await code(table.resolve('other.example.com')), '404  No such app')
  plane.names['host other.example.com'] = 'a1'
  plane.routes.set('a1', route({ hostnames: ['other.example.com'], version: 3 }))
  table.update(route({ appId: 'another', appName: 'another' }))
  t.equal(await code(table.resolve('other.example.com')), '404  No such app', 'a word of others')
  table.update(route({ hostnames: ['other.example.com'], version: 3 }))
  t.equal(await code(table.resolve('other.example.com')), 'route', 'a word of this name')
})

t.test('names lead where the newest route says: custom, wildcard, renamed, removed, gone', async (t) => {
  const { table, plane } = world(
    { 'app shop': 'a1', 'host www.example.com': 'a1', 'host *.wild.example': 'a1' },
    [route({ hostnames: ['www.example.com', '*.wild.example'] })],
  )
  for (const host of ['shop.localhost', 'www.example.com', 'a.wild.example', 'b.wild.example'])
    t.equal(await code(table.resolve(host)), 'route', host)
  t.equal(await code(table.resolve('wild.example')), '404  No such app', 'not what it stands below')

  plane.names = { 'app store': 'a1' }
  const renamed = route({ appName: 'store', version: 2 })
  plane.routes.set('a1', renamed)
  table.update(renamed)
  t.equal(await code(table.resolve('store.localhost')), 'route')
  for (const host of ['shop.localhost', 'www.example.com', 'a.wild.example'])
    t.equal(await code(table.resolve(host)), '404  No such app', `${host} after the rename`)

  table.update(route({ appName: 'older', version: 1, web: 'none' }))
  t.equal(await code(table.resolve('store.localhost')), 'route', 'an older announcement changes nothing')
  plane.names = {}
  table.update(route({ appName: 'store', version: 3, gone: true }))
  t.equal(await code(table.resolve('store.localhost')), '404  No such app')
  t.equal(table.stats().cached, 0)
})

t.test('a wildcard covers names of any depth, and the nearest of several counts', async (t) => {
  t.strictSame(wildcardsOf('a.b.example.com'), ['*.b.example.com', '*.example.com'])
  t.strictSame(wildcardsOf('example.com'), [])
  t.equal(wildcardsOf(`${'a.'.repeat(100)}example.com`).length, 8, 'a bounded number')
  const names = { 'host *.example.com': 'a1', 'host *.b.example.com': 'a2' }
  const { table } = world(names, [
    route({ hostnames: ['*.example.com'] }),
    route({ appId: 'a2', appName: 'near', hostnames: ['*.b.example.com'] }),
  ])
  for (const [host, app] of Object.entries({
    'x.example.com': 'a1',
    'b.example.com': 'a1',
    'x.y.c.example.com': 'a1',
    'x.b.example.com': 'a2',
    'x.y.b.example.com': 'a2',
  }))
    t.match(await table.resolve(host), { app }, host)
})

t.test('a name that its app no longer claims is not served, whatever the names say', async (t) => {
  const { table } = world({ 'host www.example.com': 'a1' }, [route()])
  t.equal(await code(table.resolve('www.example.com')), '404  No such app')
})

t.test('what cannot be served is refused with its code', async (t) => {
  const cases: readonly (readonly [Partial<Route>, string])[] = [
    [{ web: 'none', targets: [] }, '503 H14 No web processes running'],
    [{ web: 'crashed', targets: [] }, '503 H10 App crashed'],
    [{ web: 'blank', targets: [] }, '503 H81 Blank app'],
    [{ maintenance: true }, '503 H80 Maintenance mode'],
  ]
  for (const [change, want] of cases) {
    const { table } = world({ 'app shop': 'a1' }, [route(change)])
    const made = await table.resolve('shop.localhost')
    t.equal(await code(made), want)
    t.equal(made.kind === 'refuse' && made.app, 'a1', 'it is in the app its log')
  }
})

t.test('features and pages of an app become what the proxy is told', async (t) => {
  const pages = { error: '//pages.example/e', maintenance: '//pages.example/m' }
  const decided = async (change: Partial<Route>): Promise<object> =>
    world({ 'app shop': 'a1' }, [route({ pages, ...change })]).table.resolve('shop.localhost')
  const features = ['http-disable-keepalive-to-dyno', 'http-end-to-end-continue', 'http-session-affinity']
  t.match(await decided({}), { keepAlive: true, endToEndContinue: false, errorPageUrl: pages.error })
  t.notOk('affinity' in (await decided({})))
  t.match(await decided({ features, affinityKey: 'k' }), {
    keepAlive: false,
    endToEndContinue: true,
    affinity: { key: Buffer.from('k') },
  })
  t.match(await decided({ maintenance: true }), { code: 'H80', pageUrl: pages.maintenance })
  t.match(await decided({ web: 'crashed', targets: [] }), { code: 'H10', pageUrl: pages.error })
})

t.test('requests for a booting app are held until it is up, or their time is up', async (t) => {
  const booting = route({ web: 'booting', targets: [] })
  const { table, advance, timers } = world({ 'app shop': 'a1' }, [booting], { waitingPerAppMax: 2 })
  const first = settled(table.resolve('shop.localhost'))
  await until(() => timers.size === 1, { what: 'the first to be held' })
  advance(30_000)
  const second = settled(table.resolve('shop.localhost'))
  t.equal(await code(table.resolve('shop.localhost')), '503 H11 Backlog too deep')
  advance(routeTableLimits.bootWaitMs - 30_000)
  t.equal(await code(first), '503 H20 App boot timeout', 'after 75 s')
  table.update({ ...booting, version: 2 })
  t.equal(timers.size, 1, 'the second is still held')
  table.update(route({ version: 3 }))
  t.strictSame(await second, routed)
  t.equal(timers.size, 0, 'no timer is left')

  table.update({ ...booting, version: 4 })
  const between = table.resolve('shop.localhost')
  table.update(route({ version: 5 }))
  t.strictSame(await settled(between), routed, 'it came up before the waiting began')
  table.update({ ...booting, version: 6 })
  const calledOff = table.resolve('shop.localhost') as Hold
  calledOff.wait(() => t.fail('it is not wanted any more'))()
  t.equal(timers.size, 0, 'whose client has gone takes no room')
  const third = settled(table.resolve('shop.localhost'))
  await until(() => timers.size === 1, { what: 'the third to be held' })
  table.update(route({ version: 7, gone: true }))
  t.equal(await code(third), '404  No such app')
  t.equal(timers.size, 0)
})

t.test('without the control plane what is cached is served and the rest is H99', async (t) => {
  const { table, state, asked } = world({ 'app shop': 'a1', 'app other': 'a2' }, [
    route(),
    route({ appId: 'a2', appName: 'other' }),
  ])
  await table.resolve('shop.localhost')
  state.isAway = true
  t.strictSame(table.resolve('shop.localhost'), routed)
  t.equal(await code(table.resolve('other.localhost')), '503 H99 Platform error')
  await t.rejects(table.revalidate(10), 'revalidation says that it failed')
  t.strictSame(table.resolve('shop.localhost'), routed, 'and takes nothing away')
  state.isAway = false
  const before = asked.length
  t.equal(await code(table.resolve('other.localhost')), 'route', 'a failure is not remembered')
  t.ok(asked.length > before)
})

t.test('revalidation heals what an announcement missed, the most used first', async (t) => {
  const booting = route({ web: 'booting', targets: [] })
  const second = route({ appId: 'a2', appName: 'other' })
  const { table, plane, asked } = world({ 'app shop': 'a1', 'app other': 'a2' }, [booting, second])
  await table.resolve('other.localhost')
  const held = settled(table.resolve('shop.localhost'))
  await until(() => asked.includes('route a1'), { what: 'the question' })
  plane.routes.set('a1', route({ version: 2 }))
  asked.length = 0
  await table.revalidate(1)
  t.strictSame(asked, ['route a1'], 'a bounded number')
  t.strictSame(await held, routed, 'who waited is released')
  plane.routes.clear()
  plane.names = {}
  await table.revalidate(10)
  t.equal(await code(table.resolve('shop.localhost')), '404  No such app', 'what is gone is let go')
})

t.test('a shard knows announced apps that nobody asked it for, while there is room', async (t) => {
  const { table, asked } = world({}, [])
  table.update(route({ hostnames: ['www.example.com'] }))
  t.match(table.resolve('shop.localhost'), { kind: 'route' })
  t.match(table.resolve('www.example.com'), { kind: 'route' })
  t.strictSame(asked, [], 'nobody is asked')
  table.update(route({ appId: 'gone', appName: 'gone', gone: true }))
  t.equal(table.stats().cached, 1)
})

t.test('the cache is bounded, and forgets what was used longest ago', async (t) => {
  const cache = createRouteCache('localhost', 2, 1)
  const app = (id: string): Route => route({ appId: id, appName: id })
  for (const id of ['one', 'two']) cache.learn(`${id}.localhost`, app(id))
  t.ok(cache.find('one.localhost'))
  cache.learn('three.localhost', app('three'))
  t.equal(cache.size(), 2)
  t.ok(cache.find('one.localhost'))
  t.notOk(cache.find('two.localhost'))
  t.strictSame(
    [...cache.entries()].map((entry) => entry.route.appId),
    ['one', 'three'],
  )
  t.notOk(cache.update(app('two')), 'an announcement counts for what is cached, when there is no room')
  t.notOk(cache.update(app('one')), 'and only if it is newer')
})

t.test('the shard follows the record, revalidates in time, counts and drains', async (t) => {
  const driven = drive(shard, { key: 'shard', args: null })
  driven.send({ type: 'follow' })
  t.match(driven.ran, [{ name: 'routing.follow' }])
  driven.failed('routing.follow', 'store_unavailable')
  t.equal(driven.timers.get('follow')?.ms, 5_000, 'again, also after a failure')
  driven.fire('follow')
  driven.done('routing.follow')
  driven.fire('revalidate')
  t.match(driven.ran, [{ name: 'routing.revalidate' }])
  driven.failed('routing.revalidate', 'platform')
  driven.fire('revalidate')
  driven.done('routing.revalidate')
  t.equal(driven.timers.get('revalidate')?.ms, 60_000, 'armed again, also after a failure')

  t.equal(driven.send({ type: 'stats' }), undefined)
  t.equal(driven.send({ type: 'stats' }), undefined)
  const counts = { cached: 1, hits: 2, misses: 3, unsure: 5, asking: 6, inFlight: 4 }
  driven.done('routing.stats', counts)
  driven.done('routing.stats', counts)
  t.strictSame(
    driven.replies.map(({ value }) => value),
    [counts, counts],
    'each is answered once',
  )
  driven.send({ type: 'drain' })
  t.match(driven.ran, [{ name: 'routing.drain' }])
})
