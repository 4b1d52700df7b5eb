/**
 * Authorizations: the tokens of users, each with what it is good for and until when. Of a token only its
 * sha256 is kept, and its ends, by which its user knows it again.
 *
 *   token/<sha256>                  who has it is whom
 *   authorization/<user>/<id>       the same, as the user sees it
 *   exchange/<sha256>               of a code or refresh token of an OAuth client → its authorization
 *
 * A token opens as long as its first record is there. That is written before the authorization has it, and
 * told after; so whoever ends an authorization, by changing its record, knows all there is to remove.
 */
import type { Random } from '../../../src/ports/random.ts'
import type { Store } from '../../../src/ports/store.ts'
import type { Scope } from '../access.ts'
import { change, decode, encode, read } from './records.ts'
import { freshSecret, sumOf, type Kept } from './secrets.ts'

export type Authorization = {
  readonly id: string
  readonly userId: string
  readonly description: string
  readonly scopes: readonly Scope[]
  /** Of the access token, wall clock; null: never. */
  readonly expiresAt: number | null
  readonly tokenId: string
  /** Empty: there is no access token, not yet or not any more. */
  readonly tokenSum: string
  /** `HRKU-Ab**********yZ12` */
  readonly shown: string
  /** The OAuth client that it was given to. */
  readonly clientId?: string
  /** What the client gets its first tokens by, once. */
  readonly grant?: (Kept & { readonly expiresAt: number }) | null
  /** What the client gets another access token by. */
  readonly refresh?: Kept | null
  /** Sums of tokens of before, which are not surely closed yet. */
  readonly closing?: readonly string[]
  /** It is being ended. */
  readonly isOver?: true
  readonly createdAt: number
  readonly updatedAt: number
}

/** What a token's own record says. Those of operators' homes have no authorization, and no end. */
export type TokenRecord = {
  readonly userId: string
  readonly createdAt: number
  readonly authorizationId?: string
  readonly scopes?: readonly Scope[]
  readonly expiresAt?: number | null
  /** It opens something as long as this OAuth client is there. */
  readonly clientId?: string
}

/** With the token itself, which is told this once. */
export type Granted = { readonly authorization: Authorization; readonly token: string }
/** What a client is given for a code or a refresh token. */
export type Exchanged = Granted & { readonly refreshToken: string }

export type GrantType = 'authorization_code' | 'refresh_token'

type Wanted = Pick<Authorization, 'description' | 'scopes' | 'expiresAt'>

export type Authorizations = {
  readonly grant: (userId: string, wanted: Wanted) => Promise<Granted>
  /** For an OAuth client: with a code, which is told this once, and no token yet. */
  readonly grantTo: (
    clientId: string,
    userId: string,
    wanted: Omit<Wanted, 'expiresAt'>,
  ) => Promise<{ readonly authorization: Authorization; readonly code: string }>
  /** Whose a code or a refresh token is. Undefined: nobody's, not yet or not any more. */
  readonly ofExchange: (secret: string) => Promise<Authorization | undefined>
  /** Another access token for it, and for a code a refresh token. Undefined: it is good for nothing. */
  readonly exchange: (
    authorization: Authorization,
    type: GrantType,
    secret: string,
  ) => Promise<Exchanged | undefined>
  readonly list: (userId: string) => Promise<readonly Authorization[]>
  readonly find: (userId: string, id: string) => Promise<Authorization | undefined>
  /** @param to.clientId whose it is from now on */
  readonly change: (
    authorization: Authorization,
    to: { readonly description?: string; readonly clientId?: string },
  ) => Promise<Authorization | undefined>
  /** Another token in the place of the one there is, which opens nothing any more. */
  readonly regenerate: (authorization: Authorization) => Promise<Granted | undefined>
  /** Its access token opens nothing any more. */
  readonly close: (authorization: Authorization) => Promise<void>
  readonly revoke: (authorization: Authorization) => Promise<void>
}

/** As on Heroku: a client's access token is good for eight hours, its refresh token until it is ended. */
export const clientTokenMs = 8 * 3_600_000
const codeMs = 5 * 60_000

export const tokenKey = (token: string): string => `token/${sumOf(token)}`
const listKey = (userId: string, id = ''): string => `authorization/${userId}/${id}`
const exchangeKey = (sum: string): string => `exchange/${sum}`
type Pointer = { readonly userId: string; readonly id: string }

/** With its token of now; without those that are closed by now. */
const closingOf = ({ tokenSum, closing = [] }: Authorization, closed: readonly string[]): string[] =>
  [...closing, tokenSum].filter((sum) => sum !== '' && !closed.includes(sum))

