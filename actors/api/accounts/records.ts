/** What the records of accounts share: how they are written, and how the first of two writers is found. */
import { StoreConflict, type Store } from '../../../src/ports/store.ts'

export const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
export const decode = <T>(bytes: Uint8Array): T => JSON.parse(Buffer.from(bytes).toString('utf8')) as T

export type Kept<T> = { readonly value: T; readonly revision: number }

export const read = async <T>(store: Store, key: string): Promise<Kept<T> | undefined> => {
  const found = await store.get(key)
  return found && { value: decode<T>(found.value), revision: found.revision }
}

/**
 * The record under `key`, made from `fresh` when there is none; whoever comes second takes what the first
 * made.
 */
export const ensure = async <T>(store: Store, key: string, fresh: T): Promise<Kept<T>> => {
  const found = await read<T>(store, key)
  if (found !== undefined) return found
  try {
    return { value: fresh, revision: await store.create(key, encode(fresh)) }
  } catch (error) {
    const winner = error instanceof StoreConflict ? await read<T>(store, key) : undefined
    if (winner === undefined) throw error
    return winner
  }
}

const triesMax = 10

/** Changes a record by compare-and-set until it is done. Undefined: there is none. */
export const change = async <T>(store: Store, key: string, to: (value: T) => T): Promise<T | undefined> => {
  for (let tries = 1; ; tries += 1) {
    const found = await read<T>(store, key)
    if (found === undefined) return undefined
    const next = to(found.value)
    if (next === found.value) return next
    try {
      await store.update(key, encode(next), found.revision)
      return next
    } catch (error) {
      if (!(error instanceof StoreConflict) || tries >= triesMax) throw error
    }
  }
}
