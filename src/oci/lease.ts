/**
 * Leases: hands out indexes (address, user id, interface) of one state directory, oldest first.
 *
 * The cursor is on disk before an index is used, so a restart goes on behind it: an address comes back only
 * after the whole range went by, or never while its container is still listed. Were the range too small for
 * that, it still rests first: routers that hear of its end late must not find another container there.
 */
import { join } from 'node:path'

import { identityOf, indexFirst, nextIndex, type Identity, type Range } from './addresses.ts'
import { OciError } from './errors.ts'
import { readIfAny, replaceFile } from './record.ts'

export type Leases = {
  range: Range
  next(): Promise<Identity>
  /** What a container of this index has. */
  of(index: number): Identity
  hold(index: number): void
  free(index: number): void
}

type Kept = { base: number; bits: number; cursor: number }

/** Opens the leases of `stateDir`, whose first use asks `find` for a network. */
export const openLeases = async (
  stateDir: string,
  hash: string,
  find: () => Promise<Range>,
  rest: { readonly ms: number; readonly now: () => number },
): Promise<Leases> => {
  const path = join(stateDir, 'network.json')
  const kept = parse(readIfAny(path)) ?? { ...(await find()), cursor: indexFirst - 1 }
  const range = { base: kept.base, bits: kept.bits }
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
  let cursor = kept.cursor
  let written = Promise.resolve()
  return {
    range,
    next: async () => {
      wake()
      const index = nextIndex(cursor, held)
      if (index === undefined) throw new OciError('OCI_ADDRESSES', stateDir)
      cursor = index
      held.add(index)
      const text = JSON.stringify({ ...range, cursor })
      // In order, so that no older cursor overwrites a newer one.
      const writing = written.catch(() => undefined).then(() => replaceFile(path, text))
      written = writing
      await writing
      return identityOf(index, range, hash)
    },
    of: (index) => identityOf(index, range, hash),
    hold: (index) => void held.add(index),
    free: (index) => {
      if (held.has(index)) resting.set(index, rest.now() + rest.ms)
    },
  }
}

const parse = (text: string | undefined): Kept | undefined => {
  if (!text) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isKept(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

const isKept = (value: unknown): value is Kept =>
  typeof value === 'object' &&
  value !== null &&
  ['base', 'bits', 'cursor'].every((name) => Number.isInteger(Reflect.get(value, name)))
