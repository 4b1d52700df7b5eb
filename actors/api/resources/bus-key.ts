/** A user's key for the bus: NATS requests and events as oneself, without a token in each. */
import type { BusKeys, Edge } from '../edge.ts'
import { created, endpoint, ok } from '../endpoint.ts'
import { ApiError } from '../errors.ts'

export const busKey = [
  endpoint({
    name: 'account.create-bus-key',
    http: { method: 'POST', path: '/account/bus-key' },
    summary:
      'A key for NATS requests and events as oneself, whose seed is told this once; the one before ends',
    scope: 'global',
    async run({ caller }, edge) {
      const { seed, urls, subjects, inbox, events } = await keysOf(edge).create(caller.user)
      return created({ seed, urls, subject_prefix: subjects, inbox_prefix: inbox, event_prefix: events })
    },
  }),
  endpoint({
    name: 'account.delete-bus-key',
    http: { method: 'DELETE', path: '/account/bus-key' },
    summary: 'Let that key in no more',
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
