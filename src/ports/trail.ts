/** A trail: what was written stays as it was, in its order, until it is too old or there is too much. */
export type Step = { readonly sequence: number; readonly bytes: Uint8Array }
export type Trail = {
  /** @returns its sequence, once it is stored. @throws StoreUnavailable */
  readonly add: (key: string, bytes: Uint8Array) => Promise<number>
  /**
   * The same, unless a step was written under that id within the last ten minutes.
   * @returns that step; undefined: it is written now. @throws StoreUnavailable
   */
  readonly addOnce: (key: string, bytes: Uint8Array, id: string) => Promise<Step | undefined>
  /**
   * The newest `max` steps before a sequence (left out: of all), oldest first.
   * @param wanted.key left out: under any
   * @throws StoreUnavailable
   */
  readonly read: (wanted: {
    readonly key?: string
    readonly before?: number
    readonly max: number
  }) => Promise<readonly Step[]>
}
