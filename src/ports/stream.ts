/**
 * A history: messages under keys, appended for good, bounded for each key, read back in order and followed
 * live.
 */
export type Recorded = { readonly sequence: number; readonly bytes: Uint8Array }
export type Following = { readonly close: () => void }
export type Stream = {
  /**
   * Another number than before: the way to it was broken meanwhile. A store that lost its newest messages
   * with the power gives their sequences again, so what was remembered of them is to be read anew.
   */
  readonly life: () => number
  /**
   * @param after the sequence that is the last one under the key (0: there is none); left out: any
   * @returns its sequence, once it is stored. @throws StoreConflict, StoreUnavailable
   */
  readonly append: (key: string, bytes: Uint8Array, after?: number) => Promise<number>
  /**
   * What is kept under a key from a sequence on (the first there is when left out), oldest first.
   * @param bytesMax no more is read once there is as much
   */
  readonly read: (key: string, fromSequence?: number, bytesMax?: number) => Promise<readonly Recorded[]>
  /**
   * Calls back with each message from `fromSequence` on (left out: those still to come), in order and once
   * each, until closed. What was trimmed before it could be read is skipped: sequences of a key need not be
   * consecutive.
   */
  readonly follow: (key: string, onMessage: (message: Recorded) => void, fromSequence?: number) => Following
  /** Forgets what stands under a key before a sequence. */
  readonly trim: (key: string, belowSequence: number) => Promise<void>
  /** Forgets everything under a key. */
  readonly remove: (key: string) => Promise<void>
}
