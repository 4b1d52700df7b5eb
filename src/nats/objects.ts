/**
 * Large objects (ports/store.ts) on JetStream, in NATS' own object store layout: chunks under one subject of
 * their own, then one meta message under the name. What was not finished has no meta message, so nobody sees
 * it.
 *
 * Memory is bounded both ways: a few chunks on their way to the server when putting, one chunk at a time
 * when getting. The sum is checked while the bytes pass, and what is missing or changed fails at the end of
 * the stream.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { nuid } from 'nats'
import {
  ObjectCorrupt,
  StoreUnavailable,
  type ObjectEntry,
  type ObjectName,
  type Objects,
} from '../ports/store.ts'
import type { Connection } from './connection.ts'
import { ensureStream } from './ensure.ts'
import { inPortWords, isConflict, portError } from './failures.ts'
import { jetStream, mayPass, onlyAfter, type JetStream, type StoredMessage } from './jetstream.ts'
import { nearest } from './nearest.ts'
import { pull } from './pull.ts'

export type ObjectsOptions = {
  /** Letters, digits, `-` and `_`. */
  readonly bucket: string
  readonly replicas: number
  /** False: it is there, and this host may not change what it is like; it is not asked at all. */
  readonly ensure?: boolean
}
export type NatsObjects = Objects & {
  /**
   * Removes the chunks of puts that were never finished and whose last chunk is older than `beforeMs` (wall
   * clock).
   * @returns how many
   */
  readonly sweep: (beforeMs: number) => Promise<number>
}

type Meta = {
  readonly name: string
  readonly bucket: string
  readonly nuid: string
  readonly size: number
  readonly chunks: number
  readonly digest: string
  readonly mtime: string
  readonly deleted?: boolean
  readonly options: { readonly max_chunk_size: number }
}
type Place = {
  readonly js: JetStream
  readonly bucket: string
  readonly stream: string
  readonly root: string
}

/** Half the message size every server takes by default. */
const chunkBytes = 512 * 1024
const chunksUnderWayMax = 4
const nameLengthMax = 512
const triesMax = 8
const timeoutMs = 10_000
/** A reader's patience with a leader that may be gone. */
const leaderMsMax = 300
const chunkMsMax = 2_000
const retryMs = 200
/** How long it is known that one was removed. */
const deletedTtl = '1h'
/** Kept in the message's own time stamp, as NATS' tools do. */
const noTime = '0001-01-01T00:00:00Z'

/** Opens the bucket; makes it when there is none. @throws StoreUnavailable */
export const openObjects = async (connection: Connection, options: ObjectsOptions): Promise<NatsObjects> => {
  const { bucket, replicas, ensure = true } = options
  const root = `$O.${bucket}`
  const place: Place = { js: jetStream(connection, timeoutMs), bucket, stream: `OBJ_${bucket}`, root }
  const config = {
    name: place.stream,
    subjects: [`${root}.C.>`, `${root}.M.>`],
    retention: 'limits',
    storage: 'file',
    num_replicas: replicas,
    discard: 'new',
    allow_rollup_hdrs: true,
    allow_direct: true,
    allow_msg_ttl: true,
  }
  if (ensure) await inPortWords('open', ensureStream(place.js, config))
  return {
    put: (name, source) => inPortWords(nameOf(name, ''), put(place, name, source)),
    async get(name) {
      const meta = await inPortWords(name, nearMetaOf(place, name))
      return meta === undefined || meta.deleted === true ? undefined : read(place, meta)
    },
    remove: (name) => inPortWords(name, remove(place, name)),
    list: (prefix) => inPortWords(prefix, list(place, prefix)),
    entries: (prefix) => entries(place, prefix),
    removeOne: (entry) => inPortWords(entry.name, removeOne(place, entry)),
    sweep: (beforeMs) => inPortWords('sweep', sweep(place, beforeMs)),
  }
}

const nameOf = (name: ObjectName, sha256: string): string => (typeof name === 'string' ? name : name(sha256))

