/** Ordered indexes: in order and whole, whoever changes them at once, and wherever one of them is killed. */
import t from 'tap'
import { openIndexes, type Indexes } from '../../src/ordered/ordered.ts'
import type { Change, Item, Span } from '../../src/ordered/pages.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { memoryStore } from '../kit/memory-store.ts'

const up: Span = {
  from: '',
  fromExclusive: false,
  to: '',
  toExclusive: false,
  descending: false,
  max: 100_000,
}
const down: Span = { ...up, descending: true }
const itemsMax = 4
const open = (store: Store): Indexes => openIndexes(store, 'list', itemsMax)
const put = (key: string, value = 'v'): Change => ({ key, value })
const remove = (key: string, value = 'v'): Change => ({ key, value, removed: true })
const name = (n: number): string => `app-${String(n).padStart(4, '0')}`
const inOrder = (items: ReadonlyMap<string, string>): readonly Item[] =>
  [...items].sort((a, b) => (a[0] < b[0] ? -1 : 1))

const below = (random: { readonly next: () => number }, end: number): number =>
  Math.floor(random.next() * end)

/** A store whose calls can be counted, and of which one can fail: with its effect done, or not. */
const watched = (store: Store) => {
  const seen = { reads: 0, writes: 0 }
  let failAt = Infinity
  let isDone = false
  const write = async <T>(act: () => Promise<T>): Promise<T> => {
    seen.writes += 1
    if (seen.writes > failAt) throw new StoreUnavailable('killed', 'no')
    if (seen.writes < failAt) return act()
    if (isDone) await act()
    throw new StoreUnavailable('killed', 'unknown')
  }
  return {
    seen,
    failAt: (at: number, done: boolean) => ([failAt, isDone] = [at, done]),
    store: {
      ...store,
      get: (key) => {
        seen.reads += 1
        return store.get(key)
      },
      create: (key, value) => write(() => store.create(key, value)),
      update: (key, value, revision) => write(() => store.update(key, value, revision)),
      remove: (key, revision) => write(() => store.remove(key, revision)),
    } satisfies Store,
  }
}

const json = async (store: Store, key: string): Promise<unknown> =>
  JSON.parse(Buffer.from((await store.get(key))?.value ?? '[["","0"]]').toString())

/** Ids of an index' pages, as the directory names them, and from left to right. */
const pagesOf = async (store: Store) => {
  const directory = (await json(store, 'list/u1/directory')) as readonly (readonly [string, string])[]
  const linked: string[] = []
  for (let id: string | null = '0'; id !== null;) {
    linked.push(id)
    id = ((await json(store, `list/u1/page-${id}`)) as { readonly right: string | null }).right
  }
  return { named: directory.map(([, id]) => id), linked }
}

t.test('whatever is put and removed, it is read in order, up and down, from anywhere', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = seededRandom(seed)
    const store = memoryStore()
    const hosts = [open(store), open(store), open(store)]
    const wanted = new Map<string, string>()
    for (let round = 0; round < 40; round += 1) {
      const changes = Array.from({ length: 1 + below(random, 12) }, (): Change => {
        const key = name(below(random, 60))
        // More goes than comes towards the end: pages die.
        const isRemoved = below(random, 40) < round
        return isRemoved ? remove(key, wanted.get(key) ?? 'v') : put(key, below(random, 2) === 0 ? 'v' : 'w')
      })
      const before = new Map(wanted)
      for (const { key, value, removed } of changes) {
        if (removed !== true) before.set(key, value)
        else if (before.get(key) === value) before.delete(key)
      }
      await random.pick(hosts).change('u1', changes)
      wanted.clear()
      for (const [key, value] of before) wanted.set(key, value)
      const host = random.pick(hosts)
      t.strictSame(await host.read('u1', up), inOrder(wanted), `seed ${seed}, round ${round}`)
      t.strictSame(await host.read('u1', down), inOrder(wanted).toReversed())
      const [from, to] = [name(below(random, 60)), name(below(random, 60))]
      const [fromExclusive, toExclusive] = [below(random, 2) === 0, below(random, 2) === 0]
      const max = 1 + below(random, 8)
      const isIn = ([key]: Item): boolean =>
        (fromExclusive ? key > from : key >= from) && (toExclusive ? key < to : key <= to)
      t.strictSame(
        await host.read('u1', { from, fromExclusive, to, toExclusive, descending: false, max }),
        inOrder(wanted).filter(isIn).slice(0, max),
      )
      t.strictSame(
        await host.read('u1', {
          from: to,
          fromExclusive: toExclusive,
          to: from,
          toExclusive: fromExclusive,
          descending: true,
          max,
        }),
        inOrder(wanted).filter(isIn).toReversed().slice(0, max),
      )
    }
  }
})

t.test('what many hosts change at once is all there', async (t) => {
  const store = memoryStore()
  const hosts = Array.from({ length: 4 }, () => open(store))
  await Promise.all(Array.from({ length: 200 }, (_, n) => hosts[n % 4]!.change('u1', [put(name(n))])))
  t.equal((await open(store).read('u1', up)).length, 200)
  await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      hosts[(n * 7) % 4]!.change('u1', [n % 5 === 0 ? put(name(n), 'new') : remove(name(n))]),
    ),
  )
  const left = await open(store).read('u1', up)
  t.strictSame(
    left,
    Array.from({ length: 40 }, (_, n) => [name(5 * n), 'new']),
  )
  await Promise.all(left.map(([key], n) => hosts[n % 4]!.change('u1', [remove(key, 'new')])))
  t.strictSame(await open(store).read('u1', up), [])
  const kept = (await store.list('list/u1/')).map(({ key }) => key)
  t.strictSame(kept.sort(), ['list/u1/directory', 'list/u1/page-0'], 'pages that are empty go')
})

