/**
 * The keys of this host that open what is sealed, and the one that seals: kept in files of its home, the one
 * that seals first, and as the record (seal-record.ts) has it. A key that something needs and that is not
 * here is asked of the control hosts; one that the record has dropped goes.
 */
import { randomBytes } from 'node:crypto'
import type { Log } from '../../src/ports/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { EffectFailed } from '../../src/ports/effects.ts'
import { certificateKeyOf } from '../effects/perform/certificates.ts'
import { keyNamed, sealKeyBytes, type SealKey, type SealKeys } from '../effects/perform/seal.ts'
import { readKeyFile, writeWhole, type KeyFiles } from './members-file.ts'
import { decodeSeal, nameOfKey, neededIn, sealRecordKey, type KeyName } from './seal-record.ts'

/** What a control host gives: of each kind all its keys, one behind the other. */
export type GivenKeys = { readonly vault?: Uint8Array; readonly certificates?: Uint8Array }

export type Ring = {
  /** For config vars, and for certificates: these a router has without those. */
  readonly vault: SealKeys
  readonly certificates: SealKeys
  /** The names of the keys of config vars here, the one that seals first. */
  readonly names: () => readonly KeyName[]
  /** By ids, of both kinds; and those that something is being sealed with, the one of now first. */
  readonly state: () => { readonly has: readonly string[]; readonly seals: readonly string[] }
  /** A new key, on disk when it returns; it seals when the record says so. */
  readonly make: () => KeyName
  readonly add: (keys: Uint8Array) => void
  /** @throws StoreUnavailable; what could not be had of others is no failure */
  readonly refresh: () => Promise<void>
}

export type RingDeps = {
  readonly files: KeyFiles
  readonly store: Pick<Store, 'get'>
  /** Asks the control hosts one by one, until `suffices` says so. */
  readonly fetch: (suffices: (given: GivenKeys) => boolean) => Promise<void>
  readonly log: Log
}

export const openRing = ({ files, store, fetch, log }: RingDeps): Ring => {
  let roots = keysIn(readKeyFile(files.vaultKey))
  let own = roots.length > 0 ? [] : keysIn(readKeyFile(files.certificateKey))
  let derived = roots.map(({ key }) => keyNamed(certificateKeyOf(key)))
  const certificates = (): readonly SealKey[] => (roots.length > 0 ? derived : own)
  /** Undefined: as the files have it. */
  let sealing: KeyName | undefined
  const under = new Map<SealKey, number>()

  const save = (nextRoots: readonly SealKey[], nextOwn: readonly SealKey[]): void => {
    if (idsOf(nextRoots) !== idsOf(roots)) writeWhole(files.vaultKey, joined(nextRoots))
    if (idsOf(nextOwn) !== idsOf(own)) writeWhole(files.certificateKey, joined(nextOwn))
    roots = [...nextRoots]
    own = [...nextOwn]
    derived = roots.map(({ key }) => keyNamed(certificateKeyOf(key)))
  }
  const adopt = (given: GivenKeys): void =>
    save(merged(roots, keysIn(given.vault)), roots.length > 0 ? own : merged(own, keysIn(given.certificates)))
  const lacks = (names: readonly KeyName[]): boolean => {
    const ids = new Set([...roots, ...certificates()].map(({ id }) => id))
    return !names.every((name) => ids.has(name.id) || (roots.length === 0 && ids.has(name.certificates)))
  }

  const look = async (): Promise<void> => {
    const entry = await store.get(sealRecordKey)
    if (entry === undefined) return
    const record = decodeSeal(entry.value)
    const needed = neededIn(record)
    if (lacks(needed))
      await fetch((given) => {
        adopt(given)
        return !lacks(needed)
      })
    sealing = record.sealing
    const gone = new Set(record.dropped.flatMap(({ id, certificates: other }) => [id, other]))
    for (const { id, certificates: other } of needed) for (const each of [id, other]) gone.delete(each)
    const kept = (keys: readonly SealKey[], first: string): readonly SealKey[] =>
      keys
        .filter(({ id }) => !gone.has(id))
        .toSorted((a, b) => Number(b.id === first) - Number(a.id === first))
    save(kept(roots, record.sealing.id), kept(own, record.sealing.certificates))
  }
  let looking: Promise<void> | undefined
  let next: Promise<void> | undefined
  /** What it reads was written before it was called, at the latest. */
  const refresh = (): Promise<void> => {
    if (looking === undefined)
      return (looking = look().finally(() => {
        looking = undefined
      }))
    next ??= looking
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return refresh()
      })
    return next
  }

  const keysOf = (all: () => readonly SealKey[], idOf: (name: KeyName) => string): SealKeys => ({
    async sealing(work) {
      const keys = all()
      const key = sealing === undefined ? keys[0] : keys.find(({ id }) => id === idOf(sealing as KeyName))
      if (key === undefined) throw new EffectFailed('key_missing', 'the key that seals is not here yet')
      under.set(key, (under.get(key) ?? 0) + 1)
      try {
        return await work(key)
      } finally {
        under.set(key, (under.get(key) ?? 1) - 1)
        if (under.get(key) === 0) under.delete(key)
      }
    },
    async find(id) {
      const known = all().find((key) => key.id === id)
      if (known !== undefined) return known
      await refresh().catch((error: unknown) =>
        log({ at: 'keys-unread', reason: error instanceof Error ? error.message : 'unknown' }),
      )
      return all().find((key) => key.id === id)
    },
    held: all,
  })
  return {
    vault: keysOf(
      () => roots,
      ({ id }) => id,
    ),
    certificates: keysOf(certificates, (name) => name.certificates),
    names: () => roots.map(nameOfKey),
    state: () => {
      const now = sealing?.id ?? roots[0]?.id
      const busy = [...under.keys()].map(({ id }) => id)
      return {
        has: [...roots, ...certificates()].map(({ id }) => id),
        seals: [...new Set([...(now === undefined ? [] : [now]), ...busy])],
      }
    },
    make: () => {
      const key = keyNamed(randomBytes(sealKeyBytes))
      save(merged(roots, [key]), own)
      return nameOfKey(key)
    },
    add: (keys) => save(merged(roots, keysIn(keys)), own),
    refresh,
  }
}

/** For who only opens, and shares the files with who keeps them: looks again for a key that it lacks. */
export const keysOfFile = (read: () => Uint8Array | undefined): SealKeys => {
  let keys = keysIn(read())
  const none = new EffectFailed('key_missing', 'nothing is sealed here')
  return {
    sealing: () => Promise.reject(none),
    async find(id) {
      if (!keys.some((key) => key.id === id)) keys = keysIn(read())
      return keys.find((key) => key.id === id)
    },
    held: () => keys,
  }
}

const keysIn = (bytes: Uint8Array | undefined): SealKey[] => {
  if (bytes === undefined) return []
  const count = bytes.length / sealKeyBytes
  if (!Number.isInteger(count)) throw new RangeError(`a file of keys has ${sealKeyBytes} bytes for each`)
  return Array.from({ length: count }, (_, at) =>
    keyNamed(bytes.slice(at * sealKeyBytes, (at + 1) * sealKeyBytes)),
  )
}
const joined = (keys: readonly SealKey[]): Uint8Array => Buffer.concat(keys.map(({ key }) => key))
const idsOf = (keys: readonly SealKey[]): string => keys.map(({ id }) => id).join()
const merged = (known: readonly SealKey[], more: readonly SealKey[]): readonly SealKey[] => [
  ...known,
  ...more.filter(({ id }) => !known.some((key) => key.id === id)),
]
