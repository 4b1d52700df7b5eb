/** What an app's activation holds: its record, and who waits for something of it. Pure. */
import { toldOf, untold, type Telling } from '../events/outbox.ts'
import type { Waiting } from '../waiting.ts'
import type { AppRecord } from './record.ts'

/**
 * `a` null: no such app. Waiting callers by what they wait for: `create`, `destroy`, the name being claimed,
 * or the drain being opened.
 */
export type State = {
  readonly a: AppRecord | null
  readonly waiting: Waiting
  /** How far its events are told. */
  readonly telling: Telling
}

export const fresh: State = { a: null, waiting: new Map(), telling: untold }
export const loaded = (a: AppRecord): State => ({ ...fresh, a, telling: toldOf(a.events) })
