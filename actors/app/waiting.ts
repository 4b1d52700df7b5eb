/** What an app's activation holds: its record, and who waits for something of it. Pure. */
import type { Waiting } from '../waiting.ts'
import type { AppRecord } from './record.ts'

/**
 * `a` null: no such app. Waiting callers by what they wait for: `create`, `destroy`, the name being claimed,
 * or the drain being opened.
 */
export type State = { readonly a: AppRecord | null; readonly waiting: Waiting }
