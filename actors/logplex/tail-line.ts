/**
 * A line as tails send it, made once for all of them: as an event for who reads Server-Sent Events, as it is
 * for others; and its cursor, which is the event's id. Pure.
 *
 * A cursor says the batch that the line is in, the line's number among the app's, and when it was written. So
 * a reader that resumes behind it is told exactly how many lines the history has lost meanwhile, and since
 * when, by any host and without anything being kept for it.
 */
import type { Line } from '../protocols/channel.ts'
import { formatLine } from './line.ts'

export type Cursor = {
  readonly sequence: number
  readonly line: number
  readonly atUs: number
}

/** How a reader wants its lines. */
export type Form = 'events' | 'text'
export type Told = Readonly<Record<Form, Buffer>>

const cursorPattern = /^([0-9a-z]{1,11})-([0-9a-z]{1,11})-([0-9a-z]{1,11})$/

/** `2s-5n3-hq3u8d1k0o` */
export const cursorText = ({ sequence, line, atUs }: Cursor): string =>
  `${sequence.toString(36)}-${line.toString(36)}-${Math.max(0, atUs).toString(36)}`

/** Undefined: it is none. */
export const parseCursor = (text: string): Cursor | undefined => {
  const [sequence, line, atUs] = (cursorPattern.exec(text) ?? []).slice(1).map((part) => parseInt(part, 36))
  if (sequence === undefined || line === undefined || atUs === undefined) return undefined
  return [sequence, line, atUs].every(Number.isSafeInteger) ? { sequence, line, atUs } : undefined
}

/** Whether it comes behind the other. */
export const isBehind = (one: Cursor, other: Cursor): boolean =>
  one.sequence > other.sequence || (one.sequence === other.sequence && one.line > other.line)

/** @param cursor of an event that is to be resumed behind */
export const told = (line: Line, cursor?: Cursor): Told => {
  const text = formatLine(line)
  const head = cursor === undefined ? 'data: ' : `id: ${cursorText(cursor)}\ndata: `
  // Readers of events take a CR for the end of a line, and what follows for a field that they do not know.
  if (text.includes('\r')) {
    const data = text.replace(/\r+$/, '').replaceAll(/\r+/g, '\ndata: ')
    return { events: Buffer.from(`${head}${data}\n\n`), text: Buffer.from(`${text}\n`) }
  }
  const events = Buffer.from(`${head}${text}\n\n`)
  // The same bytes without what is around them.
  return { events, text: events.subarray(head.length, events.length - 1) }
}
