/** Calls as NATS requests: `manifold.v1.api.apps.list`. */
import type { Way } from './client.ts'

export type NatsRequest = (
  subject: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
) => Promise<{ readonly bytes: Uint8Array; readonly header: (name: string) => string | undefined }>

/** What a service answers with in the place of a status when it refuses (ADR-32). */
const errorCodeHeader = 'Nats-Service-Error-Code'

/** @param token whose calls they are; left out: the connection's own */
export const overNats =
  (request: NatsRequest, token?: string): Way =>
  async ({ name, params, body, query, range }) => {
    const call = { params, ...(body !== undefined && { body }), query, ...(range !== undefined && { range }) }
    const headers: Readonly<Record<string, string>> =
      token === undefined ? {} : { Authorization: `Bearer ${token}` }
    const { bytes, header } = await request(
      `manifold.v1.api.${name}`,
      Buffer.from(JSON.stringify(call)),
      headers,
    )
    const status = Number(header('Manifold-Status') ?? header(errorCodeHeader) ?? 0)
    return { status, text: Buffer.from(bytes).toString(), header }
  }
