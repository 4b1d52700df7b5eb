/** Performs Said: the lines wait in this process' outbox until they are stored. */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Deliver } from '../../logplex/deliver.ts'
import { createOutbox, type Outbox } from '../../logplex/outbox.ts'
import type { Line } from '../../protocols/channel.ts'

/** Lines of the platform, none of which waits for others. */
export const createSaid = (source: string, now: () => number, deliver: Deliver): Outbox<Line> =>
  createOutbox<Line>({
    source,
    nowUs: () => Math.round(now() * 1000),
    deliver,
    linesOf: (lines) => lines,
    bytesOf: ({ text }) => text.length,
    gathered: 1,
  })

export const performSaid = (said: Outbox<Line>): Effects => ({
  'said.say': async ({ appId, line }: { appId: string; line: Line }) => {
    said.add(appId, line)
    said.flush(appId)
  },
})
