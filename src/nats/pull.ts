/**
 * Reading a stream in order with bounded memory: an ephemeral consumer, one bounded batch at a time, asked
 * for when the last has been taken. (The client's own readers push as fast as the server sends: a 500 MB
 * object took 651 MB.)
 *
 * A lost batch, a lost consumer or a broken connection is read again from the last message that was taken, so
 * what the reader sees has no gap and no duplicate.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { createInbox, type Msg } from 'nats'
import { mayPass, type JetStream, type StoredMessage } from './jetstream.ts'
import { RequestFailed } from './requests.ts'

export type PullOptions = {
  readonly stream: string
  /** Subject filter. */
  readonly filter: string
  /** First sequence to read; the first there is when left out. */
  readonly fromSequence?: number
  readonly batchBytesMax?: number
}

const batchMessagesMax = 500
const batchBytesMaxDefault = 8 * 1024 * 1024
const batchMsMax = 5_000
const triesMax = 5
/** Messages asked of the leader one by one before a consumer is worth its cost. */
const asksMax = 4
const retryMs = 200
const idleNs = 30e9

/**
 * Every message under `filter` from `fromSequence` until the stream's leader says that there is none left:
 * all that was acknowledged before the call is seen, in order.
 * @throws RequestFailed, JetStreamRefused when it cannot go on after some tries
 */
export async function* pull(
  js: JetStream,
  options: PullOptions,
): AsyncGenerator<StoredMessage, void, undefined> {
  let next = options.fromSequence ?? 1
  let tries = 0
  // A few messages are quicker asked for one by one; and a consumer may end early, for it may live on a
  // replica that is behind, or look while a message is being replaced.
  let asks = asksMax
  while (true) {
    try {
      if (asks === 0) {
        for await (const message of scan(js, options, next)) {
          yield message
          next = message.sequence + 1
          tries = 0
        }
        asks = asksMax
      }
      for (; asks > 0; asks -= 1) {
        const message = await js.next(options.stream, options.filter, next)
        if (message === undefined) return
        yield message
        next = message.sequence + 1
        tries = 0
      }
    } catch (error) {
      tries += 1
      if (!mayPass(error) || tries >= triesMax) throw error
      await pause(retryMs * tries)
    }
  }
}

/** How many messages stand under `filter`, as the stream's leader has it. */
export const countUnder = async (
  js: JetStream,
  options: Pick<PullOptions, 'stream' | 'filter'>,
): Promise<number> => {
  const reader = await open(js, options, 1)
  reader.close()
  return reader.left
}

async function* scan(
  js: JetStream,
  options: PullOptions,
  fromSequence: number,
): AsyncGenerator<StoredMessage, void, undefined> {
  const reader = await open(js, options, fromSequence)
  try {
    while (reader.left > 0) yield* await reader.batch()
  } finally {
    reader.close()
  }
}

type Reader = {
  left: number
  readonly batch: () => Promise<readonly StoredMessage[]>
  readonly close: () => void
}

const open = async (js: JetStream, options: PullOptions, fromSequence: number): Promise<Reader> => {
  const { client, inbox } = js.connection
  const name = createInbox().slice('_INBOX.'.length)
  const made = await js.call<{ num_pending: number }>(`CONSUMER.CREATE.${options.stream}.${name}`, {
    stream_name: options.stream,
    action: 'create',
    config: {
      name,
      ack_policy: 'none',
      deliver_policy: 'by_start_sequence',
      opt_start_seq: fromSequence,
      filter_subject: options.filter,
      replay_policy: 'instant',
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: idleNs,
    },
  })
  const batches = openBatches(js, options, name, createInbox(inbox))
  let taken = 0
  const reader: Reader = {
    left: made.num_pending,
    async batch() {
      const messages = await batches.next()
      for (const { consumerSequence } of messages) {
        taken += 1
        if (consumerSequence !== taken)
          throw new RequestFailed('broken', `${options.stream}: a message was lost`)
      }
      reader.left = messages.at(-1)?.left ?? 0
      return messages
    },
    close() {
      batches.close()
      // Nobody waits: an idle consumer goes away by itself.
      if (js.connection.connected()) client.publish(`$JS.API.CONSUMER.DELETE.${options.stream}.${name}`)
    },
  }
  return reader
}

type Pulled = StoredMessage & { readonly consumerSequence: number; readonly left: number }

const openBatches = (js: JetStream, options: PullOptions, consumer: string, inbox: string) => {
  const { client } = js.connection
  const request = JSON.stringify({
    batch: batchMessagesMax,
    max_bytes: Math.max(options.batchBytesMax ?? batchBytesMaxDefault, js.connection.payloadBytesMax),
    no_wait: true,
  })
  let got: Pulled[] = []
  let settle: { readonly done: () => void; readonly fail: (error: RequestFailed) => void } | undefined
  const fail = (why: string): void => settle?.fail(new RequestFailed('broken', `${options.stream}: ${why}`))
  const subscription = client.subscribe(inbox, {
    callback(error, message) {
      if (error !== null) return fail(error.message)
      const pulled = parse(message)
      // A status in place of a message ends the batch: it was all there is, or all that fits.
      if (pulled === undefined) return settle?.done()
      got.push(pulled)
      if (got.length === batchMessagesMax || pulled.left === 0) settle?.done()
    },
  })
  const events = js.connection.onEvent((event) => {
    if (event === 'down') fail('the connection broke')
  })
  return {
    async next(): Promise<readonly Pulled[]> {
      if (!js.connection.connected())
        throw new RequestFailed('not_sent', `${options.stream}: there is no connection`)
      got = []
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new RequestFailed('timeout', `${options.stream}: no messages in ${batchMsMax} ms`))
        }, batchMsMax)
        const end = (): void => {
          clearTimeout(timer)
          settle = undefined
        }
        settle = {
          done: () => (end(), resolve()),
          fail: (error) => (end(), reject(error)),
        }
        client.publish(`$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${consumer}`, request, { reply: inbox })
      })
      return got
    },
    close() {
      events.close()
      if (!client.isClosed()) subscription.unsubscribe()
    },
  }
}

/**
 * What the server says in the reply subject:
 * `$JS.ACK.[domain.account.]stream.consumer.tries.seq.seq.time.left[.x]`.
 */
const parse = (message: Msg): Pulled | undefined => {
  const words = message.reply?.split('.') ?? []
  if (words[0] !== '$JS' || words[1] !== 'ACK') return undefined
  const at = words.length > 9 ? 7 : 5
  return {
    subject: message.subject,
    sequence: Number(words[at]),
    consumerSequence: Number(words[at + 1]),
    timeMs: Number(words[at + 2]) / 1e6,
    left: Number(words[at + 3]),
    bytes: message.data,
    header: (name) => message.headers?.get(name) || undefined,
  }
}
