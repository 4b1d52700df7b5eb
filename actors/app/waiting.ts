/** What an app's activation holds: its record, and who waits for something of it. Pure. */
import type { Caller } from '../../src/runtime/index.ts'
import type { AppRecord } from './record.ts'

/**
 * `a` null: no such app. Waiting callers by what they wait for: `create`, `destroy`, the name being claimed,
 * or the drain being opened.
 */
export type State = {
  readonly a: AppRecord | null
  readonly waiting: ReadonlyMap<string, readonly Caller[]>
}

const callersMax = 16

/** With one more caller; of too many the oldest are no longer answered. */
export const wait = (s: State, what: string, caller: Caller): State['waiting'] =>
  new Map(s.waiting).set(what, [...(s.waiting.get(what) ?? []), caller].slice(-callersMax))

/** Takes the waiting callers of one thing out, each to be answered. */
export const settle = (s: State, what: string, tell: (caller: Caller) => void): State => {
  s.waiting.get(what)?.forEach(tell)
  const waiting = new Map(s.waiting)
  waiting.delete(what)
  return { ...s, waiting }
}
