/** The kept lines of an app: a stream of batches, and what follows it live. */
import { effect, is, type Static } from '../../src/runtime/index.ts'
import type { Line } from '../protocols/channel.ts'

/** A batch as it is kept. Numbers of lines are an app's own and grow by one a line, as long as any is kept. */
export const storedBatchShape = is.obj({
  sequence: is.int,
  /** The sequence of the batch before it; 0: there was none. */
  after: is.int,
  /** The number of its first line. */
  first: is.int,
  count: is.int,
  /** Its lines, packed. */
  bytes: is.bytes,
})
export type StoredBatch = Static<typeof storedBatchShape>

export const History = {
  /** Durable when it resolves. */
  append: effect<{ appId: string; lines: readonly Line[] }, StoredBatch>('history.append'),
  /** What is kept behind a sequence, oldest first, until there is as much; none: that is all. */
  read: effect<{ appId: string; after: number; bytesMax: number }, { batches: readonly StoredBatch[] }>(
    'history.read',
  ),
  /** Where it stands: the newest sequence, and the number that the next line gets. */
  end: effect<{ appId: string }, { sequence: number; line: number }>('history.end'),
  drop: effect<{ appId: string }, void>('history.drop'),
}
