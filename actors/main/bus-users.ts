/**
 * Users of the bus: who may ask the API over NATS with a key of their own and hear what happens, and nothing
 * else. One key each, on record by its public half; the seed is told once and kept nowhere.
 */
import { createSeed, isPublicNkey, publicOfSeed } from '../../src/nats/nkeys.ts'
import { userEvents, userInbox, userRoot, type ApiUser } from '../../src/nats/permissions.ts'
import { StoreConflict, type Store } from '../../src/ports/store.ts'
import type { BusKeys } from '../api/edge.ts'

const prefix = 'bus-user/'
/** Behind its key. */
const operatorWord = 'operator'

export const listBusUsers = async (store: Store): Promise<readonly ApiUser[]> =>
  (await store.list(prefix))
    .flatMap(({ key, value }) => {
      const [nkey = '', what] = Buffer.from(value).toString('utf8').split(' ')
      const operator = what === operatorWord
      return isPublicNkey(nkey) ? [{ id: key.slice(prefix.length), nkey, operator }] : []
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))

export type BusUsersDeps = {
  readonly store: Store
  /** Every server is to know: resolves when this host's does. */
  readonly changed: () => Promise<void>
  /** Where the servers are for users of this machine. */
  readonly urls: () => readonly string[]
}

export const busUsers = ({ store, changed, urls }: BusUsersDeps): BusKeys => ({
  create: async ({ id, operator = false }) => {
    const seed = createSeed()
    const words = [publicOfSeed(seed), ...(operator ? [operatorWord] : [])]
    await put(store, prefix + id, Buffer.from(words.join(' ')))
    await changed()
    const subjects = `${userRoot}.${id}.api.`
    return { seed, urls: urls(), subjects, inbox: userInbox(id), events: `${userEvents(id)}.` }
  },
  remove: async (userId) => {
    await store.remove(prefix + userId)
    await changed()
  },
})

const put = async (store: Store, key: string, value: Uint8Array): Promise<void> => {
  for (;;) {
    const entry = await store.get(key)
    try {
      await (entry === undefined ? store.create(key, value) : store.update(key, value, entry.revision))
      return
    } catch (error) {
      // The same user asks twice at once: the last key is the one.
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}
