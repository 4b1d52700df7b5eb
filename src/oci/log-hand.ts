/**
 * Hand: passes batches of a log on, one at a time, while the next one waits in it.
 */
import type { LogBatch } from './driver.ts'

export type Hand = {
  /** Takes nothing any more once the consumer has failed. */
  put(batch: LogBatch): void
  /** One is under way and one waits: whoever brings more should wait too. */
  isFull(): boolean
  isEmpty(): boolean
  /** Drops what waits. Resolves when nothing is under way; rejects when the consumer failed. */
  close(): Promise<void>
  /** Throws what the consumer threw. */
  check(): void
}

/** `onTaken` is called whenever there is less in the hand. */
export const openHand = (onBatch: (batch: LogBatch) => void | Promise<void>, onTaken: () => void): Hand => {
  const waiting: LogBatch[] = []
  let isBusy = false
  let carrying = Promise.resolve()
  let failure: { error: unknown } | undefined
  const carry = async (): Promise<void> => {
    try {
      for (let batch = waiting.shift(); batch; batch = waiting.shift()) {
        await onBatch(batch)
        onTaken()
      }
    } catch (error) {
      failure = { error }
      waiting.length = 0
    }
    isBusy = false
    onTaken()
  }
  const check = (): void => {
    if (failure) throw failure.error
  }
  return {
    put: (batch) => {
      if (failure) return
      waiting.push(batch)
      if (isBusy) return
      isBusy = true
      carrying = carry()
    },
    isFull: () => waiting.length > 0,
    isEmpty: () => !isBusy,
    close: async () => {
      waiting.length = 0
      await carrying
      check()
    },
    check,
  }
}
