/**
 * Reading from whichever copy of a stream answers: it needs no leader, and is as old as that copy.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { DirectWhich, JetStream, StoredMessage } from './jetstream.ts'
import { RequestFailed } from './requests.ts'

/** The server gives it to any copy, also to one that has stopped: soon another is asked beside it. */
const triesMax = 6
/** Of the time that one may take. */
const hedgeShare = 1 / 4

/**
 * @param withinMs how long one copy may take
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
  const over = new AbortController()
  const ask = async (tries: number): Promise<StoredMessage | 'none'> => {
    if (tries > 0) await pause(tries * withinMs * hedgeShare, undefined, { signal: over.signal })
    return (await js.direct(stream, which, withinMs)) ?? 'none'
  }
  try {
    return await Promise.any(Array.from({ length: triesMax }, (_, tries) => ask(tries)))
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error
    const failures = error.errors as readonly Error[]
    const other = failures.find((one) => !(one instanceof RequestFailed) || one.code === 'not_sent')
    if (other !== undefined) throw other
    return 'silent'
  } finally {
    over.abort()
  }
}