const put = async (place: Place, name: ObjectName, source: AsyncIterable<Uint8Array>) => {
  metaSubject(place, nameOf(name, ''))
  const id = nuid.next()
  const subject = `${place.root}.C.${id}`
  const hash = createHash('sha256')
  const underWay = new Set<Promise<unknown>>()
  let size = 0
  let chunks = 0
  let failure: { readonly error: unknown } | undefined
  try {
    for await (const chunk of rechunk(source)) {
      hash.update(chunk)
      size += chunk.length
      chunks += 1
      const write: Promise<unknown> = place.js.append(subject, chunk).then(
        () => underWay.delete(write),
        (error: unknown) => {
          failure ??= { error }
          underWay.delete(write)
        },
      )
      underWay.add(write)
      if (underWay.size >= chunksUnderWayMax) await Promise.race(underWay)
      if (failure !== undefined) break
    }
    await Promise.all(underWay)
    if (failure !== undefined) throw failure.error
    const sum = hash.digest()
    const digest = `SHA-256=${padded(sum)}`
    const options = { max_chunk_size: chunkBytes }
    const sha256 = sum.toString('hex')
    await writeMeta(place, {
      name: nameOf(name, sha256),
      bucket: place.bucket,
      nuid: id,
      size,
      chunks,
      digest,
      mtime: noTime,
      options,
    })
    return { sha256, bytes: size }
  } catch (error) {
    await Promise.all(underWay)
    // Unless the meta message may have been written, the chunks are nobody's.
    const failed = portError(nameOf(name, ''), error)
    if (!(failed instanceof StoreUnavailable) || failed.applied === 'no') await discard(place, id)
    throw failed
  }
}

const metaHeaders = (sequence: number, ttl?: string): Record<string, string> => ({
  'Nats-Rollup': 'sub',
  ...onlyAfter(sequence),
  ...(ttl === undefined ? {} : { 'Nats-TTL': ttl }),
})

/** Compare-and-set on the name, so that whoever replaces an object knows which chunks became nobody's. */
const writeMeta = async (place: Place, meta: Meta, ttl?: string): Promise<void> => {
  for (let tries = 1; ; tries += 1) {
    const before = await metaOf(place, meta.name)
    try {
      const headers = metaHeaders(before?.sequence ?? 0, ttl)
      await place.js.append(metaSubject(place, meta.name), Buffer.from(JSON.stringify(meta)), headers)
    } catch (error) {
      if (isConflict(error) && tries < triesMax) continue
      throw error
    }
    if (before !== undefined && before.meta.nuid !== meta.nuid) await discard(place, before.meta.nuid)
    return
  }
}

async function* read(place: Place, meta: Meta): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let size = 0
  const filter = `${place.root}.C.${meta.nuid}`
  let next = 1
  for (let chunks = 0; chunks < meta.chunks; chunks += 1) {
    const message = await inPortWords(meta.name, chunkOf(place, filter, next))
    if (message === undefined) break
    hash.update(message.bytes)
    size += message.bytes.length
    yield message.bytes
    next = message.sequence + 1
  }
  if (size !== meta.size) throw new ObjectCorrupt(`${meta.name}: ${size} of ${meta.size} bytes are there`)
  const digest = `SHA-256=${padded(hash.digest())}`
  if (unpadded(digest) !== unpadded(meta.digest))
    throw new ObjectCorrupt(`${meta.name}: its bytes have changed`)
}

/** What was written never changes, so any copy will do; one that is behind sends us to the leader. */
const chunkOf = async (place: Place, filter: string, fromSequence: number) => {
  const which = { next_by_subj: filter, seq: fromSequence }
  for (let tries = 1; ; tries += 1) {
    try {
      const found = await nearest(place.js, place.stream, which, chunkMsMax)
      if (found !== 'none' && found !== 'silent') return found
      return await place.js.next(place.stream, filter, fromSequence)
    } catch (error) {
      if (!mayPass(error) || tries >= triesMax) throw error
      await pause(retryMs * tries)
    }
  }
}

const remove = async (place: Place, name: string): Promise<void> => {
  const found = await metaOf(place, name)
  if (found === undefined || found.meta.deleted === true) return
  await writeMeta(place, gone(found.meta), deletedTtl)
}

const removeOne = async (place: Place, { name, revision }: ObjectEntry): Promise<boolean> => {
  const found = await metaOf(place, name)
  if (found === undefined || found.sequence !== revision || found.meta.deleted === true) return false
  try {
    await place.js.append(
      metaSubject(place, name),
      Buffer.from(JSON.stringify(gone(found.meta))),
      metaHeaders(revision, deletedTtl),
    )
  } catch (error) {
    if (isConflict(error)) return false
    throw error
  }
  await discard(place, found.meta.nuid)
  return true
}

