/** Performs Access over the store: `access/<user>/<app>` → the app's name. */
import type { Effects } from '../../../src/ports/effects.ts'
import { StoreConflict, type Store } from '../../../src/ports/store.ts'
import { asEffectFailure } from './names.ts'

type Show = {
  readonly appId: string
  readonly name: string
  readonly users: readonly string[]
  readonly former: readonly string[]
}

/** @param userId a user's, or a team's */
export const accessPrefix = (userId: string): string => `access/${userId}/`

/** Every app that a user has access to by itself, in no order. */
export const appsOf = async (
  store: Pick<Store, 'list'>,
  userId: string,
): Promise<{ readonly id: string; readonly name: string }[]> => {
  const prefix = accessPrefix(userId)
  return (await store.list(prefix)).map(({ key, value }) => ({
    id: key.slice(prefix.length),
    name: (JSON.parse(Buffer.from(value).toString('utf8')) as { name: string }).name,
  }))
}

export const performAccess = (store: Store): Effects => ({
  'access.show': async ({ appId, name, users, former }: Show) => {
    const value = Buffer.from(JSON.stringify({ name }))
    try {
      for (const user of users) await put(store, accessPrefix(user) + appId, value)
      for (const user of former) if (!users.includes(user)) await store.remove(accessPrefix(user) + appId)
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
})

/** Of one app only its own actor writes, one after the other. */
const put = async (store: Store, key: string, value: Uint8Array): Promise<void> => {
  try {
    await store.create(key, value)
  } catch (error) {
    const found = error instanceof StoreConflict ? await store.get(key) : undefined
    if (found === undefined) throw error
    if (Buffer.compare(found.value, value) !== 0) await store.update(key, value, found.revision)
  }
}
