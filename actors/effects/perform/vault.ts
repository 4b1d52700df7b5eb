/**
 * Performs Vault: config vars encrypted at rest (AES-256-GCM) under a key that is not in the store.
 *
 * A sealed set of vars is immutable and named by a keyed hash of its content: equal vars have equal names,
 * which tells "no change" without opening anything, and nothing about the content to who lacks the key.
 */
import { createHmac } from 'node:crypto'
import { EffectFailed, type Effects } from '../../../src/ports/effects.ts'
import { StoreConflict, type Store } from '../../../src/ports/store.ts'
import { asEffectFailure } from './names.ts'
import { pagesOf } from './pages.ts'
import { derivedKeys, seal as sealed, type SealKeys, unseal } from './seal.ts'

export type Vars = Readonly<Record<string, string>>
export type Vault = {
  /** The vars of a sealed set; none for `''`. */
  open(appId: string, configId: string): Promise<Vars>
  seal(appId: string, vars: Vars): Promise<string>
  readonly effects: Effects
}

// Heroku's limits as devcenter "Config Vars" gives them: names of shell variables, 64 kB in all.
const keyPattern = /^[A-Za-z_][A-Za-z0-9_]*$/
const varsBytesMax = 64 * 1024

/** Where they all are, and what keys are derived for them. */
export const configPrefix = 'config/'
export const contentPurpose = 'config vars: content'

const recordKey = (appId: string, configId: string): string => `${configPrefix}${appId}/${configId}`

/** @param keys kept outside the store */
export const createVault = (store: Store, keys: SealKeys): Vault => {
  const contents = derivedKeys(keys, contentPurpose)
  const names = derivedKeys(keys, 'config vars: names')

  const nameOf = (key: Uint8Array, appId: string, plain: string): string =>
    createHmac('sha256', key).update(appId).update('\0').update(plain).digest('hex').slice(0, 40)

  const open = async (appId: string, configId: string): Promise<Vars> => {
    if (configId === '') return {}
    const key = recordKey(appId, configId)
    // It never changes, so any copy's answer is right: dynos start while the record's leader is away.
    const entry = (await store.peek(key)) ?? (await store.get(key))
    if (entry === undefined) throw new EffectFailed('config_missing', `sealed config ${configId} is gone`)
    return JSON.parse(await unseal(contents, key, entry.value)) as Vars
  }

  const seal = (appId: string, vars: Vars): Promise<string> =>
    names.sealing((nameKey) =>
      contents.sealing(async (contentKey) => {
        const plain = canonical(vars)
        const configId = nameOf(nameKey.key, appId, plain)
        const key = recordKey(appId, configId)
        try {
          await store.create(key, sealed(contentKey, key, plain))
        } catch (error) {
          // Sealed before: the name says that the content is the same.
          if (!(error instanceof StoreConflict)) throw error
        }
        return configId
      }),
    )

  return {
    open,
    seal,
    effects: {
      'vault.seal': async ({ appId, baseId, patch }: SealArgs) => {
        try {
          const base = await open(appId, baseId)
          const { vars, set, removed } = merge(base, patch)
          if (baseId !== '' && set.length + removed.length === 0)
            return { configId: baseId, changed: false, set, removed, pages: pagesOf(vars) }
          const configId = await seal(appId, vars)
          const changed = set.length + removed.length > 0
          return { configId, changed, set, removed, pages: pagesOf(vars) }
        } catch (error) {
          throw asEffectFailure(error)
        }
      },
      'vault.drop': async ({ appId }: { appId: string }) => {
        try {
          for (const entry of await store.list(`${configPrefix}${appId}/`)) await store.remove(entry.key)
        } catch (error) {
          throw asEffectFailure(error)
        }
      },
    },
  }
}

type SealArgs = {
  readonly appId: string
  readonly baseId: string
  readonly patch: Readonly<Record<string, string | null>>
}

const canonical = (vars: Vars): string =>
  JSON.stringify(Object.fromEntries(Object.entries(vars).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))))

/** What the patch makes of the vars, and which names it really changes, in the order given. */
const merge = (base: Vars, patch: SealArgs['patch']): { vars: Vars; set: string[]; removed: string[] } => {
  const vars = new Map(Object.entries(base))
  const set: string[] = []
  const removed: string[] = []
  for (const [name, value] of Object.entries(patch)) {
    if (!keyPattern.test(name))
      throw new EffectFailed(
        'invalid_params',
        `Config var name ${JSON.stringify(name.slice(0, 100))} is invalid: only letters, digits and underscores, not starting with a digit`,
      )
    // No process can be given one, so none of the app's would start any more.
    if (value?.includes('\0') === true)
      throw new EffectFailed(
        'invalid_params',
        `Config var ${name.slice(0, 100)} is invalid: it holds a NUL byte`,
      )
    if (value === null) {
      if (vars.delete(name)) removed.push(name)
    } else if (vars.get(name) !== value) {
      vars.set(name, value)
      set.push(name)
    }
  }
  const merged = Object.fromEntries(vars)
  if (Buffer.byteLength(canonical(merged)) > varsBytesMax)
    throw new EffectFailed('invalid_params', 'Config vars are limited to 64 kB of data in all')
  return { vars: merged, set, removed }
}
