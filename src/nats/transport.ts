/**
 * Bytes between hosts (ports/transport.ts) over core NATS: `act.v1.<cluster>.<to>.<from>` is one host's inbox
 * by sender, `top.v1.<cluster>.<topic>.<from>` an announcement. Nothing is kept or sent twice: a loss is
 * counted, not repaired.
 *
 * The client queues without bound when the server is slow and drops silently when it is away. So what it has
 * not yet handed over is bounded here: bytes count as handed over when the server answers a ping sent after
 * them.
 */
import { createInbox, type Msg } from 'nats'
import type { Transport } from '../ports/transport.ts'
import { guarded, type Connection } from './connection.ts'
import { fromToken, toToken } from './names.ts'
import { isNoResponders } from './requests.ts'

export type TransportOptions = {
  /** Name of the cluster: two on one bus do not hear each other. */
  readonly cluster: string
  /** Bytes that may be on their way to the server. */
  readonly backlogBytesMax?: number
}

/** What went and what was lost, since the start. */
export type TransportCounts = {
  sent: number
  sentBytes: number
  received: number
  /** Batches nobody listened for. */
  unreachable: number
  /** Not sent: there was no connection. */
  droppedDown: number
  /** Not sent: too much was on its way already. */
  droppedBacklog: number
  /** Sent, but not known to have reached the server when the connection broke. */
  uncertain: number
}
export type NatsTransport = Transport & {
  readonly counts: () => Readonly<TransportCounts>
  /** Called at most once a second while batches are lost on this side. */
  readonly onLoss: (lost: (counts: Readonly<TransportCounts>) => void) => void
}

const backlogBytesMaxDefault = 32 * 1024 * 1024
/** A batch in bytes: under every server's default of 1 MiB for a whole message. */
const batchBytesMax = 1_000_000
/** A ping is worth its cost when this much may be unread. */
const pingBytes = 256 * 1024
/** A batch whose receiver is unknown comes back within one round trip; what is older was delivered. */
const awaitedMs = 2_000
const awaitedMax = 65_536
const lossMs = 1_000

/** The transport of this connection's host. */
export const openTransport = (connection: Connection, options: TransportOptions): NatsTransport => {
  const { client } = connection
  const cluster = toToken(options.cluster)
  const self = toToken(connection.host)
  const counts: TransportCounts = {
    sent: 0,
    sentBytes: 0,
    received: 0,
    unreachable: 0,
    droppedDown: 0,
    droppedBacklog: 0,
    uncertain: 0,
  }
  const losses = openLosses(counts)
  const backlog = openBacklog(connection, counts, options.backlogBytesMax ?? backlogBytesMaxDefault)
  const awaited = openAwaited(connection, counts)
  const inboxes = cached((host) => `act.v1.${cluster}.${toToken(host)}.${self}`)
  const topics = cached((topic) => `top.v1.${cluster}.${toToken(topic)}.${self}`)
  const senders = cached((subject) => fromToken(subject.slice(subject.lastIndexOf('.') + 1)))
  /** Batches of one sender mostly come in a row. */
  let lastSubject = ''
  let lastSender = ''
  const senderOf = (subject: string): string => {
    if (subject === lastSubject) return lastSender
    lastSubject = subject
    lastSender = senders(subject)
    return lastSender
  }

  /** @returns false when it was dropped */
  const publish = (subject: string, bytes: Uint8Array, reply: string | undefined): boolean => {
    if (!connection.connected()) counts.droppedDown += 1
    else if (!backlog.take(bytes.length)) counts.droppedBacklog += 1
    else {
      client.publish(subject, bytes, reply === undefined ? undefined : { reply })
      counts.sent += 1
      counts.sentBytes += bytes.length
      return true
    }
    losses.note()
    return false
  }
  const subscribe = (subject: string, onMessage: (message: Msg) => void) =>
    client.subscribe(subject, {
      callback(error, message) {
        if (error !== null) return
        counts.received += 1
        guarded(() => onMessage(message))
      },
    })

  return {
    batchBytesMax: Math.min(batchBytesMax, connection.payloadBytesMax),
    send(host, batch, unreachable) {
      const reply = unreachable === undefined ? undefined : awaited.add(unreachable)
      if (!publish(inboxes(host), batch, reply) && reply !== undefined) awaited.fail(reply)
    },
    listen(host, onBatch) {
      subscribe(`act.v1.${cluster}.${toToken(host)}.*`, (message) =>
        onBatch(message.data, senderOf(message.subject)),
      )
    },
    publish(topic, body) {
      publish(topics(topic), body, undefined)
    },
    subscribe(topic, onBody) {
      const subscription = subscribe(`top.v1.${cluster}.${toToken(topic)}.*`, (message) =>
        onBody(message.data, senderOf(message.subject)),
      )
      return { close: () => (client.isClosed() ? undefined : subscription.unsubscribe()) }
    },
    connected: connection.connected,
    onConnection(changed) {
      connection.onEvent((event) => {
        if (event === 'up' || event === 'down') changed(event === 'up')
      })
    },
    close: () => connection.close(),
    counts: () => counts,
    onLoss: (lost) => losses.onLoss(lost),
  }
}

