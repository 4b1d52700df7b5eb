/**
 * The last messages under many subjects in one request, from whichever copy of a stream answers: the server
 * sends each, then that it has sent all.
 */
import { createInbox, type Msg } from 'nats'
import type { JetStream, StoredMessage } from './jetstream.ts'
import { isNoResponders, RequestFailed } from './requests.ts'

/** What the server takes in one request. */
export const gatherMax = 1_024
const statusDone = 204
const statusNone = 404

/**
 * @param subjects at most `gatherMax`, without wildcards
 * @returns those there are, in no order
 * @throws RequestFailed
 */
export const gather = async (
  js: JetStream,
  stream: string,
  subjects: readonly string[],
  withinMs: number,
): Promise<readonly StoredMessage[]> => {
  const { connection } = js
  const what = `${stream}: ${subjects.length} subjects`
  if (!connection.connected()) throw new RequestFailed('not_sent', `${what}: there is no connection`)
  const reply = createInbox(connection.inbox)
  const found: StoredMessage[] = []
  const ended = Promise.withResolvers<void>()
  const fail = (code: 'timeout' | 'broken', why: string): void =>
    ended.reject(new RequestFailed(code, `${what}: ${why}`))
  const subscription = connection.client.subscribe(reply, {
    callback(error, message) {
      if (error !== null) return fail('broken', error.message)
      const status = message.headers?.code ?? 0
      if (status === statusDone || status === statusNone) ended.resolve()
      else if (isNoResponders(message)) fail('broken', 'nobody has a copy')
      else if (status !== 0) fail('broken', `the server said ${status}`)
      else found.push(stored(message))
    },
  })
  const events = connection.onEvent((event) => {
    if (event === 'down') fail('broken', 'the connection broke')
  })
  const timer = setTimeout(() => fail('timeout', `no end in ${withinMs} ms`), withinMs)
  try {
    connection.client.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify({ multi_last: subjects }), {
      reply,
    })
    await ended.promise
    return found
  } finally {
    clearTimeout(timer)
    events.close()
    if (!connection.client.isClosed()) subscription.unsubscribe()
  }
}

const stored = (message: Msg): StoredMessage => ({
  subject: message.headers?.get('Nats-Subject') ?? '',
  sequence: Number(message.headers?.get('Nats-Sequence')),
  timeMs: Date.parse(message.headers?.get('Nats-Time-Stamp') ?? ''),
  bytes: message.data,
  header: (name) => message.headers?.get(name) || undefined,
})
