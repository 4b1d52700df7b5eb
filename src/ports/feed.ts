/** What changed in the record, in order: how a reader that missed something finds out what, and no more. */
export type Changed = {
  readonly key: string
  readonly revision: number
  /** Undefined: it was removed. */
  readonly value: Uint8Array | undefined
}
export type Feed = {
  /** The newest revision of all; 0 when nothing was ever written. */
  position(): Promise<number>
  /** About how many keys stand under `prefix`, to show how far a reader is. Throws StoreUnavailable. */
  count(prefix: string): Promise<number>
  /**
   * What stands under `prefix` and was written after that revision, oldest first; of several changes of a
   * key only the last. Ends when there is no more: a key that is written while it is read comes again, and
   * none is missed. In bounded memory, however many there are. Throws StoreUnavailable; what came until then
   * counts.
   */
  since(prefix: string, revision: number): AsyncIterable<Changed>
  /**
   * What stands under each of some keys, 1,024 at most, as any copy has it: one that is missing may be too
   * new for that copy. Throws StoreUnavailable.
   */
  standing(keys: readonly string[]): Promise<readonly Changed[]>
}
