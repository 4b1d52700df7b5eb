/**
 * Upkeep: what builds and uploads leave is taken away in time, and nothing that anything names.
 */
import t from 'tap'
import { sweep } from '../../actors/main/upkeep.ts'
import { buildKey } from '../../actors/protocols/build-record.ts'
import { slugKey } from '../../actors/protocols/slug-record.ts'
import { sourceObject } from '../../actors/protocols/source.ts'
import { encode } from '../../src/runtime/codec.ts'
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
  let unnamed: ReadonlySet<string> = new Set()
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
      const found = await sweep({ store, objects, nowMs }, unnamed)
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
