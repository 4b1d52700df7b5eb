/**
 * What a shard's route table does at the scale of a whole Heroku: cold caches, floods, gaps, copies of the
 * record that are behind. Time is virtual and the record answers by hand.
 */
import t from 'tap'
import { createQuestions, QuestionsFull } from '../../actors/router/questions.ts'
import { createResync } from '../../actors/router/resync.ts'
import { createRouteCache } from '../../actors/router/route-cache.ts'
import { routeTableLimits } from '../../actors/router/route-table.ts'
import type { Route } from '../../actors/protocols/shapes.ts'
import type { Changed } from '../../src/ports/feed.ts'
import { code, route, routed, settled, target, world } from '../kit/routes.ts'
import { until } from '../kit/until.ts'

const named = (id: string, change: Partial<Route> = {}): Route => route({ appId: id, appName: id, ...change })

t.test('a cold table asks for each of many hosts once, a bounded number at once', async (t) => {
  const ids = Array.from({ length: 1_000 }, (_, at) => `app${at}`)
  const names = Object.fromEntries(ids.map((id) => [`app ${id}`, id]))
  const cold = world(
    names,
    ids.map((id) => named(id)),
    { askingMax: 8 },
  )
  const answers = [...ids, ...ids].map((id) => settled(cold.table.resolve(`${id}.localhost`)))
  t.equal(cold.table.stats().asking, 1_000, 'two requests for one host share a question')
  const made = await Promise.all(answers)
  t.ok(made.every(({ kind }) => kind === 'route'))
  t.equal(cold.asked.length, 2_000, 'a name and a route for each host')
  t.ok(cold.mostOpen() <= 8, `${cold.mostOpen()} at once`)
  t.equal(cold.table.stats().asking, 0)
})

t.test('the line of questions is bounded: who comes too late is told at once', async (t) => {
  const { table } = world({}, [], { askingMax: 1, askingLineMax: 2 })
  const first = [1, 2, 3].map((at) => settled(table.resolve(`a${at}.localhost`)))
  t.equal(await code(table.resolve('late.localhost')), '503 H99 Platform error')
  for (const one of first) t.equal(await code(one), '404  No such app')
  const questions = createQuestions<number>(1, 1)
  const opened = Promise.withResolvers<number>()
  const one = questions.about('one', () => opened.promise)
  const two = questions.about('two', () => Promise.reject(new Error('away')))
  await t.rejects(
    questions.about('three', () => Promise.resolve(3)),
    QuestionsFull,
  )
  opened.resolve(1)
  t.equal(await one, 1)
  await t.rejects(two, { message: 'away' })
  t.equal(await questions.about('two', () => Promise.resolve(2)), 2, 'a failure frees its place')
  t.equal(questions.size(), 0)
})

t.test('a flood for one app that boots holds up no other', async (t) => {
  const { table } = world({ 'app cold': 'cold' }, [named('cold')], { waitingPerAppMax: 3, askingMax: 2 })
  table.update(named('hot', { web: 'booting', targets: [] }))
  const held = Array.from({ length: 10 }, () => settled(table.resolve('hot.localhost')))
  t.equal(await code(table.resolve('cold.localhost')), 'route')
  t.equal(await code(held[9]!), '503 H11 Backlog too deep')
  table.update(named('hot', { version: 2 }))
  t.equal(await code(held[0]!), 'route')
})

t.test('an answer that is older than an announcement is not believed', async (t) => {
  const { table, plane, versionsWanted } = world({ 'app shop': 'a1' }, [route({ web: 'none' })], {
    warmMax: 0,
  })
  plane.behind.set('a1', route({ web: 'crashed', version: 0 }))
  table.update(route({ web: 'none' }))
  t.equal(table.stats().cached, 0, 'no room for what nobody asked for')
  t.equal(await code(table.resolve('shop.localhost')), '503 H14 No web processes running')
  t.strictSame(versionsWanted, [1], 'the copy is told what was heard')

  const late = world({ 'app shop': 'a1' }, [route()], { warmMax: 0 })
  late.plane.behind.set('a1', route({ web: 'none', version: 0 }))
  const answer = late.table.resolve('shop.localhost')
  late.table.update(route())
  t.strictSame(await answer, routed, 'also when it came while the copy was asked')
  t.ok(late.versionsWanted.includes(1))
})

t.test('"nobody" is not believed when the name was announced while it was asked', async (t) => {
  const { table, plane, asked } = world({}, [])
  const first = table.resolve('www.shop.example')
  table.update(named('a9', { hostnames: ['*.shop.example'] }))
  t.equal(await code(first), '404  No such app')
  plane.names['host *.shop.example'] = 'a9'
  plane.routes.set('a9', named('a9', { hostnames: ['*.shop.example'] }))
  const questions = asked.length
  t.equal(await code(table.resolve('www.shop.example')), 'route')
  t.ok(asked.length > questions, 'asked again at once')
})

