/** A batch of an app's lines, as the history keeps it. */
import { is, type Static } from '../../src/runtime/index.ts'

/** Numbers of lines are an app's own, and grow by one a line for as long as any is kept. */
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
