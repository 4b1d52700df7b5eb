/**
 * One pass over everything that is sealed: what an older key sealed is sealed anew, each record by itself and
 * by compare-and-set, so that a pass may end anywhere and be begun again by any control host.
 */
import { StoreConflict, type Entry, type Store } from '../../src/ports/store.ts'
import { EffectFailed } from '../../src/ports/effects.ts'
import { certificatesPrefix } from '../effects/perform/certificates.ts'
import { derivedKeys, keyIdOf, seal, unseal, type SealKeys } from '../effects/perform/seal.ts'
import { configPrefix, contentPurpose } from '../effects/perform/vault.ts'
import type { Ring } from './seal-ring.ts'

const atOnce = 8
const triesMax = 5

export type PassDone = {
  readonly resealed: number
  /** Records that no key here opens, and the ids of the keys that they name. */
  readonly unreadable: number
  readonly left: ReadonlySet<string>
}

export type PassDeps = {
  readonly store: Pick<Store, 'list' | 'get' | 'update'>
  readonly ring: Pick<Ring, 'vault' | 'certificates'>
  /** Called now and then; it throws to end the pass. */
  readonly progress: (done: number, total: number) => Promise<void>
}

/** @throws StoreUnavailable, and whatever `progress` throws */
export const resealAll = async ({ store, ring, progress }: PassDeps): Promise<PassDone> => {
  const kinds: readonly (readonly [string, SealKeys])[] = [
    [configPrefix, derivedKeys(ring.vault, contentPurpose)],
    [certificatesPrefix, ring.certificates],
  ]
  const left = new Set<string>()
  const count = { resealed: 0, unreadable: 0 }
  let done = 0
  for (const [prefix, keys] of kinds) {
    const entries = await store.list(prefix)
    const total = done + entries.length
    for (let at = 0; at < entries.length; at += atOnce) {
      const some = entries.slice(at, at + atOnce)
      for (const result of await Promise.all(some.map((entry) => resealOne(store, keys, entry)))) {
        if (result === 'resealed') count.resealed += 1
        if (typeof result !== 'object') continue
        count.unreadable += 1
        if (result.id !== undefined) left.add(result.id)
      }
      done += some.length
      await progress(done, total)
    }
  }
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
