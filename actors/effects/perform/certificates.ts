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
import { seal, sealKeyBytes, unseal } from './seal.ts'

export type Certificates = {
  keep(appId: string, pairId: string, pair: Pair): Promise<void>
  /** Undefined: there is none (any more). */
  open(appId: string, pairId: string): Promise<Pair | undefined>
  platform(): Promise<PlatformCertificate | undefined>
  /** Makes the platform's certificate where there is none, or one that ends soon or is for another domain. */
  renewPlatform(authority: Authority, domain: string, nowMs: number): Promise<void>
  readonly effects: Effects
}

const platformKey = 'certificates/platform'
const folderOf = (appId: string): string => `certificates/${appId}/`
const recordKey = (appId: string, pairId: string): string => `${folderOf(appId)}${pairId}`

/** The key of certificates, from that of config vars. */
export const certificateKeyOf = (vaultKey: Uint8Array): Uint8Array =>
  Buffer.from(hkdfSync('sha256', vaultKey, '', 'certificates of apps', sealKeyBytes))

/** @param key 32 secret bytes, kept outside the store */
export const createCertificates = (store: Store, key: Uint8Array): Certificates => {
  if (key.length !== sealKeyBytes) throw new RangeError(`the key of certificates has ${sealKeyBytes} bytes`)
  const read = (name: string, sealed: Uint8Array): unknown => JSON.parse(unseal(key, name, sealed))
  const platform = async () => {
    const entry = await store.get(platformKey)
    return entry && { revision: entry.revision, found: read(platformKey, entry.value) as PlatformCertificate }
  }
  return {
    keep: async (appId, pairId, pair) => {
      const name = recordKey(appId, pairId)
      await store.create(name, seal(key, name, JSON.stringify(pair)))
    },
    open: async (appId, pairId) => {
      const name = recordKey(appId, pairId)
      // The nearest copy answers while the store's leader is away; a pair may be too new for it.
      const entry = (await store.peek(name)) ?? (await store.get(name))
      return entry && (read(name, entry.value) as Pair)
    },
    platform: async () => (await platform())?.found,
    renewPlatform: async (authority, domain, nowMs) => {
      const now = await platform()
      if (now !== undefined && isCurrent(now.found, domain, nowMs)) return
      const text = JSON.stringify(makePlatformCertificate(authority, domain, nowMs))
      const sealed = seal(key, platformKey, text)
      try {
        if (now === undefined) await store.create(platformKey, sealed)
        else await store.update(platformKey, sealed, now.revision)
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