export const openAuthorizations = (store: Store, random: Random, now: () => number): Authorizations => {
  const find: Authorizations['find'] = async (userId, id) => {
    const found = (await read<Authorization>(store, listKey(userId, id)))?.value
    return found?.isOver === true ? undefined : found
  }
  /** A token that nobody knows yet, with its record. */
  const made = async (
    one: Pick<Authorization, 'userId' | 'id' | 'scopes' | 'expiresAt' | 'clientId'>,
  ): Promise<{ readonly token: string } & Pick<Authorization, 'tokenId' | 'tokenSum' | 'shown'>> => {
    const { secret: token, id: tokenId, sum: tokenSum, shown } = freshSecret(random)
    const { userId, id: authorizationId, scopes, expiresAt, clientId } = one
    const record: TokenRecord = { userId, createdAt: now(), authorizationId, scopes, expiresAt }
    await store.create(`token/${tokenSum}`, encode(clientId === undefined ? record : { ...record, clientId }))
    return { token, tokenId, tokenSum, shown }
  }
  const unmade = async (...sums: readonly string[]): Promise<void> => {
    for (const sum of sums) if (sum !== '') await store.remove(`token/${sum}`)
  }
  const changed = async (
    { userId, id }: Authorization,
    to: (one: Authorization) => Authorization,
  ): Promise<Authorization | undefined> =>
    change<Authorization>(store, listKey(userId, id), (one) => {
      const next = one.isOver === true ? one : to(one)
      return next === one ? one : { ...next, updatedAt: now() }
    })
  /**
   * In the place of the token there is; undefined: the record would not have it.
   * @param more what else becomes of the record; undefined: nothing
   */
  const replaced = async (
    authorization: Authorization,
    expiresAt: number | null,
    more: (one: Authorization) => Partial<Authorization> | undefined,
  ): Promise<Granted | undefined> => {
    const { closing: closed = [] } = authorization
    await unmade(...closed)
    const { token, ...fresh } = await made({ ...authorization, expiresAt })
    const next = await changed(authorization, (one) => {
      const change = more(one)
      return change === undefined
        ? one
        : { ...one, ...change, ...fresh, expiresAt, closing: closingOf(one, closed) }
    })
    if (next?.tokenSum !== fresh.tokenSum) {
      await unmade(fresh.tokenSum)
      return undefined
    }
    await unmade(...(next.closing ?? []))
    return { authorization: next, token }
  }
  return {
    find,
    async grant(userId, wanted) {
      const [id, at] = [random.uuid(), now()]
      const { token, ...fresh } = await made({ userId, id, ...wanted })
      const authorization = { id, userId, ...wanted, ...fresh, createdAt: at, updatedAt: at }
      await store.create(listKey(userId, id), encode(authorization))
      return { authorization, token }
    },
    async grantTo(clientId, userId, wanted) {
      const [id, at] = [random.uuid(), now()]
      const { secret: code, ...kept } = freshSecret(random)
      const none = { expiresAt: null, tokenId: random.uuid(), tokenSum: '', shown: '' }
      const grant = { ...kept, expiresAt: at + codeMs }
      const times = { createdAt: at, updatedAt: at }
      const authorization = { id, userId, ...wanted, ...none, clientId, grant, ...times }
      await store.create(listKey(userId, id), encode(authorization))
      await store.create(exchangeKey(kept.sum), encode({ userId, id }))
      return { authorization, code }
    },
    async ofExchange(secret) {
      const found = await read<Pointer>(store, exchangeKey(sumOf(secret)))
      return found && find(found.value.userId, found.value.id)
    },
    async exchange(authorization, type, secret) {
      const [sum, at] = [sumOf(secret), now()]
      const expiresAt = at + clientTokenMs
      if (type === 'refresh_token') {
        const again = await replaced(authorization, expiresAt, (one) =>
          one.refresh?.sum === sum ? {} : undefined,
        )
        return again && { ...again, refreshToken: secret }
      }
      const { secret: refreshToken, ...refresh } = freshSecret(random)
      const { userId, id } = authorization
      await store.create(exchangeKey(refresh.sum), encode({ userId, id }))
      const first = await replaced(authorization, expiresAt, ({ grant }) =>
        grant?.sum === sum && at < grant.expiresAt ? { grant: null, refresh } : undefined,
      )
      await store.remove(exchangeKey(first === undefined ? refresh.sum : sum))
      return first && { ...first, refreshToken }
    },
    list: async (userId) =>
      (await store.list(listKey(userId)))
        .map(({ value }) => decode<Authorization>(value))
        .filter(({ isOver }) => isOver !== true),
    async change(authorization, to) {
      const next = await changed(authorization, (one) => ({ ...one, ...to }))
      if (next === undefined || next.isOver === true) return undefined
      const { clientId } = to
      if (clientId !== undefined && next.tokenSum !== '')
        await change<TokenRecord>(store, `token/${next.tokenSum}`, (one) => ({ ...one, clientId }))
      return next
    },
    regenerate: (authorization) => replaced(authorization, authorization.expiresAt, () => ({})),
    async close(authorization) {
      const { closing: closed = [] } = authorization
      await unmade(...closed)
      const next = await changed(authorization, (one) => ({
        ...one,
        tokenSum: '',
        shown: '',
        closing: closingOf(one, closed),
      }))
      await unmade(...(next?.closing ?? []))
    },
    async revoke(authorization) {
      const last = await changed(authorization, (one) => ({ ...one, isOver: true }))
      const { userId, id, tokenSum, grant, refresh, closing = [] } = last ?? authorization
      await unmade(tokenSum, ...closing)
      for (const secret of [grant, refresh]) if (secret != null) await store.remove(exchangeKey(secret.sum))
      await store.remove(listKey(userId, id))
    },
  }
}
