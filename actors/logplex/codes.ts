/** Lines that the logplex itself says, in Heroku's words (spec/logplex.md §1.12). Pure. */
import type { Line, Loss } from '../protocols/channel.ts'
import { formatTime } from './line.ts'

const encoder = new TextEncoder()

const lineOf = (atUs: number, text: string): Line => ({
  atUs,
  source: 'heroku',
  process: 'logplex',
  text: encoder.encode(text),
})

/** In the place of lines that their source dropped: they were more than it keeps. */
export const droppedLine = ({ count, sinceUs }: Loss): Line => ({
  ...lineOf(sinceUs, `Error L12: ${count} messages dropped since ${formatTime(sinceUs)}.`),
  source: 'app',
  process: 'log-shuttle',
})

/** In the place of lines, to a drain that did not get them. */
export const overflowLine = ({ count, sinceUs }: Loss, atUs: number): Line =>
  lineOf(atUs, `Error L10 (output buffer overflow): ${count} messages dropped since ${formatTime(sinceUs)}.`)

/** In the place of lines that came in from outside and found no room, or were stored and are not there. */
export const lostLine = ({ count, sinceUs }: Loss, atUs: number): Line =>
  lineOf(atUs, `Error L13: ${count} messages lost since ${formatTime(sinceUs)}.`)

/** To the reader of one tail, who was too slow. @param isExact false: some were not of its filter */
export const tailOverflowLine = (
  { count, sinceUs, isExact }: Loss & { readonly isExact: boolean },
  atUs: number,
): Line =>
  lineOf(
    atUs,
    `Error L11 (Tail buffer overflow) -> This tail session dropped ${isExact ? '' : 'at most '}${count} ` +
      `messages since ${formatTime(sinceUs)}.`,
  )

/** To the reader of one tail, in place of lines of the past. */
export const tailAwayLine = (atUs: number): Line =>
  lineOf(
    atUs,
    'Error L15 (Tail buffer temporarily unavailable): The tail buffer that holds the last 1500 lines of ' +
      'logs is temporarily unavailable. Run `heroku logs` again.',
  )

const overflowed = "Error L10 (output buffer overflow): drain '"
const unverified = 'Error L14 (certificate validation): '

/** In the app's own log: what one of its drains did not get. */
export const overflowOfDrain = (token: string, { count, sinceUs }: Loss, atUs: number): Line =>
  lineOf(atUs, `${overflowed}${token}' dropped ${count} messages since ${formatTime(sinceUs)}.`)

/**
 * In the app's own log: a drain's receiver is not who it says it is.
 *
 * @param uri without user name and password
 */
export const certificateLine = (reason: string, uri: string, atUs: number): Line =>
  lineOf(atUs, `${unverified}error="${reason}" uri="${uri}"`)

const marks = [overflowed, unverified].map((text) => Buffer.from(text))

/**
 * Whether a line is one of those, which go to no drain (spec/logplex.md §1.12): the drain itself is told in
 * its own words, and two that lose lines would tell of each other for ever. One that came in from outside,
 * which has a priority, is not ours, whatever it says.
 */
export const isOfDrains = ({ source, process, priority, text }: Line): boolean =>
  priority === undefined &&
  source === 'heroku' &&
  process === 'logplex' &&
  marks.some((mark) => mark.equals(text.subarray(0, mark.length)))
