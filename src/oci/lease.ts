/**
 * Leases: hands out what a container is known by (address, user id, interface) in one state directory, each
 * as late again as it can be (rotation.ts).
 */
import { join } from 'node:path'

import { identityOf, indexFirst, nextIndex, type Identity, type Range } from './addresses.ts'
import { readIfAny, replaceFile } from './record.ts'
import { openRotation } from './rotation.ts'

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
  const rotation = openRotation({
    cursor: kept.cursor,
    after: nextIndex,
    keep: (cursor) => replaceFile(path, JSON.stringify({ ...range, cursor })),
    rest,
    what: stateDir,
  })
  return {
    range,
    next: async () => identityOf(await rotation.next(), range, hash),
    of: (index) => identityOf(index, range, hash),
    hold: (index) => rotation.hold(index),
    free: (index) => rotation.free(index),
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
