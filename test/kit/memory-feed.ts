/** What ports/feed.ts promises of a record in memory: no removals, for it does not remember them. */
import type { Feed } from '../../src/ports/feed.ts'
import type { Entry, Store } from '../../src/ports/store.ts'

export const memoryFeed = (store: Pick<Store, 'list'>): Pick<Feed, 'position' | 'count' | 'since'> => {
  const after = async (prefix: string, revision: number): Promise<readonly Entry[]> =>
    (await store.list(prefix))
      .filter((entry) => entry.revision > revision)
      .toSorted((a, b) => a.revision - b.revision)
  return {
    position: async () => (await after('', 0)).at(-1)?.revision ?? 0,
    count: async (prefix) => (await after(prefix, 0)).length,
    async *since(prefix, revision) {
      for (let [next] = await after(prefix, revision); next !== undefined;) {
        yield next
        ;[next] = await after(prefix, next.revision)
      }
    },
  }
}
