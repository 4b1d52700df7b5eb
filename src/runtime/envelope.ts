/**
 * The wire: one positional tuple a message, batches as arrays of them. Pure.
 *
 *    0 v      1                            6 remainingMs  of an ask, from when it was sent (clocks differ)
 *    1 kind   index in `kinds`             7 traceparent  or empty
 *    2 to     type of actor                8 type         of the message, or empty
 *    3 key                                 9 version      of the protocol; 0: unknown to the sender
 *    4 from   host that asks or watches   10 body         message, answer, failure or [incarnation, reason]
 *    5 id     of the ask or the watch     11 hops         how often it was sent on
 *
 * `tells` is a run of messages of one type to one actor under one trace: its body is the list of them. In a
 * batch, nil as `to`, `key`, `from`, `traceparent` or `type` repeats that of the envelope before it (empty
 * before the first): what one tick says to one host is mostly about few actors and one request.
 *
 * New fields append; readers ignore what they do not know. A published `v` is frozen: test/src/fixtures holds
 * one batch of each, decoded by every later build.
 */
import type { AskFailure } from './actor.ts'
import { Letter, type AnyMessage, type Reply, type Signal } from './letter.ts'
import type { Ref } from './protocol.ts'

const wireVersion = 1
const kinds = [
  'tell',
  'ask',
  'answer',
  'failure',
  'watch',
  'watching',
  'unwatch',
  'down',
  'wake',
  'tells',
] as const
const tellsKind = kinds.indexOf('tells')

/** What may cross to another host. */
export type Outgoing = Letter | Reply | Signal

/** One that arrived: what it is, or why it cannot be read (`path`: which field). */
export type Arrival =
  | { readonly op: 'letter'; readonly letter: Letter; readonly version: number }
  | { readonly op: 'letters'; readonly letters: readonly Letter[]; readonly version: number }
  | Reply
  | Signal
  | { readonly op: 'fault'; readonly reason: 'malformed' | 'unknown_version'; readonly path: string }

/** Bound for one host, in order. @see toWire */
export const toBatch = (
  outs: readonly Outgoing[],
  versionOf: (type: string) => number,
  nowMs: number,
): unknown[][] => {
  const batch: unknown[][] = []
  let [to, key, from, trace, type]: unknown[] = ['', '', '', '', '']
  let last: Outgoing | undefined
  let lastRaw: unknown[] = []
  for (const out of outs) {
    if (last !== undefined && isRun(last, out)) {
      if (lastRaw[1] !== tellsKind) {
        lastRaw[1] = tellsKind
        lastRaw[10] = [lastRaw[10]]
      }
      ;(lastRaw[10] as unknown[]).push((out as Letter).message)
      continue
    }
    const raw = toWire(out, versionOf, nowMs)
    last = out
    lastRaw = raw
    if (raw[2] === to) raw[2] = null
    else to = raw[2]
    if (raw[3] === key) raw[3] = null
    else key = raw[3]
    if (raw[4] === from) raw[4] = null
    else from = raw[4]
    if (raw[7] === trace) raw[7] = null
    else trace = raw[7]
    if (raw[8] === type) raw[8] = null
    else type = raw[8]
    batch.push(raw)
  }
  return batch
}

const isRun = (a: Outgoing, b: Outgoing): boolean =>
  a.op === 'letter' &&
  b.op === 'letter' &&
  a.caller === undefined &&
  b.caller === undefined &&
  a.ref.key === b.ref.key &&
  a.ref.to === b.ref.to &&
  a.message.type === b.message.type &&
  a.trace === b.trace &&
  a.hops === b.hops

/** Puts back what is repeated, in place. What is no envelope stays as it is, for `fromWire` to refuse. */
export const unfoldBatch = (raws: readonly unknown[]): void => {
  let [to, key, from, trace, type]: unknown[] = ['', '', '', '', '']
  for (const raw of raws) {
    if (!Array.isArray(raw)) continue
    if (raw[2] === null) raw[2] = to
    else to = raw[2]
    if (raw[3] === null) raw[3] = key
    else key = raw[3]
    if (raw[4] === null) raw[4] = from
    else from = raw[4]
    if (raw[7] === null) raw[7] = trace
    else trace = raw[7]
    if (raw[8] === null) raw[8] = type
    else type = raw[8]
  }
}

/**
 * @param versionOf version of an actor type's protocol as this host knows it; 0 when it does not
 * @param nowMs wall clock
 */
