/**
 * Upkeep: what builds and uploads leave is taken away in time, and nothing that anything names.
 */
import fc from 'fast-check'
import t from 'tap'
import { sweep, type Unnamed } from '../../actors/main/upkeep.ts'
import { buildKey } from '../../actors/protocols/build-record.ts'
import { slugKey } from '../../actors/protocols/slug-record.ts'
import { sourceObject } from '../../actors/protocols/source.ts'
import { encode } from '../../src/runtime/codec.ts'
import { memoryFeed } from '../kit/memory-feed.ts'
import { memoryObjects } from '../kit/memory-objects.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { slugOf } from '../kit/runs.ts'

const dayMs = 24 * 3_600_000
const start = 1_800_000_000_000
const id = (digit: string): string => `${digit.repeat(8)}-0000-4000-8000-000000000000`

const world = () => {
  let nowMs = start
  const store = memoryStore()
  const objects = memoryObjects(() => nowMs)
  let unnamed: Unnamed = new Map()
  return {
    store,
    objects,
    wait: (ms: number) => void (nowMs += ms),
    put: (name: string) =>
      objects.put(
        name,
        (async function* () {
          yield Buffer.from(name)
        })(),
      ),
    ledger: async (appId: string, slugs: readonly object[]): Promise<void> => {
      const key = `actor/releases/${appId}`
      await store.remove(key)
      await store.create(key, encode({ v: 1, state: { appName: appId, slugs }, reminders: [], writes: [] }))
    },
    run: async (): Promise<readonly string[]> => {
      const found = await sweep({ store, feed: memoryFeed(store), objects, nowMs }, unnamed)
      unnamed = found.unnamed
      return found.swept
    },
  }
}

t.test('a slug that nothing names goes after a day, when it was so twice', async (t) => {
  const w = world()
  for (const name of ['a', 'b', 'c', 'd']) await w.put(`slug/${name}`)
  await w.ledger('app-1', [slugOf('a'), { ...slugOf('x'), object: 'slug/b' }])
  const state = { slots: [{ oneOff: { release: { slug: slugOf('c') } } }] }
  await w.store.create('actor/formation/app-1', encode({ v: 1, state, reminders: [], writes: [] }))
  t.same([await w.run(), await w.run()], [[], []], 'young: it may be named yet')
  w.wait(dayMs)
  t.same(await w.run(), [], 'seen so for the first time')
  t.same(await w.run(), ['slug/d'])
  t.same([...w.objects.held.keys()], ['slug/a', 'slug/b', 'slug/c'])

  await w.ledger('app-1', [])
  t.same(await w.run(), [])
  await w.put('slug/a')
  t.same(await w.run(), ['slug/b'], 'the other was put anew by somebody who will name it')
})

t.test('what cannot be read, or is not there at all, keeps everything', async (t) => {
  const w = world()
  await w.put('slug/a')
  w.wait(2 * dayMs)
  t.same([await w.run(), await w.run()], [[], []], 'no ledger at all: no record to go by')
  await w.ledger('app-1', [])
  await w.store.create('actor/releases/app-2', Buffer.from([0xc1]))
  await t.rejects(w.run())
  t.same([...w.objects.held.keys()], ['slug/a'])
})

t.test('uploads go when their time is over, and what was released stays', async (t) => {
  const w = world()
  await w.ledger('app-1', [{ ...slugOf('1'), id: id('1'), object: 'slug/1' }])
  for (const digit of ['1', '2', '3']) {
    await w.put(`slug/${digit}`)
    const uploaded = digit === '3' ? null : { object: `slug/${digit}`, sha256: digit, bytes: 1 }
    const what = { stack: '', commit: '', description: '', processTypes: {}, buildpackDescription: '' }
    const record = { id: id(digit), appId: 'app-1', ...what, checksum: null, uploaded, createdAt: start }
    await w.store.create(slugKey('app-1', id(digit)), Buffer.from(JSON.stringify(record)))
  }
  const [old, young] = [sourceObject(id('8'), start), sourceObject(id('9'), start + 9 * dayMs)]
  await w.put(old)
  await w.put(young)
  w.wait(1)
  t.same(await w.run(), [old])
  w.wait(7 * dayMs)
  t.same(
    await w.run(),
    ['1', '2', '3'].map((digit) => slugKey('app-1', id(digit))),
  )
  t.same(await w.run(), ['slug/3'], 'which its record never named')
  t.same(await w.run(), ['slug/2'])
  t.same([...w.objects.held.keys()], ['slug/1', young])
})

