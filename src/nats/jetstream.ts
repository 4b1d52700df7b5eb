/**
 * JetStream's request API, as far as the record, objects and histories need it, with failures told exactly.
 *
 * The client library's own calls retry and wait in ways that blur whether a write was applied; these are
 * single requests. Error codes are the server's (nats-server, server/errors.json).
 */
import type { Connection } from './connection.ts'
import { RequestFailed, requestsOf, type Headers } from './requests.ts'

/** The server answered no. */
export class JetStreamRefused extends Error {
  override readonly name = 'JetStreamRefused'
  readonly code = 'jetstream_refused'
  /** HTTP-like. */
  readonly status: number
  readonly serverCode: number
  constructor(what: string, error: ApiError) {
    super(`${what}: ${error.description ?? 'refused'} (${error.err_code ?? error.code})`)
    this.status = error.code
    this.serverCode = error.err_code ?? 0
  }
}
export type ApiError = { readonly code: number; readonly err_code?: number; readonly description?: string }

/** The server's refusals that mean something here. */
export const refusal = {
  /** Too few servers for the copies, or one of them is not heard of at the moment. */
  noPeers: 10_005,
  noMessage: 10_037,
  noStream: 10_059,
  streamNameInUse: 10_058,
  wrongLastSequence: 10_071,
  membersChange: 10_202,
  /** The same, from a leader that has a write to this subject under way. */
  wrongLastSequenceBusy: 10_164,
} as const

/**
 * Nothing was written: no room, no leader here, or JetStream is off. Any other refusal of a write leaves it
 * open.
 */
const unwritten = new Set([10_002, 10_008, 10_009, 10_023, 10_035, 10_039, 10_054, 10_076])

/** A write that is refused unless this sequence is the last under its subject; 0: unless there is none. */
export const onlyAfter = (sequence: number): Headers => ({
  'Nats-Expected-Last-Subject-Sequence': String(sequence),
})

/** Whether a failed call certainly changed nothing. */
export const isUndone = (error: unknown): boolean =>
  error instanceof RequestFailed
    ? error.undone
    : error instanceof JetStreamRefused && unwritten.has(error.serverCode)

/** A missing stream will not come back by waiting; a leader will, or a connection. */
export const mayPass = (error: unknown): boolean =>
  error instanceof RequestFailed || (error instanceof JetStreamRefused && error.status >= 500)

export type StreamConfig = Readonly<Record<string, unknown>> & { readonly name: string }
/** As the server tells it. */
export type StreamState = {
  readonly messages: number
  readonly first_seq: number
  readonly last_seq: number
}
export type StoredMessage = {
  readonly subject: string
  readonly sequence: number
  /** When the server stored it: its wall clock. */
  readonly timeMs: number
  readonly bytes: Uint8Array
  readonly header: (name: string) => string | undefined
}
export type JetStream = {
  readonly connection: Connection
  /** One call of the API; `body` and the answer are JSON. @throws RequestFailed, JetStreamRefused */
  readonly call: <T>(verb: string, body: unknown, withinMs?: number) => Promise<T>
  /** Writes one message. @returns its sequence, once it is on disk */
  readonly append: (subject: string, bytes: Uint8Array, headers?: Headers) => Promise<number>
  /** The same unless the stream remembers a message by that id: nothing is written then. */
  readonly appendOnce: (
    subject: string,
    bytes: Uint8Array,
    id: string,
  ) => Promise<{ readonly sequence: number; readonly isWritten: boolean }>
  /** The last message under a subject, read through the stream's leader. */
  readonly last: (stream: string, subject: string, withinMs?: number) => Promise<StoredMessage | undefined>
  /**
   * The last message under a subject, or the first under a filter from a sequence on, as any server has it
   * that holds the stream (`allow_direct`): it may be behind, but needs no leader. Undefined: it has none.
   */
  readonly direct: (
    stream: string,
    which: DirectWhich,
    withinMs: number,
  ) => Promise<StoredMessage | undefined>
  /** The first message under a filter from a sequence on, read through the stream's leader. */
  readonly next: (stream: string, filter: string, fromSequence: number) => Promise<StoredMessage | undefined>
  /** The first message under a filter that was stored at that time or later, read through the leader. */
  readonly since: (stream: string, filter: string, atMs: number) => Promise<StoredMessage | undefined>
}

