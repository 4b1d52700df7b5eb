/** Which certificate a shard shows for which name, what it asks for that, and what it keeps. */
import t from 'tap'
import { createShardCertificates, pairOf } from '../../actors/router/certificates.ts'
import { createCertificates, certificateKeyOf } from '../../actors/effects/perform/certificates.ts'
import { oneKey } from '../../actors/effects/perform/seal.ts'
import type { Route } from '../../actors/protocols/shapes.ts'
import { issue, makeAuthority, type Pair } from '../../src/certs/certificate.ts'
import { makePlatformCertificate } from '../../src/certs/platform.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { route, world } from '../kit/routes.ts'

const authority = { ...makeAuthority('test root', Date.now(), 100), commonName: 'test root' }
const pair: Pair = issue(authority, ['www.example.com'], Date.now(), 10)
const hostnames = ['www.example.com', '*.wild.example', 'plain.example']
const shop = route({ hostnames, certificates: { 'www.example.com': 'p1', '*.wild.example': 'p2' } })

const shard = (appDomain = 'localhost', contextsMax = 10) => {
  const asked: string[] = []
  const state = { isAway: false, pairs: { p1: pair, p2: pair } as Record<string, Pair> }
  const timers: (() => void)[] = []
  const routes = new Map<string, Route>(hostnames.map((name) => [name, shop]))
  routes.set('a.wild.example', shop)
  routes.set('other.example', route({ appId: 'a2' }))
  const platform = makePlatformCertificate(authority, appDomain, Date.now())
  const shown = createShardCertificates({
    appDomain,
    platform,
    tickets: { now: () => Buffer.alloc(48), onChange: () => () => undefined },
    routeFor: async (name) => {
      if (state.isAway) throw new Error('away')
      return routes.get(name)
    },
    open: async (appId, pairId) => {
      asked.push(`${appId} ${pairId}`)
      return state.pairs[pairId]
    },
    now: () => Date.now(),
    after: (_ms, run) => {
      timers.push(run)
      return () => undefined
    },
    contextsMax,
    lookupMsMax: 100,
  })
  return { shown, asked, state, routes, timers, platform }
}

t.test(
  'a name has its own certificate, that of its closest wildcard, or none; each is opened once',
  async (t) => {
    const { shown, asked, state } = shard()
    const [one, same] = await Promise.all([
      shown.contextFor('www.example.com'),
      shown.contextFor('www.example.com'),
    ])
    t.ok(one !== undefined && one === same)
    t.ok(await shown.contextFor('a.wild.example'))
    t.equal(await shown.contextFor('plain.example'), undefined)
    t.equal(await shown.contextFor('nobody.example'), undefined)
    t.same(asked, ['a1 p1', 'a1 p2'])
    t.equal(pairOf(shop, 'b.a.wild.example'), 'p2')
    state.isAway = true
    await t.rejects(Promise.resolve(shown.contextFor('www.example.com')), /away/)
  },
)

t.test('what was not there is asked for again, and no more than the bound is kept', async (t) => {
  const { shown, asked, state } = shard('localhost', 1)
  delete state.pairs['p1']
  t.equal(await shown.contextFor('www.example.com'), undefined)
  state.pairs['p1'] = pair
  t.ok(await shown.contextFor('www.example.com'))
  await shown.contextFor('a.wild.example')
  await shown.contextFor('www.example.com')
  t.same(asked, ['a1 p1', 'a1 p1', 'a1 p2', 'a1 p1'])
})

t.test("the platform's certificate is renewed at once, with those that were made of it", async (t) => {
  const { shown, platform } = shard()
  let changes = 0
  const quiet = shown.onFallback(() => (changes += 1))
  const first = await shown.contextFor('shop.localhost')
  t.ok(first)
  t.equal(await shown.contextFor('shop.localhost'), first)
  shown.renewed(platform)
  t.equal(changes, 0, 'the same again changes nothing')
  const renewed = makePlatformCertificate(authority, 'localhost', Date.now())
  shown.renewed(renewed)
  t.equal(changes, 1)
  t.equal(shown.fallback(), renewed)
  t.not(await shown.contextFor('shop.localhost'), first)
  quiet()
  shown.renewed(platform)
  t.equal(changes, 1)
  const wild = shard('apps.example.com')
  t.equal(
    await wild.shown.contextFor('shop.apps.example.com'),
    undefined,
    'a wildcard needs nothing of its own',
  )
})

t.test('a lookup that takes too long ends with the fallback', async (t) => {
  const { shown, timers, routes } = shard()
  routes.get = () => new Promise(() => undefined) as never
  const found = shown.contextFor('www.example.com')
  await new Promise((resolve) => setImmediate(resolve))
  for (const run of timers) run()
  t.equal(await found, undefined)
})

t.test('one connection serves names of one app that have one certificate', async (t) => {
  const { shown, state, routes } = shard()
  routes.set('b.wild.example', shop)
  t.equal(await shown.isServedTogether('a.wild.example', 'b.wild.example'), true)
  t.equal(await shown.isServedTogether('a.wild.example', 'www.example.com'), false, 'another certificate')
  t.equal(await shown.isServedTogether('plain.example', 'other.example'), false, 'another app')
  t.equal(await shown.isServedTogether('plain.example', 'nobody.example'), true, 'that is a 404')
  state.isAway = true
  t.equal(await shown.isServedTogether('plain.example', 'other.example'), true)
})

t.test('sealed pairs open under their own name and key alone, and go with their app', async (t) => {
  const store = memoryStore()
  const key = certificateKeyOf(Buffer.alloc(32, 7))
  const kept = createCertificates(store, oneKey(key))
  await kept.keep('a1', 'p1', pair)
  t.same(await kept.open('a1', 'p1'), pair)
  t.equal(await kept.open('a1', 'p2'), undefined)
  await t.rejects(createCertificates(store, oneKey(Buffer.alloc(32))).open('a1', 'p1'))
  const [entry] = await store.list('certificates/a1/')
  await store.create('certificates/a2/p1', entry!.value)
  await t.rejects(kept.open('a2', 'p1'), 'passed off as another')
  await kept.renewPlatform(authority, 'localhost', Date.now())
  const platform = await kept.platform()
  await kept.renewPlatform(authority, 'localhost', Date.now())
  t.same(await kept.platform(), platform, 'one that is current stays')
  await kept.renewPlatform(authority, 'localhost', Date.now() + 790 * 86_400_000)
  t.not((await kept.platform())?.certificate, platform?.certificate)
  await kept.effects['certificates.drop']?.({ appId: 'a1' } as never, undefined as never)
  t.equal(await kept.open('a1', 'p1'), undefined)
  t.ok(await kept.platform())
})

t.test('the table says whose a name is, asking as for requests', async (t) => {
  const { table, asked } = world({ 'host www.example.com': 'a1' }, [shop])
  t.equal((await table.routeFor('www.example.com'))?.appId, 'a1')
  const before = asked.length
  t.equal((await table.routeFor('www.example.com'))?.appId, 'a1')
  t.equal(asked.length, before, 'from its cache')
  t.equal(await table.routeFor('nobody.example'), undefined)
  const after = asked.length
  t.equal(await table.routeFor('nobody.example'), undefined)
  t.equal(asked.length, after, 'nobody is believed for a moment')
})
