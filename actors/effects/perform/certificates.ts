/**
 * Certificates with their keys in the store, encrypted at rest under a key of their own: what a router host
 * holds opens certificates and no config vars.
 *
 *   certificates/<app id>/<pair id>   a pair of an app: written once, never changed
 *   certificates/platform             what apps have without doing anything
 */
import { hkdfSync } from 'node:crypto'
import type { Authority, Pair } from '../../../src/certs/certificate.ts'
import { isCurrent, makePlatformCertificate, type PlatformCertificate } from '../../../src/certs/platform.ts'
import type { Effects } from '../../../src/ports/effects.ts'
import { StoreConflict, type Store } from '../../../src/ports/store.ts'
import { asEffectFailure } from './names.ts'
import { seal, sealKeyBytes, type SealKeys, unseal } from './seal.ts'

export type Certificates = {
  keep(appId: string, pairId: string, pair: Pair): Promise<void>
  /** Undefined: there is none (any more). */
  open(appId: string, pairId: string): Promise<Pair | undefined>
  platform(): Promise<PlatformCertificate | undefined>
  /** Makes the platform's certificate where there is none, or one that ends soon or is for another domain. */
  renewPlatform(authority: Authority, domain: string, nowMs: number): Promise<void>
  readonly effects: Effects
}

export const certificatesPrefix = 'certificates/'
const platformKey = `${certificatesPrefix}platform`
const folderOf = (appId: string): string => `${certificatesPrefix}${appId}/`
const recordKey = (appId: string, pairId: string): string => `${folderOf(appId)}${pairId}`

/** The key of certificates, from that of config vars. */
export const certificateKeyOf = (vaultKey: Uint8Array): Uint8Array =>
  Buffer.from(hkdfSync('sha256', vaultKey, '', 'certificates of apps', sealKeyBytes))

/** Of each key in a file of them. */
export const certificateKeysOf = (vaultKeys: Uint8Array): Uint8Array =>
  Buffer.concat(
    Array.from({ length: vaultKeys.length / sealKeyBytes }, (_, at) =>
      certificateKeyOf(vaultKeys.subarray(at * sealKeyBytes, (at + 1) * sealKeyBytes)),
    ),
  )

/** @param keys kept outside the store: `certificateKeyOf` each of those that seal config vars */
export const createCertificates = (store: Store, keys: SealKeys): Certificates => {
  const read = async (name: string, sealed: Uint8Array): Promise<unknown> =>
    JSON.parse(await unseal(keys, name, sealed))
  const platform = async () => {
    const entry = await store.get(platformKey)
    if (entry === undefined) return undefined
    return {
      revision: entry.revision,
      found: (await read(platformKey, entry.value)) as PlatformCertificate,
    }
  }
  return {
    keep: async (appId, pairId, pair) => {
      const name = recordKey(appId, pairId)
      await keys.sealing((key) => store.create(name, seal(key, name, JSON.stringify(pair))))
    },
    open: async (appId, pairId) => {
      const name = recordKey(appId, pairId)
      // The nearest copy answers while the store's leader is away; a pair may be too new for it.
      const entry = (await store.peek(name)) ?? (await store.get(name))
      return entry && ((await read(name, entry.value)) as Pair)
    },
    platform: async () => (await platform())?.found,
    renewPlatform: async (authority, domain, nowMs) => {
      const now = await platform()
      if (now !== undefined && isCurrent(now.found, domain, nowMs)) return
      const text = JSON.stringify(makePlatformCertificate(authority, domain, nowMs))
      try {
        await keys.sealing((key) => {
          const sealed = seal(key, platformKey, text)
          if (now === undefined) return store.create(platformKey, sealed)
          return store.update(platformKey, sealed, now.revision)
        })
      } catch (error) {
        // Another control host was quicker.
        if (!(error instanceof StoreConflict)) throw error
      }
    },
    effects: {
      'certificates.remove': async ({ appId, pairId }: { appId: string; pairId: string }) => {
        try {
          await store.remove(recordKey(appId, pairId))
        } catch (error) {
          throw asEffectFailure(error)
        }
      },
      'certificates.drop': async ({ appId }: { appId: string }) => {
        try {
          for (const entry of await store.list(folderOf(appId))) await store.remove(entry.key)
        } catch (error) {
          throw asEffectFailure(error)
        }
      },
    },
  }
}
