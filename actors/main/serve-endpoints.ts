/**
 * The API's endpoints as a NATS micro service: `nats micro ls` finds it, `nats req manifold.v1.api.apps.list
 * '{}'` asks it.
 */
import type { Connection } from '../../src/nats/connection.ts'
import { userInbox, userRoot } from '../../src/nats/permissions.ts'
import { serve, ServiceError, type Endpoint, type Reply, type Request } from '../../src/nats/services.ts'
import type { Log } from '../../src/ports/log.ts'
import type { ServiceAnswer } from '../api/service-answer.ts'
import type { ServiceEndpoint } from '../api/service.ts'

export const serveEndpoints = async (
  connection: Connection,
  endpoints: readonly ServiceEndpoint[],
  log: Log,
): Promise<{ readonly close: () => Promise<void> }> => {
  const service = await serve(connection, {
    name: 'manifold',
    version: '1.0.0',
    description: 'The Platform API of this Manifold',
    // Users may look it up: what they are shown leaves with this host's rights, and goes to inboxes alone.
    shownUnder: ['_INBOX.', '_USER.'],
    onFault: (endpoint, error) =>
      log({ at: 'api-fault', endpoint, reason: error instanceof Error ? error.message : 'unknown' }),
    endpoints: [
      asUser(endpoints),
      ...endpoints.map(({ name, subject, metadata, handle }) => ({
        name,
        subject,
        metadata,
        handler: async ({ bytes, header }: Request) => replyOf(await handle(bytes, header)),
      })),
    ],
  })
  return { close: () => service.stop() }
}

/**
 * All of them once more for users of the bus, whose subjects say who they are: `manifold.v1.user.<id>.api.…`.
 * What they are answered goes to their own inboxes.
 */
const asUser = (endpoints: readonly ServiceEndpoint[]): Endpoint => {
  const known = new Map(endpoints.map((endpoint) => [endpoint.subject, endpoint]))
  return {
    name: 'as_user',
    subject: `${userRoot}.*.api.>`,
    metadata: { summary: 'Every other endpoint, for users with a key of their own' },
    repliesUnder: (subject) => `${userInbox(userIn(subject))}.`,
    handler: async ({ subject, bytes, header }) => {
      const [, , , , ...words] = subject.split('.')
      const endpoint = known.get(`manifold.v1.${words.join('.')}`)
      if (endpoint === undefined) throw new ServiceError(404, 'There is no such endpoint.')
      return replyOf(await endpoint.handle(bytes, header, userIn(subject)))
    },
  }
}

const userIn = (subject: string): string => subject.split('.')[3] ?? ''

const replyOf = ({ bytes, headers, error }: ServiceAnswer): Reply => {
  if (error !== undefined) throw new ServiceError(error.code, error.description, bytes)
  return { bytes, headers }
}
