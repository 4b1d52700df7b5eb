/** The last kept lines of an app as frames of Logplex's own dialect. */
import { logplexFrames } from '../../src/syslog/frame.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { historyLinesMax } from '../effects/perform/history.ts'
import { unpackBatch } from './packed.ts'
import { messageOf } from './message.ts'

/** Rejects when the history cannot be read. */
export const pastFrames = async (
  stream: Stream,
  appId: string,
  lines: number,
): Promise<{ readonly count: number; readonly frames: Uint8Array }> => {
  const kept = (await stream.read(appId)).flatMap(({ bytes }) => unpackBatch(bytes).lines)
  const count = Math.min(lines, kept.length, historyLinesMax)
  return { count, frames: logplexFrames(kept.slice(kept.length - count).map(messageOf)) }
}
