/**
 * Apps of a record that is older than the lists of apps by user are put into them, once: each is woken, and
 * finds by itself that it is in none.
 */
import type { Log } from '../../src/ports/log.ts'
import { StoreConflict, type Store } from '../../src/ports/store.ts'
import { nameKey } from '../effects/perform/names.ts'

export const markKey = 'mark/access-lists'

/**
 * @param wake tells an app to finish what it has begun
 * @param isRestored whatever was done before: the record is another
 */
export const listApps = async (
  store: Store,
  wake: (appId: string) => void,
  log: Log,
  isRestored = false,
): Promise<void> => {
  try {
    const mark = await store.get(markKey)
    if (mark !== undefined && !isRestored) return
    const names = await store.list(nameKey('app', ''))
    for (const { value } of names)
      wake((JSON.parse(Buffer.from(value).toString('utf8')) as { appId: string }).appId)
    if (mark === undefined) await store.create(markKey, Buffer.from(JSON.stringify({ apps: names.length })))
  } catch (error) {
    // Whoever starts next does it, or has.
    if (!(error instanceof StoreConflict))
      log({ at: 'list-apps-failed', reason: error instanceof Error ? error.message : 'unknown' })
  }
}
