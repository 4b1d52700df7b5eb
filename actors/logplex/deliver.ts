/**
 * Bringing lines to a channel, again and again until they are stored: the edge of every source.
 */
import type { Clock } from '../../src/ports/clock.ts'
import { ref } from '../../src/runtime/index.ts'
import type { Node } from '../../src/runtime/node.ts'
import { Channel, type Part } from '../protocols/channel.ts'

/** Resolves once they are stored. A source brings the next lines of an app after that. */
export type Deliver = (appId: string, part: Part) => Promise<void>

const timeoutMs = 10_000
const retryMsMin = 100
const retryMsMax = 2_000

/** The source's own buffer is the bound: it hands over one part at a time. */
export const deliverThrough =
  (node: () => Pick<Node, 'ask'>, clock: Clock): Deliver =>
  async (appId, part) => {
    const message = { type: 'deliver' as const, ...part, lines: [...part.lines] }
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
