/** The last kept lines of an app as frames of Logplex's own dialect. */
import { logplexFrames } from '../../src/syslog/frame.ts'
import type { LogMessage } from '../../src/syslog/message.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { messageOf } from './message.ts'
import { openTail } from './tail.ts'

/** Rejects when the history cannot be read. */
export const pastFrames = (
  stream: Stream,
  appId: string,
  lines: number,
): Promise<{ readonly count: number; readonly frames: Uint8Array }> =>
  new Promise((resolve, reject) => {
    const messages: LogMessage[] = []
    openTail(
      stream,
      { appId, lines, tail: false, filter: {} },
      {
        onLine: (_, line) => void messages.push(messageOf(line)),
        onEnd: () => resolve({ count: messages.length, frames: logplexFrames(messages) }),
        onFailure: (reason) => reject(new Error(reason)),
      },
    )
  })
