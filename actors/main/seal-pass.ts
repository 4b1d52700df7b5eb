/**
 * One pass over everything that is sealed: what an older key sealed is sealed anew, each record by itself and
 * by compare-and-set, so that a pass may end anywhere and be begun again by any control host.
 */
import type { Feed } from '../../src/ports/feed.ts'
import { StoreConflict, type Entry, type Store } from '../../src/ports/store.ts'
import { EffectFailed } from '../../src/ports/effects.ts'
import { certificatesPrefix } from '../effects/perform/certificates.ts'
import { derivedKeys, keyIdOf, seal, unseal, type SealKeys } from '../effects/perform/seal.ts'
import { configPrefix, contentPurpose } from '../effects/perform/vault.ts'
import { eachAtOnce } from './at-once.ts'
import type { Ring } from './seal-ring.ts'

const atOnce = 32
const triesMax = 5

export type PassDone = {
  readonly resealed: number
  /** Records that no key here opens, and the ids of the keys that they name. */
  readonly unreadable: number
  readonly left: ReadonlySet<string>
}

export type PassDeps = {
  readonly store: Pick<Store, 'get' | 'update'>
  readonly feed: Pick<Feed, 'position' | 'count' | 'since'>
  readonly ring: Pick<Ring, 'vault' | 'certificates'>
  /** Called now and then, and at the end with all of all; it throws to end the pass. */
  readonly progress: (done: number, total: number) => Promise<void>
}

/**
 * Oldest first, so that what is resealed comes last when a pass is begun again. What is written meanwhile
 * comes again as well, also what this very pass writes: what was written until all had been seen is seen.
 *
 * @throws StoreUnavailable, and whatever `progress` throws
 */
export const resealAll = async ({ store, feed, ring, progress }: PassDeps): Promise<PassDone> => {
  const kinds: readonly (readonly [string, SealKeys])[] = [
    [configPrefix, derivedKeys(ring.vault, contentPurpose)],
    [certificatesPrefix, ring.certificates],
  ]
  const left = new Set<string>()
  const count = { resealed: 0, unreadable: 0 }
  const from = await feed.position()
  const counts = await Promise.all(kinds.map(([prefix]) => feed.count(prefix)))
  const total = counts.reduce((sum, one) => sum + one, 0)
  let done = 0
  const seen = new Map(kinds.map(([prefix]) => [prefix, 0]))
  const look = async (prefix: string, keys: SealKeys): Promise<void> =>
    eachAtOnce(feed.since(prefix, seen.get(prefix) ?? 0), atOnce, async ({ key, value, revision }) => {
      seen.set(prefix, Math.max(revision, seen.get(prefix) ?? 0))
      if (value === undefined) return
      const result = await resealOne(store, keys, { key, value, revision })
      if (result === 'resealed') count.resealed += 1
      if (typeof result === 'object') {
        count.unreadable += 1
        if (result.id !== undefined) left.add(result.id)
      }
      if (revision > from) return
      done += 1
      // As it ends is told once: keys that are gone count until then.
      if (done < total) await progress(done, total)
    })
  // Twice: while the last kind is read, something of the first may be written.
  for (const [prefix, keys] of [...kinds, ...kinds]) await look(prefix, keys)
  await progress(done, done)
  return { ...count, left }
}

type Result = 'same' | 'resealed' | { readonly id: string | undefined }

const resealOne = async (store: PassDeps['store'], keys: SealKeys, entry: Entry): Promise<Result> => {
  let now: Entry | undefined = entry
  for (let tries = 1; now !== undefined; tries += 1) {
    try {
      return await resealAt(store, keys, now)
    } catch (error) {
      if (!(error instanceof StoreConflict) || tries >= triesMax) throw error
      // Removed meanwhile, or sealed by somebody else.
      now = await store.get(entry.key)
    }
  }
  return 'same'
}

const resealAt = (
  store: PassDeps['store'],
  keys: SealKeys,
  { key: name, value, revision }: Entry,
): Promise<Result> =>
  keys.sealing(async (key) => {
    const id = keyIdOf(value)
    if (id === key.id) return 'same'
    let plain: string
    try {
      plain = await unseal(keys, name, value)
    } catch (error) {
      const isOurs = error instanceof EffectFailed && error.code !== 'key_missing'
      if (isOurs) throw error
      return { id }
    }
    await store.update(name, seal(key, name, plain), revision)
    return 'resealed'
  })
