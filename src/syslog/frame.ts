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
  for (const message of messages) at = writeFrame(bytes, at, message, dialect)
  assert(at === total)
  return bytes
}

export const syslogFrames = (messages: readonly LogMessage[], host: string): Buffer =>
  framesOf(messages, syslogDialect(host))

export const logplexFrames = (messages: readonly LogMessage[]): Buffer => framesOf(messages, logplexDialect)

// Byte by byte: for texts as short as these that is several times faster than any call that writes a string.

const writeFrame = (bytes: Buffer, from: number, message: LogMessage, dialect: Dialect): number => {
  const { priority, atUs, source, process, text } = message
  let at = writeText(bytes, from, String(countedBytes(message, dialect)))
  bytes[at++] = space
  bytes[at++] = 0x3c
  at = writeText(bytes, at, String(priority))
  at = writeText(bytes, at, '>1 ')
  at = writeText(bytes, at, formatTime(atUs))
  at = writeName(bytes, at, dialect.host, hostBytesMax)
  at = writeName(bytes, at, source, sourceBytesMax)
  at = writeName(bytes, at, process, processBytesMax)
  bytes[at++] = space
  at = writeText(bytes, at, dialect.nils)
  bytes[at++] = space
  bytes.set(text, at)
  at += text.length
  if (!endsInLf(text)) bytes[at++] = lf
  return at
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
