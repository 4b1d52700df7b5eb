/**
 * Accounts: who may use the API. Users and their tokens are records; of a token only its sha256 is kept.
 *
 * There is one owner today, made on the first start; operators on an authenticated NATS connection act as it.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../../src/ports/random.ts'
import { StoreConflict, type Store } from '../../src/ports/store.ts'

export type User = {
  readonly id: string
  readonly email: string
  readonly createdAt: number
  readonly updatedAt: number
}

export type Accounts = {
  /**
   * Undefined: nobody has that token. @param authorization the header: `Bearer <token>` or `Basic
   * <base64 of x:token>`
   */
  readonly authenticate: (authorization: string) => Promise<User | undefined>
  readonly owner: () => User
}

const ownerKey = 'user/owner'

/**
 * Opens the accounts and makes the owner and its token on the first start.
 * @param token the owner's API token, as the home keeps it
 */
export const openAccounts = async (
  store: Store,
  random: Random,
  now: () => number,
  options: { readonly email: string; readonly token: string },
): Promise<Accounts> => {
  let owner = await ensureOwner(store, random, now, options.email)
  await ensure(store, tokenKey(options.token), { userId: owner.id, createdAt: now() })
  const authenticate = async (authorization: string): Promise<User | undefined> => {
    const token = tokenOf(authorization)
    if (token === undefined) return undefined
    // Looked up by the hash of a secret, so how long it takes says nothing about the secret.
    const record = await store.get(tokenKey(token))
    if (record === undefined) return undefined
    const { userId } = decode<{ userId: string }>(record.value)
    if (userId === owner.id) return owner
    // A restored record has the owner of the backup.
    const kept = await store.get(ownerKey)
    if (kept !== undefined) owner = decode<User>(kept.value)
    return userId === owner.id ? owner : undefined
  }
  return { authenticate, owner: () => owner }
}

const ensureOwner = async (store: Store, random: Random, now: () => number, email: string): Promise<User> => {
  const at = now()
  const kept = await ensure<User>(store, ownerKey, { id: random.uuid(), email, createdAt: at, updatedAt: at })
  if (kept.value.email === email) return kept.value
  const renamed = { ...kept.value, email, updatedAt: at }
  await store.update(ownerKey, encode(renamed), kept.revision)
  return renamed
}

/**
 * The record under `key`, made from `fresh` when there is none; whoever comes second takes what the
 * first made.
 */
const ensure = async <T>(store: Store, key: string, fresh: T): Promise<{ value: T; revision: number }> => {
  const found = await store.get(key)
  if (found !== undefined) return { value: decode<T>(found.value), revision: found.revision }
  try {
    return { value: fresh, revision: await store.create(key, encode(fresh)) }
  } catch (error) {
    const winner = error instanceof StoreConflict ? await store.get(key) : undefined
    if (winner === undefined) throw error
    return { value: decode<T>(winner.value), revision: winner.revision }
  }
}

/** The secret in an `Authorization` header; the user name of Basic is ignored, as Heroku does. */
export const tokenOf = (authorization: string): string | undefined => {
  const [, scheme = '', value = ''] = /^(\w+)\s+(\S+)\s*$/.exec(authorization) ?? []
  if (/^bearer$/i.test(scheme)) return value
  if (!/^basic$/i.test(scheme)) return undefined
  const pair = Buffer.from(value, 'base64').toString('utf8')
  const token = pair.slice(pair.indexOf(':') + 1)
  return token === '' ? undefined : token
}

const tokenKey = (token: string): string => `token/${createHash('sha256').update(token).digest('hex')}`
const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const decode = <T>(bytes: Uint8Array): T => JSON.parse(Buffer.from(bytes).toString('utf8')) as T