export const toWire = (out: Outgoing, versionOf: (type: string) => number, nowMs: number): unknown[] => {
  switch (out.op) {
    case 'letter': {
      const { ref, message, caller, trace, hops } = out
      const version = versionOf(ref.to)
      if (caller === undefined) {
        return [1, 0, ref.to, ref.key, '', '', 0, trace, message.type, version, message, hops]
      }
      const remainingMs = Math.max(0, Math.round(caller.deadlineMs - nowMs))
      const { host, id } = caller
      return [1, 1, ref.to, ref.key, host, id, remainingMs, trace, message.type, version, message, hops]
    }
    case 'reply': {
      const failed = out.failure !== undefined
      const { host, id } = out.caller
      const body = failed ? out.failure : out.value
      return [wireVersion, failed ? 3 : 2, '', '', host, id, 0, out.trace, '', 0, body, 0]
    }
    case 'signal': {
      const { ref, from, id, incarnation, reason } = out
      return [
        wireVersion,
        kinds.indexOf(out.kind),
        ref.to,
        ref.key,
        from,
        id,
        0,
        '',
        '',
        0,
        [incarnation, reason],
        0,
      ]
    }
  }
}

/** @param host this host: what it is addressed to here lives on it, unless its actor is keyed */
export const fromWire = (raw: unknown, host: string, nowMs: number): Arrival => {
  if (!Array.isArray(raw)) return fault('/')
  const [v, kind, to, key, from, id, remainingMs, trace, type, version, body, hops] = raw as unknown[]
  if (typeof v !== 'number') return fault('/0')
  if (v !== wireVersion) return { op: 'fault', reason: 'unknown_version', path: '/0' }
  const name = typeof kind === 'number' ? kinds[kind] : undefined
  if (name === undefined) return fault('/1')
  if (typeof to !== 'string') return fault('/2')
  if (typeof key !== 'string') return fault('/3')
  if (typeof from !== 'string') return fault('/4')
  if (typeof id !== 'string') return fault('/5')
  if (typeof trace !== 'string') return fault('/7')
  const ref: Ref = { to, key, host }
  switch (name) {
    case 'tell':
    case 'ask': {
      if (typeof remainingMs !== 'number') return fault('/6')
      if (typeof version !== 'number') return fault('/9')
      if (!isMessage(body, type)) return fault('/10')
      const caller = name === 'tell' ? undefined : { host: from, id, deadlineMs: nowMs + remainingMs }
      const sentOn = typeof hops === 'number' ? hops : 0
      return { op: 'letter', letter: new Letter(ref, body, caller, trace, sentOn + 1), version }
    }
    case 'tells': {
      if (typeof version !== 'number') return fault('/9')
      if (!Array.isArray(body)) return fault('/10')
      const sentOn = typeof hops === 'number' ? hops : 0
      const letters: Letter[] = []
      for (const each of body as unknown[]) {
        if (!isMessage(each, type)) return fault('/10')
        letters.push(new Letter(ref, each, undefined, trace, sentOn + 1))
      }
      return { op: 'letters', letters, version }
    }
    case 'answer':
    case 'failure': {
      const failure = name === 'failure' ? failureOf(body) : undefined
      const caller = { host: from, id, deadlineMs: 0 }
      return { op: 'reply', caller, failure, value: failure === undefined ? body : undefined, trace }
    }
    case 'watch':
    case 'watching':
    case 'unwatch':
    case 'down':
    case 'wake': {
      if (!Array.isArray(body)) return fault('/10')
      const [incarnation, reason] = body as unknown[]
      if (typeof incarnation !== 'string' || typeof reason !== 'string') return fault('/10')
      return { op: 'signal', kind: name, ref, id, from, incarnation, reason }
    }
  }
}

const fault = (path: string): Arrival => ({ op: 'fault', reason: 'malformed', path })

const isMessage = (body: unknown, type: unknown): body is AnyMessage =>
  typeof body === 'object' &&
  body !== null &&
  'type' in body &&
  typeof type === 'string' &&
  body.type === type

/** A failure that cannot be read is one all the same. */
const failureOf = (body: unknown): AskFailure => {
  const { kind, code, reason } = (body ?? {}) as Record<string, unknown>
  const why = typeof reason === 'string' ? reason : 'malformed_reply'
  if (kind === 'refused' && typeof code === 'string') return { kind, code, reason: why }
  return { kind: kind === 'nobody' ? 'nobody' : 'unknown', reason: why }
}
