/** The kept lines of an app: a stream of batches, and what follows it live. */
import { effect } from '../../src/runtime/index.ts'
import type { Part } from '../protocols/channel.ts'
import type { StoredBatch } from '../protocols/log-batch.ts'

export const History = {
  /** Durable when it resolves; null: all of it was stored before. */
  append: effect<{ appId: string; parts: readonly Part[] }, StoredBatch | null>('history.append'),
  /** What is kept behind a sequence, oldest first, until there is as much; none: that is all. */
  read: effect<{ appId: string; after: number; bytesMax: number }, { batches: readonly StoredBatch[] }>(
    'history.read',
  ),
  /** Where it stands: the newest sequence, and the number that the next line gets. */
  end: effect<{ appId: string }, { sequence: number; line: number }>('history.end'),
  drop: effect<{ appId: string }, void>('history.drop'),
}
