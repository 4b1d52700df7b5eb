/**
 * Build caches: a folder an app on each host that builds it. A purge is a mark on record; a host whose folder
 * stands at another mark empties it before the next build, also one that was away when it was purged.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '../../../src/ports/store.ts'
import { removeTree } from '../../../src/slug/remove-tree.ts'
import { purgeKey } from '../../protocols/build-record.ts'

export type BuildCache = {
  /** The app's folder, empty when it was purged since it was filled. */
  readonly current: (appId: string) => Promise<string>
  readonly drop: (appId: string) => Promise<void>
}

/** @param folder absolute */
export const cacheOf = ({
  folder,
  store,
}: {
  readonly folder: string
  readonly store: Store
}): BuildCache => {
  const dirOf = (appId: string): string => join(folder, appId)
  const markOf = (appId: string): string => join(folder, `${appId}.mark`)
  return {
    current: async (appId) => {
      const entry = await store.get(purgeKey(appId))
      const mark = entry === undefined ? '' : Buffer.from(entry.value).toString('utf8')
      const ours = await readFile(markOf(appId), 'utf8').catch(() => '')
      if (mark !== ours) {
        await removeTree(dirOf(appId))
        await mkdir(folder, { recursive: true })
        await writeFile(markOf(appId), mark)
      }
      return dirOf(appId)
    },
    drop: async (appId) => {
      await store.remove(purgeKey(appId))
      await removeTree(dirOf(appId))
      await rm(markOf(appId), { force: true })
    },
  }
}
