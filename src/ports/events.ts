/**
 * What happened, kept for a while: events under subjects (`app.<id>.release.create`: words between dots),
 * read again from any point. A filter may have `*` for a word and `>` for all that follow.
 */
export type StoredEvent = {
  readonly sequence: number
  readonly subject: string
  /** What its publisher called it. */
  readonly id: string
  readonly bytes: Uint8Array
}
export type From = { readonly sequence: number } | { readonly atMs: number }
export type EventLog = {
  /**
   * Durable when it resolves. One whose id came in the last minutes is not stored again.
   * @returns its sequence
   * @throws StoreUnavailable
   */
  readonly append: (subject: string, id: string, bytes: Uint8Array) => Promise<number>
  /** The newest that fits. */
  readonly last: (filter: string) => Promise<StoredEvent | undefined>
  /** Those that fit, from there on, oldest first; no more than so many. */
  readonly read: (filter: string, from: From, max: number) => Promise<readonly StoredEvent[]>
}
