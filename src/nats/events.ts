/**
 * Events: a stream of what happened, under the very subjects that are published, so that whoever listens now
 * hears them too (`nats sub 'manifold.v1.events.>'`), and reads back what was missed.
 */
import { headers } from 'nats'
import type { EventLog, StoredEvent } from '../ports/events.ts'
import type { Connection } from './connection.ts'
import { ensureStream } from './ensure.ts'
import { inPortWords } from './failures.ts'
import { jetStream, type StoredMessage } from './jetstream.ts'
import { eventRoot } from './permissions.ts'
import { pull } from './pull.ts'

export type EventLogOptions = {
  readonly replicas: number
  /** False: it is there, and this host may not change what it is like; it is not asked at all. */
  readonly ensure?: boolean
  /** Of each subject; the oldest goes first. */
  readonly maxMessagesPerSubject: number
  readonly maxAgeMs: number
  /** Bytes in all; the oldest of any goes first. */
  readonly maxBytes: number
}

const stream = 'events'
const root = eventRoot
const idHeader = 'Nats-Msg-Id'
const sequenceHeader = 'Nats-Sequence'
/** An id is known for so long. */
const duplicateMs = 600_000

/** Opens it; makes it, or brings it to these bounds. @throws StoreUnavailable */
export const openEventLog = async (connection: Connection, options: EventLogOptions): Promise<EventLog> => {
  const js = jetStream(connection)
  const config = {
    name: stream,
    subjects: [`${root}.>`],
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    num_replicas: options.replicas,
    max_msgs_per_subject: options.maxMessagesPerSubject,
    max_age: options.maxAgeMs * 1e6,
    max_bytes: options.maxBytes,
    duplicate_window: duplicateMs * 1e6,
    allow_direct: false,
  }
  if (options.ensure !== false) await inPortWords(stream, ensureStream(js, config))
  const read: EventLog['read'] = async (filter, from, max) => {
    const subjects = `${root}.${filter}`
    const first = 'atMs' in from ? await js.since(stream, subjects, from.atMs) : undefined
    if ('atMs' in from && first === undefined) return []
    const fromSequence = 'atMs' in from ? first!.sequence : from.sequence
    const found: StoredEvent[] = []
    for await (const message of pull(js, { stream, filter: subjects, fromSequence })) {
      found.push(asEvent(message))
      if (found.length >= max) break
    }
    return found
  }
  return {
    append: (subject, id, bytes) =>
      inPortWords(subject, js.append(`${root}.${subject}`, bytes, { [idHeader]: id })),
    last: async (filter) => {
      const found = await inPortWords(filter, js.last(stream, `${root}.${filter}`))
      return found && asEvent(found)
    },
    read: (filter, from, max) => inPortWords(filter, read(filter, from, max)),
  }
}

/** An event once more, to whoever listens there now. Nothing is kept of it; nothing while the bus is away. */
export const sayEvent = (
  connection: Connection,
  subject: string,
  { id, sequence, bytes }: Omit<StoredEvent, 'subject'>,
): void => {
  if (!connection.connected()) return
  const all = headers()
  all.set(idHeader, id)
  all.set(sequenceHeader, String(sequence))
  connection.client.publish(subject, bytes, { headers: all })
}

const asEvent = ({ sequence, subject, bytes, header }: StoredMessage): StoredEvent => ({
  sequence,
  subject: subject.slice(root.length + 1),
  id: header(idHeader) ?? '',
  bytes,
})
