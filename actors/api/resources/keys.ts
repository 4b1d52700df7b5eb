/** SSH keys of an account: kept and shown. Git goes over https here, as it does on Heroku. */
import { createHash } from 'node:crypto'
import { is } from '../../../src/runtime/index.ts'
import { isPublicKey } from '../../../src/ssh/server.ts'
import { StoreConflict, type Store } from '../../../src/ports/store.ts'
import { decode, encode } from '../accounts/records.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { timeText } from '../shapes/common.ts'

type Key = {
  readonly id: string
  readonly comment: string
  readonly publicKey: string
  /** MD5, as Heroku writes it: `17:63:a4:…`. */
  readonly fingerprint: string
  readonly createdAt: number
}

const scope = 'global'
const keysMax = 100
const keyCharsMax = 16 * 1024
const keyShape =
  /^(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]+={0,2})(?: (.*))?$/

export const keys = [
  endpoint({
    name: 'account.keys',
    http: { method: 'GET', path: '/account/keys' },
    summary: 'SSH keys of the account',
    scope,
    async run(request, edge) {
      const page = cut(await keysOf(edge.store, request.who.id), request.range, { id: ({ id }) => id })
      return listOf(page, (key) => keyBody(key, request))
    },
  }),
  endpoint({
    name: 'account.key',
    http: { method: 'GET', path: '/account/keys/:key' },
    summary: 'One SSH key of the account, by id or fingerprint',
    scope,
    run: async (request, edge) => ok(keyBody(await thisKey(request, edge.store), request)),
  }),
  endpoint({
    name: 'account.add-key',
    http: { method: 'POST', path: '/account/keys' },
    summary: 'Keep an SSH key',
    scope,
    body: is.obj({ public_key: is.str }),
    async run(request, edge) {
      const { id: userId } = request.who
      const parsed = parse(request.body.public_key)
      if ((await keysOf(edge.store, userId)).length >= keysMax)
        throw invalid(`An account cannot have more than ${keysMax} keys.`)
      const key: Key = { id: edge.random.uuid(), ...parsed, createdAt: edge.now() }
      try {
        await edge.store.create(recordKey(userId, key.fingerprint), encode(key))
      } catch (error) {
        throw error instanceof StoreConflict ? invalid('Fingerprint has already been taken') : error
      }
      return created(keyBody(key, request))
    },
  }),
  endpoint({
    name: 'account.remove-key',
    http: { method: 'DELETE', path: '/account/keys/:key' },
    summary: 'Forget an SSH key',
    scope,
    async run(request, edge) {
      const key = await thisKey(request, edge.store)
      await edge.store.remove(recordKey(request.who.id, key.fingerprint))
      return ok(keyBody(key, request))
    },
  }),
]

const recordKey = (userId: string, fingerprint = ''): string => `ssh-key/${userId}/${fingerprint}`

const keysOf = async (store: Store, userId: string): Promise<Key[]> =>
  (await store.list(recordKey(userId))).map(({ value }) => decode<Key>(value))

const thisKey = async (request: Request<{ readonly key: string }>, store: Store): Promise<Key> => {
  const { key: which } = request.params
  const found = (await keysOf(store, request.who.id)).find(
    ({ id, fingerprint, comment }) => id === which || fingerprint === which || comment === which,
  )
  if (found === undefined) throw notFound('key')
  return found
}

/** One line of OpenSSH's format: nothing else that is a key, and no private one. */
const parse = (text: string): Pick<Key, 'comment' | 'publicKey' | 'fingerprint'> => {
  const publicKey = text.trim()
  const [, encoded = '', comment = ''] = keyShape.exec(publicKey) ?? []
  if (encoded === '' || publicKey.length > keyCharsMax || !isPublicKey(publicKey))
    throw invalid('Key is not a public key in the format of OpenSSH.')
  const sum = createHash('md5').update(Buffer.from(encoded, 'base64')).digest('hex')
  return { comment, publicKey, fingerprint: sum.replaceAll(/(..)(?=.)/g, '$1:') }
}

const keyBody = ({ id, comment, publicKey, fingerprint, createdAt }: Key, { who }: Request): object => ({
  comment,
  created_at: timeText(createdAt),
  email: who.email,
  fingerprint,
  id,
  public_key: publicKey,
  updated_at: timeText(createdAt),
})
