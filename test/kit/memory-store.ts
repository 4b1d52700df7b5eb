/** The record in memory: what ports/store.ts promises, for tests that need no server. */
import { StoreConflict, type Entry, type Store } from '../../src/ports/store.ts'

export const memoryStore = (): Store => {
  const entries = new Map<string, { value: Uint8Array; revision: number }>()
  let revision = 0
  const write = (key: string, value: Uint8Array): number => {
    revision += 1
    entries.set(key, { value, revision })
    return revision
  }
  const get = async (key: string): Promise<Entry | undefined> => {
    const entry = entries.get(key)
    return entry && { key, ...entry }
  }
  return {
    get,
    peek: get,
    async create(key, value) {
      if (entries.has(key)) throw new StoreConflict(key)
      return write(key, value)
    },
    async update(key, value, expected) {
      if (entries.get(key)?.revision !== expected) throw new StoreConflict(key)
      return write(key, value)
    },
    async remove(key, expected) {
      if (expected !== undefined && entries.get(key)?.revision !== expected) throw new StoreConflict(key)
      entries.delete(key)
    },
    async list(prefix) {
      return [...entries].filter(([key]) => key.startsWith(prefix)).map(([key, entry]) => ({ key, ...entry }))
    },
  }
}
