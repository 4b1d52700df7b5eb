/**
 * Bringing lines to a channel, again and again until they are stored: the edge of every source.
 */
import type { Clock } from '../../src/ports/clock.ts'
import { ref } from '../../src/runtime/index.ts'
import type { Node } from '../../src/runtime/node.ts'
import { Channel, type Line, type Part } from '../protocols/channel.ts'

/** Resolves once they are stored. A source brings the next lines of an app after that. */
export type Deliver = (appId: string, part: Part) => Promise<void>

const timeoutMs = 10_000
const retryMsMin = 100
const retryMsMax = 2_000
/** Of the texts in one ask: what is larger than the bus carries would be tried for ever. */
export const askBytesMax = 256 * 1024

/** The source's own buffer is the bound: it hands over one part at a time. */
export const deliverThrough =
  (node: () => Pick<Node, 'ask'>, clock: Clock): Deliver =>
  async (appId, { source, first, lines, dropped }) => {
    const [begin = [], ...rest] = pieces(lines)
    if (begin.length > 0 || dropped !== undefined)
      await untilStored(node, clock, appId, { source, first, lines: begin, dropped })
    let next = first + begin.length
    for (const some of rest) {
      await untilStored(node, clock, appId, { source, first: next, lines: some })
      next += some.length
    }
  }

const untilStored = async (
  node: () => Pick<Node, 'ask'>,
  clock: Clock,
  appId: string,
  { source, first, lines, dropped }: Part,
): Promise<void> => {
  const part = { source, first, lines: [...lines], ...(dropped && { dropped }) }
  const message = { type: 'deliver' as const, ...part }
  for (let waitMs = retryMsMin; ; waitMs = Math.min(retryMsMax, 2 * waitMs)) {
    try {
      await node().ask(ref(Channel, appId), message, { timeoutMs })
      return
    } catch {
      // Nobody there, no room, or no answer: what is stored already is known by its numbers.
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
    }
  }
}

/** At least a line each. */
const pieces = (lines: readonly Line[]): readonly (readonly Line[])[] => {
  const found: Line[][] = []
  let bytes = 0
  for (const line of lines) {
    bytes += line.text.length
    const last = found.at(-1)
    if (last !== undefined && bytes <= askBytesMax) last.push(line)
    else {
      found.push([line])
      bytes = line.text.length
    }
  }
  return found
}