t.test('one that is killed at any step leaves an index that is right, and that goes on', async (t) => {
  const scripts: readonly (readonly Change[])[] = [
    Array.from({ length: 9 }, (_, n) => put(name(2 * n))),
    Array.from({ length: 8 }, (_, n) => put(name(2 * n + 1))),
    Array.from({ length: 6 }, (_, n) => remove(name(n + 3))),
    Array.from({ length: 14 }, (_, n) => remove(name(n + 3))),
  ]
  let steps = 0
  for (const isDone of [true, false])
    for (let at = 1; ; at += 1) {
      const store = memoryStore()
      const { store: mortal, failAt, seen } = watched(store)
      failAt(at, isDone)
      const first = open(mortal)
      const sure = new Map<string, string>()
      const unsure = new Set<string>()
      let isKilled = false
      for (const changes of scripts) {
        const killed = await first.change('u1', changes).then(
          () => false,
          () => true,
        )
        isKilled ||= killed
        for (const { key, value, removed } of changes) {
          if (killed) unsure.add(key)
          else if (removed === true) sure.delete(key)
          else sure.set(key, value)
        }
        if (killed) break
      }
      if (!isKilled) break
      steps = Math.max(steps, seen.writes)
      const next = open(store)
      const there = new Map(await next.read('u1', up))
      for (const [key, value] of sure)
        if (!unsure.has(key)) t.equal(there.get(key), value, `${key} after step ${at}`)
      for (const key of there.keys()) t.ok(sure.has(key) || unsure.has(key), `${key} after step ${at}`)
      await next.change(
        'u1',
        [...unsure, ...sure.keys()].map((key) => put(key, 'again')),
      )
      await next.change('u1', [put(name(99))])
      const after = await open(store).read('u1', up)
      t.equal(after.length, new Set([...unsure, ...sure.keys(), name(99)]).size, `all after step ${at}`)
      t.strictSame(after, inOrder(new Map(after)))
      t.strictSame(await open(store).read('u1', down), after.toReversed())
      const { named, linked } = await pagesOf(store)
      t.strictSame(named, linked, `each page has its name after step ${at}`)
    }
  t.ok(steps > 20, `${steps} steps`)
})

t.test('a page costs the same, however many keys there are', async (t) => {
  const plain = memoryStore()
  const filled = openIndexes(plain, 'list', 100)
  const costs: number[] = []
  for (const [from, to] of [
    [0, 50],
    [50, 1_000],
    [1_000, 9_000],
  ] as const) {
    await filled.change(
      'u1',
      Array.from({ length: to - from }, (_, n) => put(name(from + n))),
    )
    const { store, seen } = watched(plain)
    const index = openIndexes(store, 'list', 100)
    await index.read('u1', { ...up, max: 40 })
    seen.reads = 0
    for (let n = 0; n < to; n += Math.floor(to / 10)) {
      const page = await index.read('u1', { ...up, from: name(n), max: 40 })
      t.equal(page[0]?.[0], name(n))
    }
    costs.push(seen.reads)
    const before = seen.writes
    await index.change('u1', [put(`${name(7)}-b`)])
    t.ok(seen.writes - before <= 4)
  }
  for (const cost of costs) t.ok(cost <= 22, `${cost} reads for 10 pages`)
})

t.test('what was removed for another value stays, and what is there already costs no write', async (t) => {
  const { store, seen } = watched(memoryStore())
  const index = open(store)
  await index.change('u1', [put('shop', 'id-1')])
  await index.change('u1', [put('shop', 'id-2')])
  await index.change('u1', [remove('shop', 'id-1')])
  t.strictSame(await index.read('u1', up), [['shop', 'id-2']])
  const before = seen.writes
  await index.change('u1', [put('shop', 'id-2'), remove('other', 'id-3')])
  t.equal(seen.writes, before)
  t.strictSame(await index.read('u2', up), [], 'each index is its own')
})

t.test('what comes in order fills its pages, and goes on from a directory that is old', async (t) => {
  const { store, seen } = watched(memoryStore())
  const old = open(store)
  await old.read('u1', up)
  const index = open(store)
  for (let n = 0; n < 400; n += 1) await index.change('u1', [put(name(n))])
  t.equal((await pagesOf(store)).linked.length, 400 / itemsMax)
  seen.reads = 0
  t.strictSame(await old.read('u1', { ...up, from: name(399) }), [[name(399), 'v']])
  t.ok(seen.reads < 10, `${seen.reads} reads`)
})

t.test('a name of a page that is gone is passed over, and goes', async (t) => {
  const store = memoryStore()
  const index = open(store)
  for (let n = 0; n < 12; n += 1) await index.change('u1', [put(name(n))])
  const { revision = 0 } = (await store.get('list/u1/directory')) ?? {}
  const directory = (await json(store, 'list/u1/directory')) as readonly (readonly [string, string])[]
  const wrong = directory.toSpliced(1, 0, [name(1), 'gone'])
  await store.update('list/u1/directory', Buffer.from(JSON.stringify(wrong)), revision)
  t.strictSame(await open(store).read('u1', { ...up, from: name(2), max: 1 }), [[name(2), 'v']])
  t.strictSame((await pagesOf(store)).named, (await pagesOf(store)).linked)
})
