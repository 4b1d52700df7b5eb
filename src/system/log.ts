/**
 * The log: one logfmt line for each call (ports/log.ts), `at=crash name="a b" wait_ms=0`.
 *
 * A value is quoted when it is empty or holds a blank, a quote, `=` or a control character, so that a line is
 * one line and splits into what went in. A reader that is too slow costs lines, not memory; how many is said
 * in the next.
 */
import type { Writable } from 'node:stream'
import type { Log } from '../ports/log.ts'

export type LogOptions = {
  readonly stream: Pick<Writable, 'write' | 'writableLength'>
  /** Fields that every line begins with. */
  readonly fields?: Parameters<Log>[0]
  /** Bytes that may wait for the reader. */
  readonly waitingBytesMax?: number
}

const waitingBytesMaxDefault = 1024 * 1024

export const openLog = (options: LogOptions): Log => {
  const { stream, waitingBytesMax = waitingBytesMaxDefault } = options
  const prefix = logfmt(options.fields ?? {})
  let lost = 0
  const write = (line: string): void => {
    stream.write(prefix === '' ? `${line}\n` : `${prefix} ${line}\n`)
  }
  return (fields) => {
    if (stream.writableLength > waitingBytesMax) {
      lost += 1
      return
    }
    if (lost > 0) write(logfmt({ at: 'log_lost', count: lost }))
    lost = 0
    write(logfmt(fields))
  }
}

/** Fields as one line of logfmt; what is undefined is left out. */
export const logfmt = (fields: Parameters<Log>[0]): string =>
  Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.replaceAll(/[\s="\u0000-\u001f]/g, '_')}=${quoted(String(value))}`)
    .join(' ')

const plain = /^[^\s="\\\u0000-\u001f\u007f-\u009f\u2028\u2029]+$/
const hidden = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

const quoted = (text: string): string => {
  if (plain.test(text)) return text
  // JSON's escapes are logfmt's; it leaves some controls as they are, which terminals and splitters act on.
  return JSON.stringify(text).replaceAll(hidden, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
