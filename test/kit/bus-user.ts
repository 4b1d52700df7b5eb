/** A user of the bus, with the `nats` package as anybody has it and what the API told with the key. */
import { connect, Events, nkeyAuthenticator, type NatsConnection } from 'nats'
import { apiClient, type ApiClient } from '../../src/client/client.ts'
import { overNats } from '../../src/client/over-nats.ts'

export type BusKey = {
  readonly seed: string
  readonly urls: readonly string[]
  readonly subject_prefix: string
  readonly inbox_prefix: string
  readonly event_prefix: string
}
export type Heard = { readonly subject: string; readonly sequence: number; readonly id: string }
export type BusUser = {
  readonly client: NatsConnection
  readonly api: ApiClient
  /** What the server refused. */
  readonly refused: readonly unknown[]
  /** Events under a subject, from when this resolves. */
  readonly follow: (subject: string) => Promise<readonly Heard[]>
}

const askMs = 30_000

/** It does not try again when the server ends it. */
export const joinBus = async (key: BusKey, ca?: string): Promise<BusUser> => {
  const client = await connect({
    servers: key.urls.map((url) => new URL(url).host),
    authenticator: nkeyAuthenticator(Buffer.from(key.seed)),
    inboxPrefix: key.inbox_prefix,
    reconnect: false,
    ...(ca !== undefined && { tls: { ca } }),
  })
  const refused: unknown[] = []
  void (async () => {
    for await (const { type, data } of client.status()) if (type === Events.Error) refused.push(data)
  })()
  const request: Parameters<typeof overNats>[0] = async (subject, bytes) => {
    const answer = await client.request(subject, bytes, { timeout: askMs })
    return { bytes: answer.data, header: (name) => answer.headers?.get(name) || undefined }
  }
  return {
    client,
    refused,
    api: apiClient(overNats(request, { subjects: key.subject_prefix })),
    follow: async (subject) => {
      const heard: Heard[] = []
      client.subscribe(subject, {
        callback: (error, { data, headers, subject: at }) => {
          if (error !== null) return
          const { id } = JSON.parse(Buffer.from(data).toString()) as { readonly id: string }
          heard.push({ subject: at, sequence: Number(headers?.get('Nats-Sequence')), id })
        },
      })
      await client.flush()
      return heard
    },
  }
}