t.test('an upload that was released goes after a day', async (t) => {
  const w = world()
  await w.ledger('app-1', [{ ...slugOf('1'), id: id('1') }])
  const what = { stack: '', commit: '', description: '', processTypes: {}, buildpackDescription: '' }
  for (const digit of ['1', '2']) {
    const record = {
      id: id(digit),
      appId: 'app-1',
      ...what,
      checksum: null,
      uploaded: null,
      createdAt: start,
    }
    await w.store.create(slugKey('app-1', id(digit)), Buffer.from(JSON.stringify(record)))
  }
  w.wait(dayMs - 1)
  t.same(await w.run(), [])
  w.wait(1)
  t.same(await w.run(), [slugKey('app-1', id('1'))])
})

t.test("an app's newest builds stay, and those under way", async (t) => {
  const w = world()
  for (let at = 0; at < 203; at++) {
    const build = {
      id: `b${at}`,
      appId: 'app-1',
      status: at === 0 ? 'pending' : 'failed',
      version: '',
      by: { id: 'u', email: 'e' },
      buildpacks: [],
      stack: '',
      slugId: null,
      releaseId: null,
      releaseVersion: null,
      createdAt: start + at,
      updatedAt: start,
    }
    await w.store.create(buildKey('app-1', `b${at}`), Buffer.from(JSON.stringify(build)))
  }
  t.same((await w.run()).toSorted(), [buildKey('app-1', 'b1'), buildKey('app-1', 'b2')])
})

type Doing =
  | { readonly do: 'put'; readonly slug: string }
  | { readonly do: 'name'; readonly appId: string; readonly slugs: readonly string[]; readonly anew: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'sweep' }
const slug = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const doing: fc.Arbitrary<Doing> = fc.oneof(
  fc.record({ do: fc.constant('put'), slug }),
  fc.record({
    do: fc.constant('name'),
    appId: fc.constantFrom('app-1', 'app-2'),
    slugs: fc.uniqueArray(slug),
    anew: fc.boolean(),
  }),
  fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(3_600_000, dayMs) }),
  fc.record({ do: fc.constant('sweep') }),
)

t.test('whatever comes and goes, what has a name stays, and what has none goes in the end', async (t) => {
  const property = fc.asyncProperty(fc.array(doing, { maxLength: 40, size: 'max' }), async (doings) => {
    const w = world()
    const names = new Map<string, readonly string[]>([['app-0', []]])
    const namedAndHeld = (): readonly string[] =>
      [...new Set([...names.values()].flat())]
        .map((name) => `slug/${name}`)
        .filter((name) => w.objects.held.has(name))
        .toSorted()
    const sweepOnce = async (): Promise<void> => {
      const before = namedAndHeld()
      await w.run()
      t.strictSame(namedAndHeld(), before)
    }
    await w.ledger('app-0', [])
    for (const one of doings) {
      if (one.do === 'put') await w.put(`slug/${one.slug}`)
      else if (one.do === 'wait') w.wait(one.ms)
      else if (one.do === 'sweep') await sweepOnce()
      else {
        // Whoever comes to name one puts it anew; a record that is written back does not.
        for (const name of one.slugs) if (one.anew) await w.put(`slug/${name}`)
        names.set(one.appId, one.slugs)
        await w.ledger(
          one.appId,
          one.slugs.map((name) => slugOf(name)),
        )
      }
    }
    w.wait(dayMs)
    await sweepOnce()
    w.wait(3_600_000)
    await sweepOnce()
    t.strictSame([...w.objects.held.keys()].toSorted(), namedAndHeld())
  })
  await fc.assert(property, { numRuns: 20 })
})

t.test(
  'a record that changes while it is to go stays, and a sweep that is ended removes nothing',
  async (t) => {
    const w = world()
    await w.ledger('app-1', [])
    const what = { stack: '', commit: '', description: '', processTypes: {}, buildpackDescription: '' }
    const record = { id: id('1'), appId: 'app-1', ...what, checksum: null, uploaded: null, createdAt: start }
    const key = slugKey('app-1', id('1'))
    await w.store.create(key, Buffer.from(JSON.stringify(record)))
    w.wait(8 * dayMs)
    const { store } = w
    const feed = memoryFeed(store)
    const nowMs = start + 8 * dayMs
    const ended = new AbortController()
    ended.abort()
    await t.rejects(sweep({ store, feed, objects: w.objects, nowMs, signal: ended.signal }, new Map()))
    t.ok(await store.get(key))
    const remove: typeof store.remove = async (name, revision) => {
      const found = await store.get(name)
      await store.update(name, found!.value, found!.revision)
      return store.remove(name, revision)
    }
    const found = await sweep({ store: { ...store, remove }, feed, objects: w.objects, nowMs }, new Map())
    t.strictSame(found.swept, [])
    t.strictSame(await w.run(), [key], 'until the next one')
  },
)
