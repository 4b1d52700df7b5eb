/**
 * Histories: an append-only stream with a bound on each key, read back in order and followed live.
 *
 * Live followers listen to the server's republished copies on core NATS, which resume with the first write
 * after a leader's death where a consumer may hang for a minute. Each copy carries the sequence before it
 * under its key, so a follower sees a gap at once and fills it from the stream: history, then live, no gap,
 * no duplicate.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { NatsError, type Msg } from 'nats'
import type { Following, Recorded, Stream } from '../ports/stream.ts'
import { guarded, type Connection } from './connection.ts'
import { ensureStream } from './ensure.ts'
import { inPortWords } from './failures.ts'
import { jetStream, JetStreamRefused, onlyAfter, type JetStream } from './jetstream.ts'
import { shardOf } from './keys.ts'
import { toToken } from './names.ts'
import { pull } from './pull.ts'
import { RequestFailed } from './requests.ts'

export type StreamOptions = {
  /** Letters, digits, `-` and `_`; also the first token of its subjects. */
  readonly name: string
  readonly replicas: number
  /** False: it is there, and this host may not change what it is like; it is not asked at all. */
  readonly ensure?: boolean
  /** Messages kept under one key; the oldest goes first. */
  readonly maxMessagesPerKey: number
  /** 0: as long as there is room. */
  readonly maxAgeMs: number
  /** Bytes in all; the oldest of any key goes first. */
  readonly maxBytes: number
}

export type { Recorded, Stream }

/** Live messages held back while history is read. */
const heldMax = 256
const retryMs = 250

/** Opens the stream; makes it, or brings it to these bounds. @throws StoreUnavailable */
export const openStream = async (connection: Connection, options: StreamOptions): Promise<Stream> => {
  const { name } = options
  const js = jetStream(connection)
  const config = {
    name,
    subjects: [`${name}.>`],
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    num_replicas: options.replicas,
    max_msgs_per_subject: options.maxMessagesPerKey,
    max_age: options.maxAgeMs * 1e6,
    max_bytes: options.maxBytes,
    allow_direct: false,
    republish: { src: `${name}.>`, dest: `live.${name}.>` },
  }
  if (options.ensure !== false) await inPortWords(name, ensureStream(js, config))
  const subjectOf = (key: string): string => `${name}.${shardOf(key)}.${toToken(key)}`
  let life = 0
  connection.onEvent((event) => {
    if (event === 'down' || event === 'up') life += 1
  })
  return {
    life: () => life,
    append: (key, bytes, after) =>
      inPortWords(key, js.append(subjectOf(key), bytes, after === undefined ? {} : onlyAfter(after))),
    read: (key, fromSequence, bytesMax) =>
      inPortWords(key, readAll(js, name, subjectOf(key), fromSequence, bytesMax)),
    follow: (key, onMessage, fromSequence) => follow(js, name, subjectOf(key), onMessage, fromSequence),
    async trim(key, belowSequence) {
      await inPortWords(key, js.call(`STREAM.PURGE.${name}`, { filter: subjectOf(key), seq: belowSequence }))
    },
    async remove(key) {
      await inPortWords(key, js.call(`STREAM.PURGE.${name}`, { filter: subjectOf(key) }))
    },
  }
}

const readAll = async (
  js: JetStream,
  stream: string,
  filter: string,
  fromSequence = 1,
  bytesMax = Number.POSITIVE_INFINITY,
) => {
  const messages: Recorded[] = []
  let total = 0
  for await (const { sequence, bytes } of pull(js, { stream, filter, fromSequence })) {
    messages.push({ sequence, bytes })
    total += bytes.length
    if (total >= bytesMax) break
  }
  return messages
}

type Live = Recorded & { readonly before: number }

const follow = (
  js: JetStream,
  stream: string,
  subject: string,
  onMessage: (message: Recorded) => void,
  fromSequence: number | undefined,
): Following => {
  const { client } = js.connection
  /** The last sequence that was given out; undefined until it is known where to begin. */
  let last = fromSequence === undefined ? undefined : fromSequence - 1
  let held: Live[] = []
  let overflowed = false
  let catching = false
  const closing = new AbortController()

  const give = (message: Recorded): void => {
    last = message.sequence
    onMessage({ sequence: message.sequence, bytes: message.bytes })
  }
  /** @returns false when something before it is missing */
  const join = (message: Live): boolean => {
    if (last === undefined || message.before > last) return false
    if (message.sequence > last) give(message)
    return true
  }
  /** @returns whether what came meanwhile joins what was read */
  const joinHeld = (): boolean => {
    const messages = held
    const whole = !overflowed
    held = []
    overflowed = false
    return messages.every(join) && whole
  }
  const readOn = async (): Promise<void> => {
    // The server must have our subscription before the history is read, or what comes between is lost.
    await client.flush()
    if (last === undefined) {
      const stored = (await js.last(stream, subject))?.sequence ?? 0
      // What came live since the subscription is new, even where it is stored already.
      last = Math.min(stored, held[0]?.before ?? stored)
    }
    for await (const message of pull(js, { stream, filter: subject, fromSequence: last + 1 })) {
      if (closing.signal.aborted) return
      give(message)
    }
  }
  const catchUp = async (): Promise<void> => {
    if (catching) return
    catching = true
    while (!closing.signal.aborted) {
      try {
        await readOn()
        if (joinHeld()) break
      } catch (error) {
        if (!isPassing(error)) throw error
        // Tried again until it works or nobody wants it any more; the connection's own events come too.
        await pause(retryMs)
      }
    }
    catching = false
  }
  const subscription = client.subscribe(`live.${subject}`, {
    callback(error, message) {
      if (error !== null || closing.signal.aborted) return
      guarded(() => {
        const live = parse(message)
        if (!catching && join(live)) return
        if (held.length < heldMax) held.push(live)
        else overflowed = true
        void catchUp()
      })
    },
  })
  const events = js.connection.onEvent((event) => {
    if (event === 'up') void catchUp()
    if (event === 'closed') closing.abort()
  })
  void catchUp()
  return {
    close() {
      closing.abort()
      events.close()
      if (!client.isClosed()) subscription.unsubscribe()
    },
  }
}

/** Failures of the bus, which end by themselves; anything else is a bug of whoever is called back. */
const isPassing = (error: unknown): boolean =>
  error instanceof RequestFailed || error instanceof JetStreamRefused || error instanceof NatsError

const parse = (message: Msg): Live => ({
  sequence: Number(message.headers?.get('Nats-Sequence')),
  before: Number(message.headers?.get('Nats-Last-Sequence')),
  bytes: message.data,
})
