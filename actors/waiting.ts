/** Callers who wait for something that an actor is about, by what they wait for. Pure. */
import type { Caller } from '../src/runtime/index.ts'

export type Waiting = ReadonlyMap<string, readonly Caller[]>
type WithWaiting = { readonly waiting: Waiting }

const callersMax = 16

/** With one more caller; of too many the oldest are no longer answered. */
export const wait = (s: WithWaiting, what: string, caller: Caller): Waiting =>
  new Map(s.waiting).set(what, [...(s.waiting.get(what) ?? []), caller].slice(-callersMax))

/** Takes the waiting callers of one thing out, each to be answered. */
export const settle = <S extends WithWaiting>(s: S, what: string, tell: (caller: Caller) => void): S => {
  s.waiting.get(what)?.forEach(tell)
  const waiting = new Map(s.waiting)
  waiting.delete(what)
  return { ...s, waiting }
}
