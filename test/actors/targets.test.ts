/**
 * Which dynos a router shard leads to when they are on several hosts: how each is reached, whose are taken
 * first, and that an older life never follows a newer one.
 */
import t from 'tap'
import { routeTableLimits } from '../../actors/router/route-table.ts'
import type { Route } from '../../actors/protocols/shapes.ts'
import type { MemberState } from '../../src/membership/contract.ts'
import type { Decision } from '../../src/proxy/contract.ts'
import { code, route, settled, target, world } from '../kit/routes.ts'
import { until } from '../kit/until.ts'

/** A dyno of another host, which can be reached. */
const far = (host: string, dyno: string, epoch = 1): Route['targets'][number] => ({
  runId: `${dyno}/${epoch}`,
  dyno,
  address: '10.0.0.9',
  port: 4000,
  outer: { address: `192.0.2.${host.charCodeAt(0)}`, port: 10_002 },
  epoch,
  host,
})
const ids = (decision: Decision | Promise<Decision>): readonly string[] => {
  if (decision instanceof Promise || decision.kind !== 'route') return []
  return decision.targets.map(({ id, epoch }) => `${id}/${epoch}`)
}

t.test('dynos here are reached where they listen, those elsewhere through their hosts', async (t) => {
  const outer = { address: '192.0.2.1', port: 10_002 }
  const targets = [{ ...target, outer }, far('b', 'web.2'), { ...far('c', 'web.3'), outer: null }]
  const { table } = world({ 'app shop': 'a1' }, [route({ targets })])
  t.strictSame(await table.resolve('shop.localhost'), {
    kind: 'route',
    app: 'a1',
    targets: [
      { id: 'web.1', address: '10.0.0.1', port: 4000, epoch: 1 },
      { id: 'web.2', address: '192.0.2.98', port: 10_002, epoch: 1 },
    ],
    near: 2,
    keepAlive: true,
    endToEndContinue: false,
    errorPageUrl: '',
  })
  const {
    timers,
    table: other,
    advance,
  } = world({ 'app shop': 'a1' }, [route({ targets: targets.slice(2) })])
  const held = settled(other.resolve('shop.localhost'))
  await until(() => timers.size === 1, { what: 'the request to be held' })
  advance(routeTableLimits.bootWaitMs)
  t.equal(await code(held), '503 H20 App boot timeout', 'none that can be reached from here')
})

t.test('dynos of the own zone come first, among equals', async (t) => {
  const { table, hosts, zones } = world({}, [])
  Object.assign(zones, { h: 'one', b: 'two', c: 'one', d: 'one' })
  table.update(route({ targets: [far('b', 'web.1'), far('c', 'web.2'), far('d', 'web.3')] }))
  t.match(await table.resolve('shop.localhost'), { near: 2 })
  t.strictSame(ids(table.resolve('shop.localhost')), ['web.2/1', 'web.3/1', 'web.1/1'])
  for (const host of ['c', 'd']) hosts.set(host, 'suspect')
  table.hostsChanged()
  t.match(await table.resolve('shop.localhost'), { near: 0 })
  t.strictSame(ids(table.resolve('shop.localhost')), ['web.1/1'], 'a far one that is well')
})

t.test('suspects serve when there is no one else, and the dead when there are no suspects', async (t) => {
  const targets = [far('b', 'web.1'), far('c', 'web.2'), far('d', 'web.3')]
  const { table, hosts } = world({}, [])
  table.update(route({ targets }))
  const now = (change: Readonly<Record<string, MemberState>>): readonly string[] => {
    for (const [name, state] of Object.entries(change)) hosts.set(name, state)
    table.hostsChanged()
    return ids(table.resolve('shop.localhost'))
  }
  t.strictSame(now({}), ['web.1/1', 'web.2/1', 'web.3/1'], 'before anything is known of hosts')
  t.strictSame(now({ b: 'up', c: 'draining', d: 'joining' }), ['web.1/1', 'web.2/1', 'web.3/1'])
  t.strictSame(now({ b: 'suspect' }), ['web.2/1', 'web.3/1'])
  t.strictSame(now({ c: 'dead', d: 'left' }), ['web.1/1'])
  t.strictSame(now({ b: 'dead' }), ['web.1/1', 'web.2/1', 'web.3/1'], 'nothing is taken away')
  t.strictSame(now({ b: 'up' }), ['web.1/1'])
  const here = [...targets, { ...target, dyno: 'web.4' }]
  table.update(route({ targets: here, version: 2 }))
  t.strictSame(now({ b: 'suspect', h: 'suspect' }), ['web.4/1'], 'this host knows better of itself')
})

