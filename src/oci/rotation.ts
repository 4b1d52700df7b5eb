/**
 * Rotation: hands out indexes, the one that was free longest first.
 *
 * The cursor is kept before an index is used, so a restart goes on behind it: an index comes back only after
 * the whole range went by, or never while it is held. Were the range too small for that, a freed one still
 * rests first: whoever hears of its end late must not find another one's there.
 */
import { OciError } from './errors.ts'

export type Rotation = {
  /** Held from here on. Rejects with `OCI_ADDRESSES` when none is free. */
  next(): Promise<number>
  hold(index: number): void
  free(index: number): void
}

export type RotationOptions = {
  /** Last one given. */
  cursor: number
  /** The next free one behind the cursor; undefined when every one is held. */
  after: (cursor: number, held: ReadonlySet<number>) => number | undefined
  /** Called with each cursor, one call at a time, before its index is given. */
  keep: (cursor: number) => Promise<void>
  rest: { readonly ms: number; readonly now: () => number }
  /** Of what it is, for the error. */
  what: string
}

export const openRotation = ({ cursor: first, after, keep, rest, what }: RotationOptions): Rotation => {
  const held = new Set<number>()
  /** Freed ones by when they may be met again, oldest first. */
  const resting = new Map<number, number>()
  const wake = (): void => {
    for (const [index, untilMs] of resting) {
      if (rest.now() < untilMs) return
      resting.delete(index)
      held.delete(index)
    }
  }
  let cursor = first
  let kept = Promise.resolve()
  return {
    next: async () => {
      wake()
      const index = after(cursor, held)
      if (index === undefined) throw new OciError('OCI_ADDRESSES', what)
      cursor = index
      held.add(index)
      // In order, so that no older cursor overwrites a newer one.
      const keeping = kept.catch(() => undefined).then(() => keep(index))
      kept = keeping
      await keeping
      return index
    },
    hold: (index) => {
      resting.delete(index)
      held.add(index)
    },
    free: (index) => {
      if (held.has(index) && !resting.has(index)) resting.set(index, rest.now() + rest.ms)
    },
  }
}
