/** The lists of apps of users: in order, right after a crash, and as quick with many apps as with few. */
import t from 'tap'
import { openAppLists, performAccess } from '../../actors/effects/perform/access.ts'
import { appFormat } from '../../actors/app/kept.ts'
import { newApp, type AppRecord } from '../../actors/app/record.ts'
import { openIndexes } from '../../src/ordered/ordered.ts'
import { wholeSpan } from '../../src/ordered/pages.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { noReminders, recordKey } from '../../src/runtime/record.ts'
import { openApi } from '../kit/api.ts'
import { memoryStore } from '../kit/memory-store.ts'

type Show = {
  readonly appId: string
  readonly name: string
  readonly users: readonly string[]
  readonly former?: readonly string[]
  readonly offer?: string | null
}
const showing = (store: Store) => {
  const show = performAccess(store)['access.show'] as (args: object) => Promise<void>
  return ({ former = [], ...rest }: Show) => show({ ...rest, former })
}
const all = { ...wholeSpan, max: 10_000 }
/** Both orders, as names. */
const namesOf = async (store: Store, user: string): Promise<readonly (readonly string[])[]> => {
  const lists = openAppLists(store)
  const [byName, byId] = [await lists.read(user, 'name', all), await lists.read(user, 'id', all)]
  return [byName.map(({ name, id }) => `${name} ${id}`), byId.map(({ name, id }) => `${id} ${name}`)]
}

t.test('an app is in the lists of its users under its name, and of nobody else', async (t) => {
  const store = memoryStore()
  const show = showing(store)
  await show({ appId: 'id-1', name: 'shop', users: ['ann', 'bob'] })
  await show({ appId: 'id-2', name: 'blog', users: ['ann'] })
  t.same(await namesOf(store, 'ann'), [
    ['blog id-2', 'shop id-1'],
    ['id-1 shop', 'id-2 blog'],
  ])
  await show({ appId: 'id-1', name: 'store', users: ['ann'], former: ['bob', 'ann'] })
  t.same(await namesOf(store, 'bob'), [[], []])
  await show({ appId: 'id-3', name: 'shop', users: ['ann'] })
  await show({ appId: 'id-1', name: 'store', users: ['ann'] })
  const expected = [
    ['blog id-2', 'shop id-3', 'store id-1'],
    ['id-1 store', 'id-2 blog', 'id-3 shop'],
  ]
  t.same(await namesOf(store, 'ann'), expected, 'the name is the app that has it now')
  await show({ appId: 'id-1', name: 'store', users: [], former: ['ann'] })
  await show({ appId: 'id-1', name: 'store', users: [], former: ['ann'] })
  t.same((await namesOf(store, 'ann'))[0], ['blog id-2', 'shop id-3'])
})

t.test('an offer of an app is on the lists of its users for as long as it stands', async (t) => {
  const store = memoryStore()
  const show = showing(store)
  const offers = (user: string) => openAppLists(store).offers(user, 10)
  const shop = { appId: 'id-1', name: 'shop', users: ['ann', 'bob'] }
  await show({ ...shop, offer: 'offer-1' })
  t.same(await offers('bob'), [{ appId: 'id-1', offer: 'offer-1' }])
  await show(shop)
  t.same(await offers('ann'), [{ appId: 'id-1', offer: 'offer-1' }], 'nothing was said of it')
  await show({ ...shop, users: ['ann'], former: ['bob', 'ann'], offer: 'offer-2' })
  t.same(await offers('bob'), [])
  t.same(await offers('ann'), [{ appId: 'id-1', offer: 'offer-2' }])
  await show({ ...shop, offer: null })
  t.same(await offers('ann'), [])
})

