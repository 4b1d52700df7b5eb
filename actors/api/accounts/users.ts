/**
 * Users: people and machines with an account. One record each, and one for each e-mail address, by which it
 * is the only one of that address whoever makes it.
 *
 *   user/owner        the first operator, made on the first start
 *   user/<id>         all others
 *   email/<address>   → their ids
 */
import type { Random } from '../../../src/ports/random.ts'
import { StoreConflict, type Store } from '../../../src/ports/store.ts'
import { change, decode, encode, read } from './records.ts'

export type User = {
  readonly id: string
  readonly email: string
  readonly name?: string | null
  /** Runs the platform: may everything. */
  readonly operator?: boolean
  /** Since when its tokens open nothing. */
  readonly suspendedAt?: number | null
  /** See passwords.ts; absent: there is none, tokens alone open. */
  readonly password?: string
  readonly createdAt: number
  readonly updatedAt: number
}

export type Users = {
  readonly find: (which: { readonly id: string } | { readonly email: string }) => Promise<User | undefined>
  /** Undefined: somebody has that address. @param email as `addressOf` gives it */
  readonly add: (
    email: string,
    more: Pick<User, 'name' | 'operator' | 'password'>,
  ) => Promise<User | undefined>
  /** Undefined: there is no such user. */
  readonly change: (id: string, to: (user: User) => User) => Promise<User | undefined>
  readonly remove: (user: User) => Promise<void>
  readonly all: () => Promise<readonly User[]>
}

export const ownerKey = 'user/owner'
const keyOf = (id: string): string => `user/${id}`
const emailKey = (email: string): string => `email/${email}`

const addressCharsMax = 254
/** No more than what is safe to print and to write into a record's key. */
const address = /^[a-z0-9.!#$%&'*+=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/

/** In lower case, in which addresses are kept and compared; undefined: it is none. */
export const addressOf = (text: string): string | undefined => {
  const lower = text.trim().toLowerCase()
  return lower.length <= addressCharsMax && address.test(lower) ? lower : undefined
}

/** @param owner as it is on record now */
export const openUsers = (store: Store, random: Random, now: () => number, owner: () => User): Users => {
  const find: Users['find'] = async (which) => {
    if ('id' in which) {
      if (which.id === owner().id) return owner()
      return (await read<User>(store, keyOf(which.id)))?.value
    }
    if (which.email === owner().email) return owner()
    const found = await read<{ userId: string }>(store, emailKey(which.email))
    return found && (await read<User>(store, keyOf(found.value.userId)))?.value
  }
  /** The id that an address stands for: a new one, or the one of whoever began and did not finish. */
  const claim = async (email: string): Promise<{ id: string; isNew: boolean }> => {
    const id = random.uuid()
    try {
      await store.create(emailKey(email), encode({ userId: id }))
      return { id, isNew: true }
    } catch (error) {
      const holder = error instanceof StoreConflict ? await store.get(emailKey(email)) : undefined
      if (holder === undefined) throw error
      return { id: decode<{ userId: string }>(holder.value).userId, isNew: false }
    }
  }
  return {
    find,
    async add(email, more) {
      if (email === owner().email) return undefined
      const { id } = await claim(email)
      const at = now()
      const user: User = { id, email, ...more, createdAt: at, updatedAt: at }
      try {
        await store.create(keyOf(id), encode(user))
        return user
      } catch (error) {
        if (error instanceof StoreConflict) return undefined
        throw error
      }
    },
    change: (id, to) =>
      change<User>(store, id === owner().id ? ownerKey : keyOf(id), (user) => {
        const next = to(user)
        return next === user ? user : { ...next, updatedAt: now() }
      }),
    async remove({ id, email }) {
      await store.remove(keyOf(id))
      await store.remove(emailKey(email))
    },
    all: async () =>
      (await store.list('user/'))
        .map(({ value }) => decode<User>(value))
        .sort((a, b) => a.createdAt - b.createdAt),
  }
}
