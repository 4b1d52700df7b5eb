/**
 * One log line as people and the stock CLI read it: `2026-11-23T02:53:10.425123+00:00 app[web.1]: text`.
 * Pure.
 */
import { formatTime } from '../../src/syslog/time.ts'
import type { Line } from '../protocols/channel.ts'

export { formatTime } from '../../src/syslog/time.ts'

const decoder = new TextDecoder('utf-8', { fatal: false })

/** Bytes that are no UTF-8 become U+FFFD: only in this view, never in what is kept. */
export const formatLine = (line: Line): string =>
  `${formatTime(line.atUs)} ${line.source}[${line.process}]: ${decoder.decode(line.text)}`

export type LineFilter = { readonly source?: string; readonly process?: string }

/** Source exactly; process exactly or as a type (`web` takes `web.1`, not `website.1`). */
export const lineMatches = (line: Line, filter: LineFilter): boolean =>
  (filter.source === undefined || line.source === filter.source) &&
  (filter.process === undefined ||
    line.process === filter.process ||
    line.process.startsWith(`${filter.process}.`))