t.test('who is killed in the middle is followed by one that makes the lists right', async (t) => {
  const steps: readonly Show[] = [
    { appId: 'id-1', name: 'shop', users: ['ann'] },
    { appId: 'id-1', name: 'store', users: ['ann'] },
    { appId: 'id-1', name: 'store', users: ['bob'], former: ['ann'] },
    { appId: 'id-1', name: 'store', users: [], former: ['bob'] },
  ]
  const results = [
    [
      [['shop id-1'], ['id-1 shop']],
      [[], []],
    ],
    [
      [['store id-1'], ['id-1 store']],
      [[], []],
    ],
    [
      [[], []],
      [['store id-1'], ['id-1 store']],
    ],
    [
      [[], []],
      [[], []],
    ],
  ]
  for (const [at, step] of steps.entries())
    for (let left = 0; left < 5; left += 1) {
      const store = memoryStore()
      for (const before of steps.slice(0, at)) await showing(store)(before)
      let writes = left
      const mortal = async <T>(write: () => Promise<T>): Promise<T> => {
        if (writes-- > 0) return write()
        throw new StoreUnavailable('killed', 'no')
      }
      await showing({
        ...store,
        create: (key, value) => mortal(() => store.create(key, value)),
        update: (key, value, revision) => mortal(() => store.update(key, value, revision)),
      })(step).catch(() => undefined)
      await showing(store)(step)
      const found = [await namesOf(store, 'ann'), await namesOf(store, 'bob')]
      t.same(found, results[at], `step ${at}, killed after ${left} writes`)
    }
})

t.test('a list sorted by times is refused where it would be read whole, and no other', async (t) => {
  const { http, store } = await openApi(t)
  const { body } = await http('GET', '/account')
  const many = Array.from({ length: 1_001 }, (_, n) => ({ key: `id-${n}`, value: `app-${n}` }))
  await openIndexes(store, 'access').change(`${body['id']}.id`, many)
  const refused = await http('GET', '/apps', undefined, { range: 'updated_at ..; max=10' })
  t.equal(refused.status, 416)
  t.equal(refused.body['message'], 'More than 1000 apps are sorted by name or id alone.')
  t.equal((await http('GET', '/apps', undefined, { range: 'id ..; max=10' })).status, 206)
  await openIndexes(store, 'access').change(`${body['id']}.id`, [{ ...many[7]!, removed: true }])
  t.equal((await http('GET', '/apps', undefined, { range: 'created_at ..; max=10' })).status, 200)
})

t.test('a list shows apps as they are on record, and wakes none', async (t) => {
  const { http, store, as } = await openApi(t)
  const [shop, blog] = [
    await http('POST', '/apps', { name: 'shop' }),
    await http('POST', '/apps', { name: 'blog' }),
  ]
  const owner = { id: shop.body['owner'].id as string, email: shop.body['owner'].email as string }
  const shown = async () => {
    const { body } = await http('GET', '/apps', undefined, { range: 'name ..' })
    return (body as unknown as { name: string; maintenance: boolean }[]).map((app) => [
      app.name,
      app.maintenance,
    ])
  }
  t.same(await shown(), [
    ['blog', false],
    ['shop', false],
  ])
  const put = async (id: string, name: string, change: Partial<AppRecord>) => {
    const made = newApp({ id, name, owner, region: 'local', stack: 'heroku-24' }, 1)
    const a: AppRecord = { ...made, phase: 'live', ...change }
    const bytes = appFormat.encode(a, noReminders, 'w', []) ?? new Uint8Array()
    await store.remove(recordKey('app', id))
    await store.create(recordKey('app', id), bytes)
    return a.app
  }
  const { id } = shop.body as unknown as { id: string }
  const app = await put(id, 'shop', {})
  await put(id, 'shop', { app: { ...app, maintenance: true } })
  t.same((await shown())[1], ['shop', true])
  await put(id, 'shop', { phase: 'destroying' })
  t.same(await shown(), [['blog', false]])
  const ann = (await as('ann@example.com')).user
  const { id: blogId } = blog.body as unknown as { id: string }
  const theirs = await put(blogId, 'blog', {})
  await put(blogId, 'blog', { app: { ...theirs, owner: { id: ann.id, email: ann.email } } })
  t.same(await shown(), [['blog', false]], 'an operator is let in everywhere')
  const stranger = await as('bob@example.com')
  await showing(store)({ appId: blogId, name: 'blog', users: [stranger.user.id] })
  t.same((await stranger.http('GET', '/apps')).body, [], 'the list may be behind: the record decides')
})
