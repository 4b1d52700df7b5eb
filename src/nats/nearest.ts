/**
 * Reading from whichever copy of a stream answers: it needs no leader, and is as old as that copy.
 */
import type { DirectWhich, JetStream, StoredMessage } from './jetstream.ts'
import { RequestFailed } from './requests.ts'

/** The server gives it to a copy near by, which may have stopped: the second goes elsewhere, as a rule. */
const triesMax = 2

/**
 * @returns `none` when a copy answered that it has no such message (it may be behind), `silent` when no copy
 *   answered in time
 * @throws RequestFailed `not_sent` when there is no connection
 */
export const nearest = async (
  js: JetStream,
  stream: string,
  which: DirectWhich,
  withinMs: number,
): Promise<StoredMessage | 'none' | 'silent'> => {
  for (let tries = 1; tries <= triesMax; tries += 1) {
    try {
      return (await js.direct(stream, which, withinMs)) ?? 'none'
    } catch (error) {
      if (!(error instanceof RequestFailed) || error.code === 'not_sent') throw error
    }
  }
  return 'silent'
}
