/**
 * Accounts: who may use the API, and as whom a call is made.
 *
 * The first operator is made on the first start, with the token that every control host keeps in its home;
 * whoever asks over NATS as an operator acts as it.
 */
import type { Random } from '../../../src/ports/random.ts'
import type { Store } from '../../../src/ports/store.ts'
import type { Caller } from '../access.ts'
import { ApiError, unauthorized } from '../errors.ts'
import { createAttempts, type Attempts } from './attempts.ts'
import { openAuthorizations, tokenKey, type Authorizations, type TokenRecord } from './authorizations.ts'
import { isSecretOf, openClients, type Clients } from './clients.ts'
import { isPassword } from './passwords.ts'
import { encode, ensure, read } from './records.ts'
import { openUsers, ownerKey, type User, type Users } from './users.ts'

export type Accounts = {
  /**
   * @param authorization the header: `Bearer <token>` or `Basic <base64 of x:token>`
   * @throws ApiError `unauthorized`, `suspended`
   */
  readonly authenticate: (authorization: string) => Promise<Caller>
  /**
   * By e-mail address and password, where that is asked for. @param authorization `Basic <base64 of e:p>`
   * @throws ApiError `unauthorized`, `suspended`, `rate_limit`
   */
  readonly byPassword: (authorization: string) => Promise<Caller>
  /** Whom somebody else vouches for. @throws ApiError `unauthorized`, `suspended` */
  readonly byId: (id: string) => Promise<Caller>
  /**
   * An OAuth client, as whoever let it: by its own secret and a code or a refresh token.
   * @throws ApiError `unauthorized`, `suspended`
   */
  readonly byExchange: (secret: string, clientSecret: string) => Promise<Caller>
  readonly owner: () => User
  readonly users: Users
  readonly authorizations: Authorizations
  /** OAuth clients. */
  readonly clients: Clients
}

/** Passwords that are checked at one time. */
const checksMax = 8

/**
 * Opens the accounts and makes the first operator and its token on the first start.
 * @param token the operator's API token, as the home keeps it
 */
export const openAccounts = async (
  store: Store,
  random: Random,
  now: () => number,
  options: {
    readonly email: string
    readonly token: string
    /** Passwords that were wrong; left out: of this host alone. */
    readonly attempts?: Attempts
  },
): Promise<Accounts> => {
  let owner = await ensureOwner(store, random, now, options.email)
  const own: TokenRecord = { userId: owner.id, createdAt: now() }
  await ensure<TokenRecord>(store, tokenKey(options.token), own)
  const users = openUsers(store, random, now, () => owner)
  const { attempts = createAttempts(now) } = options

  /** Each takes a tenth of a second of a processor, and a thread that reads files meanwhile. */
  let checking = 0
  const checked = async (secret: string, kept: string | undefined): Promise<boolean> => {
    if (checking >= checksMax)
      throw new ApiError('rate_limit', 'Too many logins at once. Please try again in a moment.')
    checking += 1
    try {
      return await isPassword(secret, kept)
    } finally {
      checking -= 1
    }
  }

  const userOf = async (id: string): Promise<User | undefined> => {
    const found = await users.find({ id })
    if (found !== undefined) return found
    // A restored record has the operator of the backup.
    const kept = await read<User>(store, ownerKey)
    if (kept !== undefined) owner = asOwner(kept.value)
    return id === owner.id ? owner : undefined
  }
  const calling = (user: User | undefined, token?: TokenRecord): Caller => {
    if (user === undefined) throw unauthorized()
    if (user.suspendedAt != null)
      throw new ApiError('suspended', 'This account is suspended. Ask an operator of this platform.')
    return { user, scopes: token?.scopes ?? ['global'], authorizationId: token?.authorizationId ?? null }
  }
  const clients = openClients(store, random, now)
  const authorizations = openAuthorizations(store, random, now)
  return {
    users,
    clients,
    authorizations,
    owner: () => owner,
    async authenticate(authorization) {
      const token = tokenOf(authorization)
      if (token === undefined) throw unauthorized()
      // Looked up by the hash of a secret, so how long it takes says nothing about the secret.
      const record = (await read<TokenRecord>(store, tokenKey(token)))?.value
      if (record === undefined) throw unauthorized()
      if (record.expiresAt != null && now() >= record.expiresAt) throw unauthorized()
      const { clientId } = record
      if (clientId !== undefined && (await clients.find(clientId)) === undefined) throw unauthorized()
      return calling(await userOf(record.userId), record)
    },
    async byExchange(secret, clientSecret) {
      const found = await authorizations.ofExchange(secret)
      const client = found?.clientId === undefined ? undefined : await clients.find(found.clientId)
      if (found === undefined || client === undefined || !isSecretOf(client, clientSecret))
        throw new ApiError('unauthorized', 'The grant is over or unknown, or it is not of this client.')
      return { ...calling(await userOf(found.userId)), authorizationId: found.id }
    },
    byId: async (id) => calling(await userOf(id)),
    async byPassword(authorization) {
      const { name = '', secret = '' } = pairOf(authorization) ?? {}
      const email = name.trim().toLowerCase()
      const waitMs = attempts.waitMs(email)
      if (waitMs > 0)
        throw new ApiError(
          'rate_limit',
          `Too many failed logins. Please try again in ${Math.ceil(waitMs / 1000)} seconds.`,
        )
      const user = await users.find({ email })
      if (!(await checked(secret, user?.password))) {
        attempts.failed(email)
        throw new ApiError('unauthorized', 'There was a problem with your login.')
      }
      attempts.succeeded(email)
      return calling(user)
    },
  }
}

const asOwner = (user: User): User => ({ ...user, operator: true })

const ensureOwner = async (store: Store, random: Random, now: () => number, email: string): Promise<User> => {
  const at = now()
  const kept = await ensure<User>(store, ownerKey, { id: random.uuid(), email, createdAt: at, updatedAt: at })
  if (kept.value.email === email) return asOwner(kept.value)
  const renamed = { ...kept.value, email, updatedAt: at }
  await store.update(ownerKey, encode(renamed), kept.revision)
  return asOwner(renamed)
}

/** The secret in an `Authorization` header; the user name of Basic is ignored, as Heroku does. */
export const tokenOf = (authorization: string): string | undefined => {
  const [, scheme = '', value = ''] = /^(\w+)\s+(\S+)\s*$/.exec(authorization) ?? []
  if (/^bearer$/i.test(scheme)) return value
  return pairOf(authorization)?.secret || undefined
}

const pairOf = (authorization: string): { readonly name: string; readonly secret: string } | undefined => {
  const [, value = ''] = /^basic\s+(\S+)\s*$/i.exec(authorization) ?? []
  if (value === '') return undefined
  const pair = Buffer.from(value, 'base64').toString('utf8')
  const at = pair.indexOf(':')
  return { name: at < 0 ? '' : pair.slice(0, at), secret: pair.slice(at + 1) }
}
