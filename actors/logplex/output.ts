/**
 * Output of a release command: kept as a log of its own, so that every host can show it, while it runs and
 * for a week after. Its end is a line of the platform's. Its key is no app's: who may read an output by its
 * id alone must not read an app's log so.
 */
import type { Following, Recorded, Stream } from '../../src/ports/stream.ts'
import { unpackBatch } from './packed.ts'
import type { Line } from '../protocols/channel.ts'

/** The last line of such a log; it is not shown. */
export const endOfOutput: Line = { atUs: 0, source: 'heroku', process: 'end', text: new Uint8Array() }
const isEnd = ({ source, process }: Line): boolean =>
  source === endOfOutput.source && process === endOfOutput.process

/** Under what a release's output is kept. */
export const outputKey = (releaseId: string): string => `release-${releaseId}`

export type OutputReader = {
  readonly onText: (text: string) => void
  readonly onEnd: () => void
}

const decoder = new TextDecoder()

/** From its first line to its end. Undefined: nothing was said there (yet). Rejects: it cannot be read. */
export const readOutput = async (
  stream: Stream,
  releaseId: string,
  { onText, onEnd }: OutputReader,
): Promise<{ readonly close: () => void } | undefined> => {
  const key = outputKey(releaseId)
  const past = await stream.read(key)
  const last = past.at(-1)
  if (last === undefined) return undefined
  let isOver = false
  let following: Following | undefined
  const close = (): void => {
    isOver = true
    following?.close()
  }
  const take = ({ bytes }: Recorded): void => {
    for (const line of unpackBatch(bytes).lines) {
      if (isOver) return
      if (isEnd(line)) {
        close()
        onEnd()
      } else onText(`${decoder.decode(line.text)}\n`)
    }
  }
  past.forEach(take)
  if (!isOver) following = stream.follow(key, take, last.sequence + 1)
  return { close }
}
