/** Apps of a record that is older than the lists of apps are each told to enter them, once. */
import t from 'tap'
import { nameKey } from '../../actors/effects/perform/names.ts'
import { listApps, markKey } from '../../actors/main/list-apps.ts'
import { memoryFeed } from '../kit/memory-feed.ts'
import { memoryStore } from '../kit/memory-store.ts'

t.test('each app is woken once, and again when the record was restored', async (t) => {
  const store = memoryStore()
  const logged: unknown[] = []
  let woken: string[] = []
  const list = async (isRestored: boolean): Promise<readonly string[]> => {
    woken = []
    await listApps(
      store,
      memoryFeed(store),
      (appId) => void woken.push(appId),
      (line) => void logged.push(line),
      isRestored,
    )
    return woken
  }
  for (const name of ['shop', 'blog'])
    await store.create(nameKey('app', name), Buffer.from(JSON.stringify({ appId: `id-of-${name}` })))
  await store.create(nameKey('team', 'ours'), Buffer.from('{}'))
  t.strictSame(await list(false), ['id-of-shop', 'id-of-blog'])
  t.equal(Buffer.from((await store.get(markKey))!.value).toString(), '{"apps":2}')
  t.strictSame(await list(false), [], 'it was done')
  t.strictSame(await list(true), ['id-of-shop', 'id-of-blog'])
  t.strictSame(logged, [])
  await store.create(nameKey('app', 'torn'), Buffer.from('{'))
  await list(true)
  t.match(logged, [{ at: 'list-apps-failed' }])
})