t.test('an exact name of one app goes before the wildcard of another', async (t) => {
  const wild = named('wild', { hostnames: ['*.example.com'] })
  const exact = named('exact', { hostnames: ['www.example.com'] })
  const { table } = world({ 'host www.example.com': 'exact', 'host *.example.com': 'wild' }, [wild, exact])
  const appOf = async (host: string) => (await table.resolve(host)).app
  table.update(wild)
  t.equal(await appOf('www.example.com'), 'exact', 'though the wildcard alone is cached')
  t.equal(await appOf('api.example.com'), 'wild')
  t.equal(await appOf('api.example.com'), 'wild', 'from the cache')
  table.update(named('late', { hostnames: ['api.example.com'] }))
  t.equal(await appOf('api.example.com'), 'late', 'who got the exact name since')
})

t.test('names go with their app: nothing of what was forgotten is kept', async (t) => {
  const cache = createRouteCache('localhost', 3, 3)
  for (let at = 0; at < 100; at++) {
    cache.learn(`a${at}.localhost`, named(`a${at}`, { hostnames: [`www.a${at}.example`] }))
  }
  t.equal(cache.size(), 3)
  t.notOk(cache.find('www.a0.example'))
  t.notOk(cache.find('a96.localhost'))
  t.ok(cache.find('www.a99.example'))
  cache.update(named('a99', { version: 2 }))
  t.notOk(cache.find('www.a99.example'), 'a removed domain ends with the next version')
  cache.update(named('a98', { version: 2, hostnames: ['www.a97.example'] }))
  t.equal(cache.find('www.a97.example')?.route.appId, 'a98', 'a domain that moved')
  cache.update(named('a97', { version: 2 }))
  t.equal(cache.find('www.a97.example')?.route.appId, 'a98', 'and its last owner has let go of it')
})

const keyOf = (appId: string): string => `p/${appId}`

/** A record as a list of changes. */
const feedOf = (
  changes: Changed[],
  standing: (keys: readonly string[]) => readonly Changed[] = () => [],
) => ({
  state: { newest: 0, failAfter: Number.POSITIVE_INFINITY },
  reads: [] as number[],
  standing: (keys: readonly string[]) => Promise.resolve(standing(keys)),
  position() {
    return Promise.resolve(this.state.newest)
  },
  async *since(_: string, revision: number) {
    this.reads.push(revision)
    let left = this.state.failAfter
    for (const change of changes.filter((one) => one.revision > revision)) {
      if (left-- <= 0) throw new Error('away')
      yield change
    }
  },
})

t.test('after a gap a table takes what was written since, and nothing else', async (t) => {
  const { table, asked } = world({}, [])
  const routes = new Map<string, Route>()
  const changes: Changed[] = []
  const feed = feedOf(changes)
  const write = (one: Route): void => {
    feed.state.newest += 1
    routes.set(`p/${feed.state.newest}`, one)
    changes.push({ key: `p/${feed.state.newest}`, revision: feed.state.newest, value: new Uint8Array(1) })
  }
  for (const id of ['one', 'two', 'three']) table.update(named(id))
  feed.state.newest = 10
  const resync = createResync({ table, feed, prefix: 'p/', keyOf, routeOf: (key) => routes.get(key) })
  await resync.follow()
  t.strictSame(feed.reads, [10], 'a table that begins has missed nothing')
  write(named('one', { version: 2, web: 'none' }))
  write(named('two', { version: 2, gone: true }))
  write(named('three', { version: 0, web: 'none' }))
  feed.state.failAfter = 1
  await t.rejects(resync.follow(), { message: 'away' })
  t.equal(await code(table.resolve('one.localhost')), '503 H14 No web processes running')
  feed.state.failAfter = 10
  await Promise.all([resync.follow(), resync.follow()])
  t.strictSame(feed.reads, [10, 10, 11], 'it goes on where it broke off, one reader at a time')
  t.equal(await code(table.resolve('two.localhost')), '404  No such app')
  t.equal(await code(table.resolve('three.localhost')), 'route', 'what is older than known changes nothing')
  t.notOk(asked.includes('route one'), 'nobody is asked')
  await resync.follow()
  t.equal(feed.reads.at(-1), 13)
})