export type DirectWhich =
  | { readonly last_by_subj: string }
  | { readonly next_by_subj: string; readonly seq: number }

const timeoutMsDefault = 5_000
const statusNotFound = 404
const none = new Uint8Array(0)

export const jetStream = (connection: Connection, timeoutMs = timeoutMsDefault): JetStream => {
  const requests = requestsOf(connection)
  const call = async <T>(verb: string, body: unknown, withinMs = timeoutMs): Promise<T> => {
    const bytes = body === undefined ? none : Buffer.from(JSON.stringify(body))
    const answer = await requests.ask(`$JS.API.${verb}`, bytes, withinMs)
    return parse<T>(verb, answer.bytes)
  }
  const message = async (stream: string, which: object, withinMs = timeoutMs) => {
    try {
      const answer = await call<{ message: RawMessage }>(`STREAM.MSG.GET.${stream}`, which, withinMs)
      return stored(answer.message)
    } catch (error) {
      if (error instanceof JetStreamRefused && error.serverCode === refusal.noMessage) return undefined
      throw error
    }
  }
  return {
    connection,
    call,
    async append(subject, bytes, headers) {
      const answer = await requests.ask(subject, bytes, timeoutMs, headers)
      const { seq } = parse<{ seq: number }>(subject, answer.bytes)
      return seq
    },
    async appendOnce(subject, bytes, id) {
      const answer = await requests.ask(subject, bytes, timeoutMs, { 'Nats-Msg-Id': id })
      const { seq, duplicate } = parse<{ seq: number; duplicate?: boolean }>(subject, answer.bytes)
      return { sequence: seq, isWritten: duplicate !== true }
    },
    last: (stream, subject, withinMs) => message(stream, { last_by_subj: subject }, withinMs),
    async direct(stream, which, withinMs) {
      const verb = `DIRECT.GET.${stream}`
      const answer = await requests.ask(`$JS.API.${verb}`, Buffer.from(JSON.stringify(which)), withinMs)
      if (answer.status === statusNotFound) return undefined
      if (answer.status !== 0) throw new RequestFailed('broken', `${verb}: the server said ${answer.status}`)
      return {
        subject: answer.header('Nats-Subject') ?? '',
        sequence: Number(answer.header('Nats-Sequence')),
        timeMs: Date.parse(answer.header('Nats-Time-Stamp') ?? ''),
        bytes: answer.bytes,
        header: answer.header,
      }
    },
    next: (stream, filter, fromSequence) => message(stream, { next_by_subj: filter, seq: fromSequence }),
    since: (stream, filter, atMs) =>
      message(stream, { next_by_subj: filter, start_time: new Date(atMs).toISOString() }),
  }
}

const parse = <T>(what: string, bytes: Uint8Array): T => {
  let answer: { error?: ApiError }
  try {
    answer = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'),
    ) as typeof answer
  } catch (error) {
    // Somebody answered, but not JetStream: whether anything was done is not known.
    throw new RequestFailed('broken', `${what}: the answer is not JSON`, { cause: error })
  }
  if (answer.error !== undefined) throw new JetStreamRefused(what, answer.error)
  return answer as T
}

type RawMessage = {
  readonly subject: string
  readonly seq: number
  readonly time: string
  readonly hdrs?: string
  readonly data?: string
}

const stored = (raw: RawMessage): StoredMessage => {
  const text = raw.hdrs === undefined ? '' : Buffer.from(raw.hdrs, 'base64').toString('utf8')
  return {
    subject: raw.subject,
    sequence: raw.seq,
    timeMs: Date.parse(raw.time),
    bytes: raw.data === undefined ? none : Buffer.from(raw.data, 'base64'),
    header: (name) => new RegExp(`^${name}: *(.*)$`, 'm').exec(text)?.[1]?.trim(),
  }
}
