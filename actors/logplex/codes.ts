/** Lines that the logplex itself says, in Heroku's words (spec/logplex.md §1.12). Pure. */
import type { Line } from '../protocols/channel.ts'
import { formatTime } from './line.ts'

export type Loss = { readonly count: number; readonly sinceUs: number }

const encoder = new TextEncoder()

const lineOf = (atUs: number, text: string): Line => ({
  atUs,
  source: 'heroku',
  process: 'logplex',
  text: encoder.encode(text),
})

/** In the place of lines: to a drain that did not get them, and in an app's log where its channel did not. */
export const overflowLine = ({ count, sinceUs }: Loss, atUs: number): Line =>
  lineOf(atUs, `Error L10 (output buffer overflow): ${count} messages dropped since ${formatTime(sinceUs)}.`)

/** In the app's own log: what one of its drains did not get. */
export const overflowOfDrain = (token: string, { count, sinceUs }: Loss, atUs: number): Line =>
  lineOf(
    atUs,
    `Error L10 (output buffer overflow): drain '${token}' dropped ${count} messages since ${formatTime(sinceUs)}.`,
  )

/** Whether a line is the one above: the drain itself has been told in its own words. */
export const isOverflowOf = (token: string, { source, process, text }: Line): boolean =>
  source === 'heroku' && process === 'logplex' && Buffer.from(text).includes(`drain '${token}' dropped`)

/** @param uri without user name and password */
export const certificateLine = (reason: string, uri: string, atUs: number): Line =>
  lineOf(atUs, `Error L14 (certificate validation): error="${reason}" uri="${uri}"`)