/** Bytes given to the client and not yet known to be with the server. */
const openBacklog = (connection: Connection, counts: TransportCounts, bytesMax: number) => {
  let bytes = 0
  let batches = 0
  let life = 0
  let pinging = false
  connection.onEvent((event) => {
    if (event !== 'down') return
    counts.uncertain += batches
    bytes = 0
    batches = 0
    life += 1
    pinging = false
  })
  const ping = async (): Promise<void> => {
    pinging = true
    const [bytesThen, batchesThen, lifeThen] = [bytes, batches, life]
    // A ping that breaks off means a broken connection, whose event settles the account.
    const answered = await connection.client.flush().then(
      () => true,
      () => false,
    )
    if (!answered || life !== lifeThen) return
    bytes -= bytesThen
    batches -= batchesThen
    pinging = false
    if (bytes >= pingBytes) await ping()
  }
  return {
    take(size: number): boolean {
      if (bytes + size > bytesMax) return false
      bytes += size
      batches += 1
      if (bytes >= pingBytes && !pinging) queueMicrotask(() => void ping())
      return true
    },
  }
}

/**
 * Batches whose sender wants to know that nobody was there. A ring: this is on the way of every batch. What
 * the server has not refused within a tick or two of the timer was delivered, and is forgotten.
 */
const openAwaited = (connection: Connection, counts: TransportCounts) => {
  const root = `${createInbox(connection.inbox)}.`
  const ring: (Awaited | undefined)[] = []
  let count = 0
  let forgotten = 0
  let seen = 0
  let timer: NodeJS.Timeout | undefined
  const take = (reply: string): Awaited | undefined => {
    const number = Number(reply.slice(root.length))
    const found = ring[number % awaitedMax]
    if (found?.number !== number) return undefined
    ring[number % awaitedMax] = undefined
    return found
  }
  const forget = (): void => {
    for (; forgotten < seen; forgotten += 1) {
      const at = forgotten % awaitedMax
      if ((ring[at]?.number ?? 0) <= forgotten) ring[at] = undefined
    }
    timer = forgotten === count ? undefined : setTimeout(forget, awaitedMs).unref()
    seen = count
  }
  connection.client.subscribe(`${root}*`, {
    callback(error, message) {
      if (error !== null || !isNoResponders(message)) return
      const found = take(message.subject)
      if (found === undefined) return
      counts.unreachable += 1
      guarded(found.unreachable)
    },
  })
  return {
    /** @returns the reply subject */
    add(unreachable: () => void): string {
      const number = count
      count += 1
      ring[number % awaitedMax] = { number, unreachable }
      timer ??= setTimeout(forget, awaitedMs).unref()
      return root + String(number)
    },
    /** It never left: nobody received it. Told later, as the server's answer would be. */
    fail(reply: string): void {
      const found = take(reply)
      if (found !== undefined) queueMicrotask(found.unreachable)
    },
  }
}

type Awaited = { readonly number: number; readonly unreachable: () => void }

const openLosses = (counts: TransportCounts) => {
  let listener: ((counts: Readonly<TransportCounts>) => void) | undefined
  let timer: NodeJS.Timeout | undefined
  return {
    note(): void {
      if (timer !== undefined || listener === undefined) return
      timer = setTimeout(() => {
        timer = undefined
        listener?.(counts)
      }, lossMs)
      timer.unref()
    },
    onLoss(lost: (counts: Readonly<TransportCounts>) => void): void {
      listener = lost
    },
  }
}

const cachedMax = 4_096
/** Remembers texts that are asked for again and again: few hosts, few topics. */
const cached = (make: (text: string) => string): ((text: string) => string) => {
  const known = new Map<string, string>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const made = make(text)
    if (known.size >= cachedMax) known.clear()
    known.set(text, made)
    return made
  }
}