t.test('a record that went back is not trusted: each cached route is asked for again, once', async (t) => {
  const ids = Array.from({ length: 300 }, (_, at) => `app${at}`)
  const { table, plane, asked, state, mostOpen } = world(
    {},
    ids.map((id) => named(id)),
  )
  for (const id of ids) table.update(named(id))
  const feed = feedOf([])
  feed.state.newest = 100
  const resync = createResync({ table, feed, prefix: 'p/', keyOf, routeOf: () => undefined })
  await resync.follow()
  t.strictSame(asked, [])
  plane.routes.set('app7', named('app7', { version: 2, web: 'none' }))
  plane.routes.delete('app8')
  feed.state.newest = 90
  state.isAway = true
  await t.rejects(resync.follow(), 'the record is away')
  t.ok(table.stats().unsure > 0)
  t.strictSame(table.resolve('app7.localhost').constructor, Object, 'what is known is served meanwhile')
  state.isAway = false
  asked.length = 0
  await resync.follow()
  await until(() => table.stats().unsure === 0, { what: 'all to be sure' })
  t.equal(new Set(asked).size, asked.length, 'each once')
  t.ok(mostOpen() <= routeTableLimits.recheckingMax + 1)
  t.equal(await code(table.resolve('app7.localhost')), '503 H14 No web processes running')
  t.equal(await code(table.resolve('app8.localhost')), '404  No such app')
  asked.length = 0
  resync.distrust()
  await resync.follow()
  t.equal(asked.length, 299, 'as after a server was started anew')
})

t.test('routes that a copy of the record knows as well are asked for in few questions', async (t) => {
  const ids = Array.from({ length: 500 }, (_, at) => `app${at}`)
  const { table, asked, plane } = world(
    {},
    ids.map((id) => named(id)),
  )
  for (const id of ids) table.update(named(id))
  table.update(named('app3', { version: 5 }))
  plane.routes.set('app3', named('app3', { version: 5 }))
  const copy = new Map(ids.map((id) => [keyOf(id), named(id)]))
  copy.set(keyOf('app7'), named('app7', { version: 2, web: 'none' }))
  copy.delete(keyOf('app9'))
  let questions = 0
  const feed = feedOf([], (keys) => {
    questions++
    return keys.filter((key) => copy.has(key)).map((key) => ({ key, revision: 1, value: new Uint8Array() }))
  })
  const resync = createResync({ table, feed, prefix: 'p/', keyOf, routeOf: (key) => copy.get(key) })
  resync.distrust()
  await resync.follow()
  t.equal(table.stats().unsure, 0)
  t.ok(questions <= 5, `${questions} questions for 500 routes`)
  t.strictSame(asked, ['route app9', 'route app3'].toSorted().toReversed(), 'only where the copy knows less')
  t.equal(await code(table.resolve('app7.localhost')), '503 H14 No web processes running')
  t.equal(await code(table.resolve('app9.localhost')), 'route', 'missing in a copy is not gone')
})

t.test('a dyno that stands in serves until the route says what became of it', async (t) => {
  const { table, advance } = world({}, [], { standInMs: 1_000 })
  const where = async (): Promise<string> => {
    const decision = await settled(table.resolve('shop.localhost'))
    return decision.kind === 'route'
      ? decision.targets.map(({ id, port, epoch }) => `${id}:${port}@${epoch}`).join(' ')
      : decision.code
  }
  const other = { ...target, dyno: 'web.2', port: 4001 }
  const after = { ...target, port: 5000, epoch: 5 }
  const standIn = { appId: 'a1', target: after, over: false }
  table.standIn(standIn)
  table.update(route({ targets: [target, other] }))
  t.equal(await where(), 'web.1:4000@1 web.2:4001@1', 'of an app that is not known here nothing is kept')
  table.standIn(standIn)
  t.equal(await where(), 'web.1:5000@5 web.2:4001@1')
  table.standIn({ ...standIn, target: { ...after, port: 9, epoch: 4 } })
  t.equal(await where(), 'web.1:5000@5 web.2:4001@1', 'an older stand-in comes too late')

  table.update(route({ version: 2, targets: [target, { ...other, epoch: 2 }] }))
  t.equal(
    await where(),
    'web.1:5000@5 web.2:4001@2',
    'a route that does not know of it yet changes the others',
  )
  table.standIn({ ...standIn, over: true })
  t.equal(await where(), 'web.1:4000@1 web.2:4001@2', 'it was not taken: the older life serves on')

  table.standIn(standIn)
  table.update(route({ version: 3, targets: [{ ...after, port: 5001, epoch: 6 }, other] }))
  table.standIn({ ...standIn, over: true })
  t.equal(await where(), 'web.1:5001@6 web.2:4001@2', 'a newer life is on record')

  table.standIn({ ...standIn, target: { ...after, epoch: 7 } })
  t.equal(await where(), 'web.1:5000@7 web.2:4001@2')
  advance(1_000)
  t.equal(await where(), 'web.1:5001@6 web.2:4001@2', 'nobody speaks of it any more')
})
