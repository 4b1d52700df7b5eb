/**
 * The record: small values under keys, changed by compare-and-set, durable before the answer.
 * Keys are `<kind>/<name>[/<name>…]`; names are any text without `/`.
 */
export type Entry = { readonly key: string; readonly value: Uint8Array; readonly revision: number }
export type Store = {
  /** Reads through the leader: what was acknowledged before is seen. */
  get(key: string): Promise<Entry | undefined>
  /**
   * Reads from any copy: what it finds may be old (or not there yet), but it answers while the leader is
   * away. Never the base of a decision that the record does not check again by its revision.
   */
  peek(key: string): Promise<Entry | undefined>
  /** Fails with `StoreConflict` when the key exists. @returns the revision */
  create(key: string, value: Uint8Array): Promise<number>
  /** Fails with `StoreConflict` when the key's revision is another. @returns the new revision */
  update(key: string, value: Uint8Array, revision: number): Promise<number>
  /** Removes it if it stands at that revision (any revision when left out). */
  remove(key: string, revision?: number): Promise<void>
  /** Every entry whose key starts with `prefix` (`app/`); a snapshot, not ordered. */
  list(prefix: string): Promise<readonly Entry[]>
}

/** Somebody else was first; nothing was written. */
export class StoreConflict extends Error {
  override readonly name = 'StoreConflict'
  readonly code = 'store_conflict'
}
/** No answer: when `applied` is `unknown`, the write may or may not have happened. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  readonly code = 'store_unavailable'
  readonly applied: 'no' | 'unknown'
  constructor(message: string, applied: 'no' | 'unknown', options?: ErrorOptions) {
    super(message, options)
    this.applied = applied
  }
}

/** What is named by its sum (sha256, hex) gets its name when all of it has passed. */
export type ObjectName = string | ((sha256: string) => string)

/** Large immutable things by name, verified by sha256 on reading. */
export type Objects = {
  /** @returns sha256 in hex and size in bytes of what was stored */
  put(
    name: ObjectName,
    source: AsyncIterable<Uint8Array>,
  ): Promise<{ readonly sha256: string; readonly bytes: number }>
  /** Undefined when there is none. Throws `ObjectCorrupt` at the end of a stream whose sum is wrong. */
  get(name: string): Promise<AsyncIterable<Uint8Array> | undefined>
  remove(name: string): Promise<void>
  list(prefix: string): Promise<readonly string[]>
  /**
   * One after the other, in bounded memory, with when each was put (wall clock) and what tells it from one of
   * that name put later; which comes as well when it is put meanwhile.
   */
  entries(prefix: string): AsyncIterable<ObjectEntry>
  /** Removes that one; another that took its name meanwhile stays. @returns whether it was still there */
  removeOne(entry: ObjectEntry): Promise<boolean>
}
export type ObjectEntry = { readonly name: string; readonly putAtMs: number; readonly revision: number }
export class ObjectCorrupt extends Error {
  override readonly name = 'ObjectCorrupt'
  readonly code = 'object_corrupt'
}
