/**
 * Apps of a record that is older than the lists of apps by user are put into them, once: each is woken, and
 * finds by itself that it is in none.
 */
import type { Feed } from '../../src/ports/feed.ts'
import type { Log } from '../../src/ports/log.ts'
import { StoreConflict, type Store } from '../../src/ports/store.ts'
import { nameKey } from '../effects/perform/names.ts'

export const markKey = 'mark/access-lists'

/**
 * @param wake tells an app to finish what it has begun
 * @param isRestored whatever was done before: the record is another
 */
export const listApps = async (
  store: Pick<Store, 'get' | 'create'>,
  feed: Pick<Feed, 'since'>,
  wake: (appId: string) => void,
  log: Log,
  isRestored = false,
): Promise<void> => {
  try {
    const mark = await store.get(markKey)
    if (mark !== undefined && !isRestored) return
    let apps = 0
    for await (const { value } of feed.since(nameKey('app', ''), 0)) {
      if (value === undefined) continue
      wake((JSON.parse(Buffer.from(value).toString('utf8')) as { appId: string }).appId)
      apps += 1
    }
    if (mark === undefined) await store.create(markKey, Buffer.from(JSON.stringify({ apps })))
  } catch (error) {
    // Whoever starts next does it, or has.
    if (!(error instanceof StoreConflict))
      log({ at: 'list-apps-failed', reason: error instanceof Error ? error.message : 'unknown' })
  }
}
