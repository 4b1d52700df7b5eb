/**
 * The API's endpoints as a NATS micro service: `nats micro ls` finds it, `nats req manifold.v1.api.apps.list
 * '{}'` asks it.
 */
import type { Connection } from '../../src/nats/connection.ts'
import { serve, ServiceError } from '../../src/nats/services.ts'
import type { Log } from '../../src/ports/log.ts'
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
    onFault: (endpoint, error) =>
      log({ at: 'api-fault', endpoint, reason: error instanceof Error ? error.message : 'unknown' }),
    endpoints: endpoints.map(({ name, subject, metadata, handle }) => ({
      name,
      subject,
      metadata,
      handler: async (request) => {
        const { bytes, headers, error } = await handle(request.bytes, request.header)
        if (error !== undefined) throw new ServiceError(error.code, error.description, bytes)
        return { bytes, headers }
      },
    })),
  })
  return { close: () => service.stop() }
}
