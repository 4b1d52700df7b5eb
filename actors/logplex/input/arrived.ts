/** Messages that came in from outside as lines of an app's log. Pure. */
import { linesOf } from '../../../src/syslog/lines.ts'
import type { ParsedMessage } from '../../../src/syslog/parse.ts'
import type { Line } from '../../protocols/channel.ts'

/** What a line costs beside the bytes that it came in, until it is stored. */
export const lineCostBytes = 256
/** RFC 5424 §6. */
const processCharsMax = 128

/**
 * @param source the name that the sender's token has: whatever the message says of itself
 * @param nowUs for a message that has no time of its own
 * @returns what the lines cost beside the message's bytes, whose memory they share
 */
export const addLines = (
  { atUs, process, priority, text }: ParsedMessage,
  source: string,
  nowUs: number,
  into: Line[],
): number => {
  const by = { atUs: atUs ?? nowUs, source, process: process.slice(0, processCharsMax), priority }
  const lines = linesOf(text)
  for (const line of lines) into.push({ ...by, text: line })
  return lines.length * lineCostBytes
}
