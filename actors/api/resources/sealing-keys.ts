/**
 * Keys that seal config vars and certificates at rest: the operator's resource, which Heroku has none of. By
 * their names; no key ever leaves in an answer.
 */
import { is } from '../../../src/runtime/index.ts'
import type { KeysView } from '../cluster.ts'
import { created, endpoint, ok } from '../endpoint.ts'
import { ApiError } from '../errors.ts'

const base64 = /^[A-Za-z0-9+/]+={0,2}$/

export const sealingKeys = [
  endpoint({
    name: 'sealing-keys.list',
    http: { method: 'GET', path: '/cluster/keys' },
    summary: 'Keys that seal what is secret at rest, and how far a rotation is',
    needs: 'operator',
    scope: 'global',
    run: async (_, edge) => ok(keysBody(await edge.cluster.keys.view())),
  }),
  endpoint({
    name: 'sealing-keys.rotate',
    http: { method: 'POST', path: '/cluster/keys/actions/rotate' },
    summary: 'Make a new key; all that is sealed is sealed with it, in the background',
    needs: 'operator',
    scope: 'global',
    run: async (_, edge) => ok(keysBody(await edge.cluster.keys.rotate())),
  }),
  endpoint({
    name: 'sealing-keys.create',
    http: { method: 'POST', path: '/cluster/keys' },
    summary: 'Add keys of another time or cluster, so that a backup can be read',
    needs: 'operator',
    scope: 'global',
    body: is.obj({ keys: is.text(1_024) }),
    async run({ body }, edge) {
      if (!base64.test(body.keys))
        throw new ApiError('invalid_params', 'keys must be a file of keys in base64.')
      return created(keysBody(await edge.cluster.keys.add(Buffer.from(body.keys, 'base64'))))
    },
  }),
]

const keysBody = ({ keys, done, total, unreadable, waitingFor }: KeysView): object => ({
  keys: keys.map(({ id, state, resealedAt }) => ({
    id,
    state,
    resealed_at: resealedAt === null ? null : new Date(resealedAt).toISOString(),
  })),
  resealed: done,
  total,
  unreadable,
  waiting_for: waitingFor,
})
