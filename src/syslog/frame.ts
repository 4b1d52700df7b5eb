/**
 * Messages to octet-counted frames (RFC 6587), in the two dialects that drains speak. Pure, and the hot path
 * of every drain.
 *
 * - syslog, over TCP and TLS: `LEN <PRI>1 TIME HOST SOURCE PROC - - TEXT\n`, which is RFC 5424.
 * - logplex, in HTTP bodies: `LEN <PRI>1 TIME host SOURCE PROC - TEXT\n`: without STRUCTURED-DATA, not even
 *   its nil, as every receiver of it expects.
 *
 * A frame ends in one LF, which is counted: receivers of HTTP bodies split them by lines. All other bytes of
 * a text are carried as they are.
 */
import assert from 'node:assert/strict'
import type { LogMessage } from './message.ts'
import { formatTime, timeBytes } from './time.ts'

export type Dialect = {
  /** HOSTNAME. */
  readonly host: string
  /** What stands between PROCID and the text, without the blanks around it. */
  readonly nils: '- -' | '-'
}

/** RFC 5424 §6. */
const hostBytesMax = 255
const sourceBytesMax = 48
const processBytesMax = 128
const priorityMax = 191
const lf = 0x0a
const space = 0x20
const zero = 0x30

export const syslogDialect = (host: string): Dialect => ({ host, nils: '- -' })
export const logplexDialect: Dialect = { host: 'host', nils: '-' }

const digitsOf = (count: number): number =>
  count < 100 ? (count < 10 ? 1 : 2) : count < 1000 ? 3 : count < 10_000 ? 4 : String(count).length

const endsInLf = (text: Uint8Array): boolean => text[text.length - 1] === lf

const nameBytes = (name: string, bytesMax: number): number => Math.min(Math.max(1, name.length), bytesMax)

/** Without its length and the blank after that. */
const countedBytes = ({ priority, source, process, text }: LogMessage, { host, nils }: Dialect): number => {
  assert(priority >= 0 && priority <= priorityMax)
  const nameBytesAll =
    nameBytes(host, hostBytesMax) + nameBytes(source, sourceBytesMax) + nameBytes(process, processBytesMax)
  const headBytes = digitsOf(priority) + timeBytes + nameBytesAll + nils.length + '<>1      '.length
  return headBytes + text.length + (endsInLf(text) ? 0 : 1)
}

/** Bytes of the message's frame, without making it. */
export const frameBytes = (message: LogMessage, dialect: Dialect): number => {
  const counted = countedBytes(message, dialect)
  return digitsOf(counted) + 1 + counted
}

/**
 * How many messages from `from` on make at most that many bytes of frames; one that is larger alone counts
 * as one.
 */
export const fitting = (
  messages: readonly LogMessage[],
  dialect: Dialect,
  bytesMax: number,
  from = 0,
): number => {
  let bytes = 0
  let at = from
  for (; at < messages.length; at += 1) {
    bytes += frameBytes(messages[at] as LogMessage, dialect)
    if (bytes > bytesMax && at > from) break
  }
  return at - from
}

/** The messages' frames, one after the other with nothing between. */
export const framesOf = (messages: readonly LogMessage[], dialect: Dialect): Buffer => {
  let total = 0
  for (const message of messages) total += frameBytes(message, dialect)
  const bytes = Buffer.allocUnsafe(total)
  let at = 0
  let head: Head | undefined
  for (const message of messages) {
    // Messages of one speaker come together.
    if (head === undefined || !isSaidBy(message, head.speaker)) head = headOf(message, dialect)
    at = writeFrame(bytes, at, message, head)
  }
  assert(at === total)
  return bytes
}

export const syslogFrames = (messages: readonly LogMessage[], host: string): Buffer =>
  framesOf(messages, syslogDialect(host))

export const logplexFrames = (messages: readonly LogMessage[]): Buffer => framesOf(messages, logplexDialect)

// Byte by byte: for texts as short as these that is several times faster than any call that writes a string.

/** All that stands before a text, but for its length, with the time of the last message. */
type Head = { readonly speaker: LogMessage; readonly bytes: Buffer; readonly timeAt: number; atMs: number }

const isSaidBy = ({ process, source, priority }: LogMessage, speaker: LogMessage): boolean =>
  process === speaker.process && source === speaker.source && priority === speaker.priority

const headOf = (message: LogMessage, dialect: Dialect): Head => {
  const { priority, source, process, text } = message
  const bytes = Buffer.allocUnsafe(countedBytes(message, dialect) - text.length - (endsInLf(text) ? 0 : 1))
  bytes[0] = 0x3c
  const timeAt = writeText(bytes, writeText(bytes, 1, String(priority)), '>1 ')
  let at = writeName(bytes, timeAt + timeBytes, dialect.host, hostBytesMax)
  at = writeName(bytes, at, source, sourceBytesMax)
  at = writeName(bytes, at, process, processBytesMax)
  bytes[at++] = space
  at = writeText(bytes, at, dialect.nils)
  bytes[at++] = space
  assert(at === bytes.length)
  return { speaker: message, bytes, timeAt, atMs: -1 }
}

const writeFrame = (bytes: Buffer, from: number, { atUs, text }: LogMessage, head: Head): number => {
  const hasLf = endsInLf(text)
  let at = writeDigits(bytes, from, head.bytes.length + text.length + (hasLf ? 0 : 1))
  bytes[at++] = space
  writeTime(head, atUs)
  bytes.set(head.bytes, at)
  at += head.bytes.length
  bytes.set(text, at)
  at += text.length
  if (!hasLf) bytes[at++] = lf
  return at
}

/** Of most messages a millisecond was written before. */
const writeTime = (head: Head, atUs: number): void => {
  const { bytes, timeAt } = head
  const atMs = Math.floor(atUs / 1000)
  if (atMs !== head.atMs) writeText(bytes, timeAt, formatTime(atUs))
  else {
    const us = atUs - atMs * 1000
    const last = timeAt + timeBytes - '+00:00'.length - 1
    bytes[last - 2] = zero + Math.floor(us / 100)
    bytes[last - 1] = zero + (Math.floor(us / 10) % 10)
    bytes[last] = zero + (us % 10)
  }
  head.atMs = atMs
}

const writeDigits = (bytes: Buffer, at: number, count: number): number => {
  const end = at + digitsOf(count)
  for (let i = end - 1, left = count; i >= at; i -= 1, left = Math.floor(left / 10))
    bytes[i] = zero + (left % 10)
  return end
}

const writeText = (bytes: Buffer, at: number, text: string): number => {
  for (let i = 0; i < text.length; i += 1) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** A blank and the name in printable ASCII, never empty: a blank in it would move all that follows. */
const writeName = (bytes: Buffer, at: number, name: string, bytesMax: number): number => {
  const length = nameBytes(name, bytesMax)
  bytes[at] = space
  bytes[at + 1] = 0x2d
  for (let i = 0; i < length && i < name.length; i += 1) {
    const code = name.charCodeAt(i)
    bytes[at + 1 + i] = code > space && code < 0x7f ? code : 0x3f
  }
  return at + 1 + length
}
