/**
 * Bringing lines to a channel, again and again until they are stored: the edge of every source that keeps its
 * lines.
 */
import type { Clock } from '../../src/ports/clock.ts'
import { ref } from '../../src/runtime/index.ts'
import type { Node } from '../../src/runtime/node.ts'
import { Channel } from '../protocols/channel.ts'
import type { Deliver } from './shuttle.ts'

const timeoutMs = 10_000
const retryMsMin = 100
const retryMsMax = 2_000

/** The source's own buffer is the bound: it hands over one batch at a time. */
export const deliverThrough =
  (node: () => Pick<Node, 'ask'>, clock: Clock): Deliver =>
  async (appId, source, seq, lines) => {
    for (let waitMs = retryMsMin; ; waitMs = Math.min(retryMsMax, 2 * waitMs)) {
      try {
        await node().ask(
          ref(Channel, appId),
          { type: 'deliver', source, seq, lines: [...lines] },
          { timeoutMs },
        )
        return
      } catch {
        // Nobody there, or no answer: the channel knows a batch that it has already.
        await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
      }
    }
  }
