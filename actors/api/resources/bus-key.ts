/** A user's key for the bus: NATS requests as oneself, without a token in each. */
import type { BusKeys, Edge } from '../edge.ts'
import { created, endpoint, ok } from '../endpoint.ts'
import { ApiError } from '../errors.ts'

export const busKey = [
  endpoint({
    name: 'account.create-bus-key',
    http: { method: 'POST', path: '/account/bus-key' },
    summary: 'A key for NATS requests as oneself, whose seed is told this once; the one before ends',
    scope: 'global',
    async run({ who }, edge) {
      const { seed, urls, subjects, inbox } = await keysOf(edge).create(who.id)
      return created({ seed, urls, subject_prefix: subjects, inbox_prefix: inbox })
    },
  }),
  endpoint({
    name: 'account.delete-bus-key',
    http: { method: 'DELETE', path: '/account/bus-key' },
    summary: 'Let the key for NATS requests in no more',
    scope: 'global',
    async run({ who }, edge) {
      await keysOf(edge).remove(who.id)
      return ok({})
    },
  }),
]

const keysOf = ({ busKeys }: Pick<Edge, 'busKeys'>): BusKeys => {
  if (busKeys === undefined)
    throw new ApiError(
      'forbidden',
      'The bus of this platform is not its own: its operator gives access to it.',
    )
  return busKeys
}
