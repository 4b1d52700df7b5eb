/**
 * Authorizations: the tokens of users, each with what it is good for and until when. Of a token only its
 * sha256 is kept, and its ends, by which its user knows it again.
 *
 *   token/<sha256>                  who has it is whom
 *   authorization/<user>/<id>       the same, as the user sees it
 *
 * A token opens as long as its first record is there, which is written last and removed first.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../../../src/ports/random.ts'
import type { Store } from '../../../src/ports/store.ts'
import type { Scope } from '../access.ts'
import { change, decode, encode, read } from './records.ts'

export type Authorization = {
  readonly id: string
  readonly userId: string
  readonly description: string
  readonly scopes: readonly Scope[]
  /** Wall clock; null: never. */
  readonly expiresAt: number | null
  readonly tokenId: string
  readonly tokenSum: string
  /** `HRKU-Ab**********yZ12` */
  readonly shown: string
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
}

/** With the token itself, which is told this once. */
export type Granted = { readonly authorization: Authorization; readonly token: string }

export type Authorizations = {
  readonly grant: (
    userId: string,
    wanted: Pick<Authorization, 'description' | 'scopes' | 'expiresAt'>,
  ) => Promise<Granted>
  readonly list: (userId: string) => Promise<readonly Authorization[]>
  readonly find: (userId: string, id: string) => Promise<Authorization | undefined>
  readonly describe: (userId: string, id: string, description: string) => Promise<Authorization | undefined>
  /** Another token in the place of the one there is, which opens nothing any more. */
  readonly regenerate: (authorization: Authorization) => Promise<Granted>
  readonly revoke: (authorization: Authorization) => Promise<void>
}

const tokenLength = 40

export const tokenKey = (token: string): string => `token/${sumOf(token)}`
const sumOf = (token: string): string => createHash('sha256').update(token).digest('hex')
const listKey = (userId: string, id = ''): string => `authorization/${userId}/${id}`
const shownOf = (token: string): string => `${token.slice(0, 7)}**********${token.slice(-4)}`

export const openAuthorizations = (store: Store, random: Random, now: () => number): Authorizations => {
  const fresh = (): { readonly token: string } & Pick<Authorization, 'tokenId' | 'tokenSum' | 'shown'> => {
    const token = `HRKU-${random.token(tokenLength)}`
    return { token, tokenId: random.uuid(), tokenSum: sumOf(token), shown: shownOf(token) }
  }
  const open = async ({ userId, id, scopes, expiresAt, tokenSum }: Authorization): Promise<void> => {
    const record: TokenRecord = { userId, createdAt: now(), authorizationId: id, scopes, expiresAt }
    await store.create(`token/${tokenSum}`, encode(record))
  }
  const close = ({ tokenSum }: Authorization): Promise<void> => store.remove(`token/${tokenSum}`)
  return {
    async grant(userId, wanted) {
      const { token, ...kept } = fresh()
      const at = now()
      const authorization = { id: random.uuid(), userId, ...wanted, ...kept, createdAt: at, updatedAt: at }
      await store.create(listKey(userId, authorization.id), encode(authorization))
      await open(authorization)
      return { authorization, token }
    },
    list: async (userId) =>
      (await store.list(listKey(userId))).map(({ value }) => decode<Authorization>(value)),
    find: async (userId, id) => (await read<Authorization>(store, listKey(userId, id)))?.value,
    describe: (userId, id, description) =>
      change<Authorization>(store, listKey(userId, id), (one) => ({ ...one, description, updatedAt: now() })),
    async regenerate(authorization) {
      const { token, ...kept } = fresh()
      await close(authorization)
      const { userId, id } = authorization
      const next = await change<Authorization>(store, listKey(userId, id), (one) => ({
        ...one,
        ...kept,
        updatedAt: now(),
      }))
      const made = next ?? { ...authorization, ...kept }
      if (next === undefined) await store.create(listKey(userId, id), encode(made))
      await open(made)
      return { authorization: made, token }
    },
    async revoke(authorization) {
      await close(authorization)
      await store.remove(listKey(authorization.userId, authorization.id))
    },
  }
}
