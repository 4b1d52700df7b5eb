/**
 * OAuth clients: programs that users may let act for them. Of a client's secret its sum is kept.
 *
 *   oauth-client/<id>             the client: while it is there, the tokens that it was given open something
 *   oauth-clients/<owner>/<id>    → for the list of whoever registered it; written first, removed last
 */
import type { Random } from '../../../src/ports/random.ts'
import type { Store } from '../../../src/ports/store.ts'
import { change, encode, read } from './records.ts'
import { freshSecret, sumOf } from './secrets.ts'

export type Client = {
  readonly id: string
  readonly ownerId: string
  readonly name: string
  readonly redirectUri: string
  readonly secretSum: string
  readonly shown: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** With its secret, which is told this once. */
export type WithSecret = { readonly client: Client; readonly secret: string }

type Wanted = Pick<Client, 'name' | 'redirectUri'>

export type Clients = {
  readonly register: (ownerId: string, wanted: Wanted) => Promise<WithSecret>
  readonly find: (id: string) => Promise<Client | undefined>
  /** In the order of their ids. */
  readonly list: (ownerId: string) => Promise<readonly Client[]>
  readonly change: (id: string, to: Partial<Wanted>) => Promise<Client | undefined>
  /** The secret of before opens nothing any more. */
  readonly rotate: (id: string) => Promise<WithSecret | undefined>
  /** What it was given opens nothing any more. */
  readonly remove: (client: Client) => Promise<void>
}

export const isSecretOf = ({ secretSum }: Client, secret: string): boolean => secretSum === sumOf(secret)

const keyOf = (id: string): string => `oauth-client/${id}`
const listKey = (ownerId: string, id = ''): string => `oauth-clients/${ownerId}/${id}`

export const openClients = (store: Store, random: Random, now: () => number): Clients => {
  const find: Clients['find'] = async (id) => (await read<Client>(store, keyOf(id)))?.value
  const changed = (id: string, to: Partial<Client>): Promise<Client | undefined> =>
    change<Client>(store, keyOf(id), (one) => ({ ...one, ...to, updatedAt: now() }))
  return {
    find,
    async register(ownerId, wanted) {
      const { secret, sum: secretSum, shown } = freshSecret(random)
      const [id, at] = [random.uuid(), now()]
      const client = { id, ownerId, ...wanted, secretSum, shown, createdAt: at, updatedAt: at }
      await store.create(listKey(ownerId, id), encode({}))
      await store.create(keyOf(id), encode(client))
      return { client, secret }
    },
    async list(ownerId) {
      const keys = (await store.list(listKey(ownerId))).map(({ key }) => key.slice(listKey(ownerId).length))
      const found = await Promise.all(keys.sort().map(find))
      return found.filter((one) => one !== undefined)
    },
    change: changed,
    async rotate(id) {
      const { secret, sum: secretSum, shown } = freshSecret(random)
      const client = await changed(id, { secretSum, shown })
      return client && { client, secret }
    },
    async remove({ id, ownerId }) {
      await store.remove(keyOf(id))
      await store.remove(listKey(ownerId, id))
    },
  }
}
