/** The kept lines of an app: a stream of batches, and what follows it live. */
import { effect } from '../../src/runtime/index.ts'
import type { Line } from '../protocols/channel.ts'

export const History = {
  /** Durable when it resolves; `seq` grows by one a batch. */
  append: effect<{ appId: string; lines: readonly Line[] }, { seq: number }>('history.append'),
  drop: effect<{ appId: string }, void>('history.drop'),
}