const gone = (meta: Meta): Meta => ({
  ...meta,
  nuid: nuid.next(),
  size: 0,
  chunks: 0,
  digest: '',
  deleted: true,
})

const list = async (place: Place, prefix: string): Promise<readonly string[]> => {
  const names = new Set<string>()
  for await (const { bytes } of metas(place)) {
    const { name, deleted } = parse(bytes)
    if (deleted === true) names.delete(name)
    else if (name.startsWith(prefix)) names.add(name)
  }
  return [...names]
}

async function* entries(place: Place, prefix: string): AsyncGenerator<ObjectEntry, void, undefined> {
  const all = metas(place)
  try {
    for (;;) {
      const next = await inPortWords(prefix, all.next())
      if (next.done === true) return
      const { bytes, sequence: revision, timeMs: putAtMs } = next.value
      const { name, deleted } = parse(bytes)
      if (deleted !== true && name.startsWith(prefix)) yield { name, putAtMs, revision }
    }
  } finally {
    await all.return()
  }
}

const metas = (place: Place): AsyncGenerator<StoredMessage, void, undefined> =>
  pull(place.js, { stream: place.stream, filter: `${place.root}.M.>` })

const sweep = async (place: Place, beforeMs: number): Promise<number> => {
  const filter = `${place.root}.C.>`
  // Chunks first: an object that is finished between the two answers has its meta message in the second.
  const { state } = await place.js.call<{ state: { subjects?: Record<string, number> } }>(
    `STREAM.INFO.${place.stream}`,
    { subjects_filter: filter },
  )
  const last = new Map<string, string>()
  for await (const { subject, bytes } of metas(place)) last.set(subject, parse(bytes).nuid)
  const known = new Set(last.values())
  let swept = 0
  for (const subject of Object.keys(state.subjects ?? {})) {
    const id = subject.slice(filter.length - 1)
    if (known.has(id)) continue
    const chunk = await place.js.last(place.stream, subject)
    if (chunk === undefined || chunk.timeMs >= beforeMs) continue
    await purge(place, id)
    swept += 1
  }
  return swept
}

/** For readers: from a copy when the leader does not answer soon. */
const nearMetaOf = async (place: Place, name: string): Promise<Meta | undefined> => {
  const subject = metaSubject(place, name)
  try {
    const found = await place.js.last(place.stream, subject, leaderMsMax)
    return found && parse(found.bytes)
  } catch (error) {
    if (!mayPass(error)) throw error
    const found = await nearest(place.js, place.stream, { last_by_subj: subject }, leaderMsMax)
    if (found === 'none' || found === 'silent') throw error
    return parse(found.bytes)
  }
}

const metaOf = async (place: Place, name: string): Promise<{ meta: Meta; sequence: number } | undefined> => {
  const found = await place.js.last(place.stream, metaSubject(place, name))
  return found === undefined ? undefined : { meta: parse(found.bytes), sequence: found.sequence }
}

const purge = (place: Place, id: string): Promise<unknown> =>
  place.js.call(`STREAM.PURGE.${place.stream}`, { filter: `${place.root}.C.${id}` })

/** Chunks that no meta message names. What cannot be removed now, `sweep` finds: what was written stays. */
const discard = (place: Place, id: string): Promise<unknown> => purge(place, id).catch(() => undefined)

const parse = (bytes: Uint8Array): Meta => JSON.parse(Buffer.from(bytes).toString('utf8')) as Meta

const metaSubject = (place: Place, name: string): string => {
  assert(name.length > 0 && name.length <= nameLengthMax, `a name has 1 to ${nameLengthMax} characters`)
  return `${place.root}.M.${padded(Buffer.from(name))}`
}

/** Base64 for names in URLs, with the padding that NATS' tools expect. */
const padded = (bytes: Buffer): string => {
  const text = bytes.toString('base64url')
  return text + '='.repeat((4 - (text.length % 4)) % 4)
}
const unpadded = (text: string): string => text.replace(/=+$/, '')

/** A copy, made once: the source may use its buffer again while a chunk is on its way. */
async function* rechunk(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let chunk = Buffer.allocUnsafeSlow(chunkBytes)
  let held = 0
  for await (const piece of source)
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + chunkBytes - held)
      chunk.set(part, held)
      at += part.length
      held += part.length
      if (held < chunkBytes) continue
      yield chunk
      chunk = Buffer.allocUnsafeSlow(chunkBytes)
      held = 0
    }
  if (held > 0) yield chunk.subarray(0, held)
}