t.test('epochs of a dyno never go back, whoever announces them', async (t) => {
  const { table } = world({}, [])
  let version = 0
  const after = (...targets: Route['targets']): readonly string[] => {
    table.update(route({ targets, version: ++version }))
    return ids(table.resolve('shop.localhost'))
  }
  t.strictSame(after(far('b', 'web.1', 5), far('b', 'web.2', 5)), ['web.1/5', 'web.2/5'])
  t.strictSame(after(far('c', 'web.1', 7), far('b', 'web.2', 5)), ['web.1/7', 'web.2/5'])
  t.strictSame(
    after(far('b', 'web.1', 5), far('b', 'web.2', 6)),
    ['web.1/7', 'web.2/6'],
    'of an older life the newer one is kept; the rest of the word counts',
  )
  t.strictSame(after(far('b', 'web.2', 6)), ['web.2/6'], 'it went')
  t.strictSame(
    after(far('b', 'web.1', 5), far('b', 'web.2', 6)),
    ['web.2/6'],
    'and its older life stays away',
  )
  t.strictSame(
    after(far('b', 'web.1', 7), far('b', 'web.2', 6)),
    ['web.1/7', 'web.2/6'],
    'itself may come back',
  )
  t.strictSame(after(far('d', 'web.1', 9), far('b', 'web.2', 6)), ['web.1/9', 'web.2/6'])
  const names = Array.from({ length: 300 }, (_, at) => `web.${at + 10}`)
  after(...names.map((name) => far('b', name, 9)))
  after(far('b', 'web.1', 9))
  t.strictSame(after(far('b', 'web.309', 8), far('b', 'web.1', 9)), ['web.1/9'])
  t.strictSame(after(far('b', 'web.10', 8), far('b', 'web.1', 9)), ['web.10/8', 'web.1/9'], 'within bounds')
})

t.test('after a gap each route is served as it is known, and asked for once more', async (t) => {
  const names = { 'app shop': 'a1', 'app other': 'a2' }
  const other = route({ appId: 'a2', appName: 'other' })
  const { table, plane, asked, state } = world(names, [route(), other], { recheckingMax: 1 })
  await table.resolve('shop.localhost')
  await table.resolve('other.localhost')
  asked.length = 0
  void table.resolve('shop.localhost')
  t.strictSame(asked, [], 'no gap, no question')

  table.gap()
  plane.routes.set('a1', route({ version: 2, targets: [far('b', 'web.1', 2)] }))
  t.strictSame(ids(table.resolve('shop.localhost')), ['web.1/1'], 'at once, as it was')
  t.strictSame(ids(table.resolve('other.localhost')), ['web.1/1'])
  t.strictSame(asked, ['route a1'], 'so many at once')
  await until(() => ids(table.resolve('shop.localhost'))[0] === 'web.1/2', { what: 'the new route' })
  void table.resolve('other.localhost')
  t.strictSame(asked, ['route a1', 'route a2'], 'each once, when it is used')

  table.gap()
  state.isAway = true
  await until(() => table.resolve('shop.localhost') && asked.length > 2, { what: 'a question in vain' })
  state.isAway = false
  await until(() => table.resolve('shop.localhost') && asked.length > 3, { what: 'it to be asked again' })

  table.gap()
  plane.routes.delete('a1')
  plane.names = {}
  await until(async () => (await code(table.resolve('shop.localhost'))) === '404  No such app', {
    what: 'what is gone to be let go',
  })
})
