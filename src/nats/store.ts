/**
 * The record (ports/store.ts) on JetStream: one bucket, one message a key, compare-and-set by the server.
 *
 * Reads go through the stream's leader (a replica may be behind what was acknowledged); `peek` alone asks
 * whichever copy answers. A removed key leaves a marker, which carries the revision that makes a late writer
 * lose, and goes after an hour. The layout is NATS' own key-value layout, so its tools can read it.
 */
import assert from 'node:assert/strict'
import { StoreUnavailable, type Entry, type Store } from '../ports/store.ts'
import type { Connection } from './connection.ts'
import { ensureStream } from './ensure.ts'
import { inPortWords, isConflict } from './failures.ts'
import { jetStream, JetStreamRefused, onlyAfter, type JetStream, type StoredMessage } from './jetstream.ts'
import { filterOf, keyOf, subjectOf } from './keys.ts'
import { nearest } from './nearest.ts'
import { pull } from './pull.ts'
import { RequestFailed, type Headers } from './requests.ts'

export type StoreOptions = {
  /** Letters, digits, `-` and `_`. */
  readonly bucket: string
  /** Servers that hold it: 1, or 3 when there are three. */
  readonly replicas: number
  /** False: it is there, and this host may not change what it is like; it is not asked at all. */
  readonly ensure?: boolean
  /** Largest value in bytes. */
  readonly valueBytesMax?: number
  /** How long one read or write may take. */
  readonly timeoutMs?: number
}

const valueBytesMaxDefault = 1024 * 1024
const timeoutMsDefault = 5_000
const peekMsMax = 300
const markerHeaders: Headers = { 'KV-Operation': 'DEL', 'Nats-TTL': '1h' }
const nothing = new Uint8Array(0)

/** Opens the bucket; makes it when there is none. @throws StoreUnavailable */
export const openStore = async (connection: Connection, options: StoreOptions): Promise<Store> => {
  const { bucket, replicas, valueBytesMax = valueBytesMaxDefault, timeoutMs = timeoutMsDefault } = options
  const js = jetStream(connection, timeoutMs)
  const stream = `KV_${bucket}`
  const root = `$KV.${bucket}`
  if (options.ensure !== false)
    await inPortWords('open', ensureStream(js, streamConfig(stream, root, replicas, valueBytesMax)))
  const write = async (key: string, value: Uint8Array, expected: number): Promise<number> => {
    assert(value.length <= valueBytesMax, `${key}: ${value.length} bytes are more than ${valueBytesMax}`)
    return js.append(subjectOf(root, key), value, onlyAfter(expected))
  }
  return {
    async get(key) {
      const found = await inPortWords(key, js.last(stream, subjectOf(root, key)))
      return found === undefined || isMarker(found) ? undefined : entryOf(root, found)
    },
    async peek(key) {
      const found = await inPortWords(key, peek(js, stream, subjectOf(root, key)))
      return found === undefined || isMarker(found) ? undefined : entryOf(root, found)
    },
    async create(key, value) {
      const subject = subjectOf(root, key)
      return inPortWords(
        key,
        createOver(js, stream, subject, (expected) => write(key, value, expected)),
      )
    },
    update: (key, value, revision) => inPortWords(key, write(key, value, revision)),
    async remove(key, revision) {
      const expected = revision === undefined ? {} : onlyAfter(revision)
      await inPortWords(key, js.append(subjectOf(root, key), nothing, { ...markerHeaders, ...expected }))
    },
    list: (prefix) => inPortWords(prefix, listAll(js, stream, root, prefix)),
  }
}

/** A copy that is behind lacks what is new: the leader knows, if it answers. */
const peek = async (js: JetStream, stream: string, subject: string) => {
  const found = await nearest(js, stream, { last_by_subj: subject }, peekMsMax)
  if (found === 'silent') return js.last(stream, subject)
  if (found !== 'none') return found
  return js.last(stream, subject, peekMsMax).catch((error: unknown) => {
    if (error instanceof RequestFailed || error instanceof JetStreamRefused) return undefined
    throw error
  })
}

const streamConfig = (name: string, root: string, replicas: number, valueBytesMax: number) => ({
  name,
  subjects: [`${root}.>`],
  retention: 'limits',
  storage: 'file',
  num_replicas: replicas,
  max_msgs_per_subject: 1,
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
  // Room for the headers that a write carries.
  max_msg_size: valueBytesMax + 1024,
  max_consumers: -1,
  discard: 'new',
  allow_rollup_hdrs: true,
  allow_direct: true,
  allow_msg_ttl: true,
  deny_delete: true,
  duplicate_window: 0,
})

/** Writes where nothing stands; a marker of a removed key counts as nothing. */
const createOver = async (
  js: JetStream,
  stream: string,
  subject: string,
  write: (expected: number) => Promise<number>,
): Promise<number> => {
  try {
    return await write(0)
  } catch (error) {
    if (!isConflict(error)) throw error
    // Nothing was written, so a failure of this read leaves nothing open either.
    const found = await js.last(stream, subject).catch((cause: unknown) => {
      throw new StoreUnavailable(`${subject}: cannot be read`, 'no', { cause })
    })
    if (found === undefined) return write(0)
    if (!isMarker(found)) throw error
    return write(found.sequence)
  }
}

const listAll = async (
  js: JetStream,
  stream: string,
  root: string,
  prefix: string,
): Promise<readonly Entry[]> => {
  // A key that changes while we read comes again, later: the last one counts.
  const entries = new Map<string, Entry>()
  for await (const message of pull(js, { stream, filter: filterOf(root, prefix) })) {
    const entry = entryOf(root, message)
    if (!entry.key.startsWith(prefix)) continue
    if (isMarker(message)) entries.delete(entry.key)
    else entries.set(entry.key, entry)
  }
  return [...entries.values()]
}

const entryOf = (root: string, message: StoredMessage): Entry => ({
  key: keyOf(root, message.subject),
  value: message.bytes,
  revision: message.sequence,
})

export const isMarker = (message: StoredMessage): boolean => message.header('KV-Operation') !== undefined
