/**
 * A stream from one server to another, by the server's own snapshots: sequences, which are the record's
 * revisions, are kept exactly, and so is every header.
 *
 * Both directions are paced by the server's acknowledgements, a few chunks at a time.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { createInbox, type Msg } from 'nats'
import { guarded, type Connection } from './connection.ts'
import {
  jetStream,
  JetStreamRefused,
  type ApiError,
  type StreamConfig,
  type StreamState,
} from './jetstream.ts'
import { RequestFailed, requestsOf } from './requests.ts'

export type Snapshot = {
  readonly config: StreamConfig
  readonly state: StreamState
  /** To be read to its end, soon and once. */
  readonly chunks: AsyncIterable<Uint8Array>
}

const chunkBytes = 256 * 1024
const silenceMsMax = 30_000
const chunkMsMax = 30_000
const chunksUnderWayMax = 8
const heardMsMax = 5_000
const heardPollMs = 20
const none = new Uint8Array(0)

/** @throws RequestFailed, JetStreamRefused; so does reading the chunks */
export const takeSnapshot = async (connection: Connection, stream: string): Promise<Snapshot> => {
  const inbox = createInbox(connection.inbox)
  // The server may send before it has answered.
  const incoming = openIncoming(connection, inbox, stream)
  try {
    const { config, state } = await jetStream(connection).call<Omit<Snapshot, 'chunks'>>(
      `STREAM.SNAPSHOT.${stream}`,
      { deliver_subject: inbox, no_consumers: true, chunk_size: chunkBytes },
    )
    return { config, state, chunks: incoming.chunks() }
  } catch (error) {
    incoming.close()
    throw error
  }
}

const openIncoming = (connection: Connection, inbox: string, stream: string) => {
  const { client } = connection
  const queue: Msg[] = []
  let wake: (() => void) | undefined
  let broken: RequestFailed | undefined
  const isBroken = (): boolean => broken !== undefined
  const fail = (why: string): void => {
    broken ??= new RequestFailed('broken', `snapshot of ${stream}: ${why}`)
    wake?.()
  }
  const subscription = client.subscribe(inbox, {
    callback(error, message) {
      if (error !== null) return fail(error.message)
      guarded(() => {
        queue.push(message)
        wake?.()
      })
    },
  })
  const events = connection.onEvent((event) => {
    if (event === 'down') fail('the connection broke')
  })
  const close = (): void => {
    events.close()
    if (!client.isClosed()) subscription.unsubscribe()
  }
  const next = async (): Promise<Msg> => {
    const timer = setTimeout(() => fail('the server fell silent'), silenceMsMax)
    try {
      while (queue.length === 0 && !isBroken()) await new Promise<void>((done) => (wake = done))
    } finally {
      clearTimeout(timer)
    }
    const message = queue.shift()
    if (message === undefined) throw broken ?? new RequestFailed('broken', stream)
    return message
  }
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const message = await next()
        // Its end is an empty message; one with a status other than "no more" says why it ends early.
        const status = message.headers?.code ?? 0
        if (message.data.length === 0) {
          if (status >= 400)
            throw new RequestFailed('broken', `snapshot of ${stream}: ${message.headers?.description}`)
          return
        }
        yield message.data
        message.respond(none)
      }
    } finally {
      close()
    }
  }
  return { chunks, close }
}

/**
 * Makes a stream from a snapshot.
 * @param changes of its configuration, the number of replicas say
 * @throws RequestFailed, JetStreamRefused, and what reading the chunks throws
 */
export const restoreSnapshot = async (
  connection: Connection,
  { config, state, chunks }: Snapshot,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<void> => {
  const requests = requestsOf(connection)
  const { deliver_subject: subject } = await jetStream(connection, chunkMsMax).call<{
    deliver_subject: string
  }>(`STREAM.RESTORE.${config.name}`, { config: { ...config, ...changes }, state })
  const underWay: Promise<void>[] = []
  const send = async (chunk: Uint8Array): Promise<void> => {
    const { bytes } = await requests.ask(subject, chunk, chunkMsMax)
    if (bytes.length === 0) return
    const { error } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { error?: ApiError }
    if (error !== undefined) throw new JetStreamRefused(`restore of ${config.name}`, error)
  }
  let first = true
  for await (const chunk of chunks) {
    // The server that restores may not be known to ours yet as the one that listens: alone, so that none
    // overtakes it.
    if (first) {
      first = false
      await onceHeard(() => send(chunk))
      continue
    }
    const sent = send(chunk)
    // Awaited in turn below; until then a failure is nobody's.
    sent.catch(() => undefined)
    underWay.push(sent)
    if (underWay.length >= chunksUnderWayMax) await underWay.shift()
  }
  await Promise.all(underWay)
  await send(none)
}

const onceHeard = async (send: () => Promise<void>): Promise<void> => {
  const deadline = performance.now() + heardMsMax
  for (;;) {
    try {
      return await send()
    } catch (error) {
      const unheard = error instanceof RequestFailed && error.code === 'no_responders'
      if (!unheard || performance.now() > deadline) throw error
      await pause(heardPollMs)
    }
  }
}
