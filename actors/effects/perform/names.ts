/** Performs Names over the store: `name/<kind>/<name>` → the app that holds it. */
import { EffectFailed, type Effects } from '../../../src/ports/effects.ts'
import { StoreConflict, StoreUnavailable, type Store } from '../../../src/ports/store.ts'
import type { NameKind } from '../names.ts'

type Claim = { readonly kind: NameKind; readonly name: string; readonly appId: string }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const nameKey = (kind: NameKind, name: string): string => `name/${kind}/${name}`

/** The app that holds a name, with the revision of the record. */
export const holderOf = async (
  store: Store,
  kind: NameKind,
  name: string,
): Promise<{ readonly appId: string; readonly revision: number } | undefined> => {
  const entry = await store.get(nameKey(kind, name))
  if (entry === undefined) return undefined
  return { appId: appIdOf(entry.value), revision: entry.revision }
}

const appIdOf = (value: Uint8Array): string => (JSON.parse(decoder.decode(value)) as { appId: string }).appId

/**
 * The app that holds a name, from the nearest copy of the record, which answers while the store's leader is
 * away; a name that is not there may be too new for it. Whoever asks learns from the app itself whether it
 * still has the name.
 */
export const nearHolderOf = async (
  store: Store,
  kind: NameKind,
  name: string,
): Promise<string | undefined> => {
  const entry = await store.peek(nameKey(kind, name))
  return entry === undefined ? (await holderOf(store, kind, name))?.appId : appIdOf(entry.value)
}

/** The store's trouble as an effect's: the asking saga tries again. */
export const asEffectFailure = (error: unknown): EffectFailed =>
  error instanceof EffectFailed
    ? error
    : new EffectFailed(
        error instanceof StoreUnavailable || error instanceof StoreConflict ? error.code : 'platform',
        error instanceof Error ? error.message : 'unknown failure',
        { cause: error },
      )

export const performNames = (store: Store): Effects => ({
  'names.claim': async ({ kind, name, appId }: Claim) => {
    try {
      await store.create(nameKey(kind, name), encoder.encode(JSON.stringify({ appId })))
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw asEffectFailure(error)
      const holder = await holderOf(store, kind, name)
      // Given back in between: nobody's now, so it is worth another try.
      if (holder === undefined) throw asEffectFailure(error)
      if (holder.appId !== appId)
        throw new EffectFailed('taken', `${name} is held by another app`, { cause: error })
    }
  },
  'names.release': async ({ kind, name, appId }: Claim) => {
    try {
      const holder = await holderOf(store, kind, name)
      if (holder?.appId === appId) await store.remove(nameKey(kind, name), holder.revision)
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
})
