/** Calls as NATS requests: `manifold.v1.api.apps.list`. */
import type { RawCall, Way } from './client.ts'

export type NatsRequest = (
  subject: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
) => Promise<{ readonly bytes: Uint8Array; readonly header: (name: string) => string | undefined }>

export type NatsOptions = {
  /** Whose calls they are; left out: the connection's own. */
  readonly token?: string
  /** What the subjects begin with, as a key of one's own comes with them. */
  readonly subjects?: string
}

const apiSubjects = 'manifold.v1.api.'
export const subjectOf = (name: string): string => `${apiSubjects}${name}`
/** `Manifold-Status: 201`: the HTTP status of an answer. */
export const statusHeader = 'Manifold-Status'
/** What a service answers with in the place of a status when it refuses (ADR-32). */
const errorCodeHeader = 'Nats-Service-Error-Code'

/** Undefined: it was nobody of ours that answered. */
export const statusOf = (header: (name: string) => string | undefined): number | undefined => {
  const status = header(statusHeader) ?? header(errorCodeHeader)
  return status === undefined ? undefined : Number(status)
}

export const bytesOf = ({
  params,
  body,
  query,
  range,
}: Omit<RawCall, 'name' | 'method' | 'path'>): Uint8Array =>
  Buffer.from(JSON.stringify({ params, body, query, range }))

export const overNats =
  (request: NatsRequest, { token, subjects = apiSubjects }: NatsOptions = {}): Way =>
  async (call) => {
    const headers: Readonly<Record<string, string>> =
      token === undefined ? {} : { Authorization: `Bearer ${token}` }
    const { bytes, header } = await request(`${subjects}${call.name}`, bytesOf(call), headers)
    return { status: statusOf(header) ?? 0, text: Buffer.from(bytes).toString(), header }
  }
