/** Time, as the runtime knows it: the system's, or a simulation's. */
export type Timer = { readonly cancel: () => void }
export type Clock = {
  /** Wall-clock milliseconds since 1970. Never 0 or less. */
  now(): number
  /** Milliseconds that never go back; only differences mean something. */
  monotonicMs(): number
  after(ms: number, run: () => void): Timer
  /** Runs soon, after what is already queued: the next tick of the actor scheduler. */
  soon(run: () => void): void
}
