/**
 * The decisions of supervision, as OTP makes them. Pure: time and chance are given.
 */
import assert from 'node:assert/strict'

export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one'
/** permanent: always restarted. transient: only after a failure. temporary: never. */
export type Restart = 'permanent' | 'transient' | 'temporary'

/** `normal`, `shutdown` and handing over are not failures. */
export const isFailure = (reason: string): boolean =>
  reason !== 'normal' && reason !== 'shutdown' && reason !== 'moved' && reason !== 'idle'

export const wantsRestart = (restart: Restart, reason: string): boolean =>
  restart === 'permanent' || (restart === 'transient' && isFailure(reason))

/** Which of `count` children are affected when the child at `index` is restarted: a range, in start order. */
export const affected = (
  strategy: Strategy,
  index: number,
  count: number,
): { readonly from: number; readonly to: number } => {
  assert(index >= 0 && index < count)
  switch (strategy) {
    case 'one_for_one':
      return { from: index, to: index + 1 }
    case 'one_for_all':
      return { from: 0, to: count }
    case 'rest_for_one':
      return { from: index, to: count }
  }
}

/** The restarts of the last period (`add_restart/3` of OTP's supervisor). */
export class RestartWindow {
  readonly #intensity: number
  readonly #periodMs: number
  #times: number[] = []

  constructor(intensity: number, periodMs: number) {
    this.#intensity = intensity
    this.#periodMs = periodMs
  }

  /**
   * Notes one restart at a monotonic time. @returns false when there were more than `intensity` in the period
   */
  add(nowMs: number): boolean {
    this.#times = this.#times.filter((timeMs) => nowMs - timeMs <= this.#periodMs)
    this.#times.push(nowMs)
    return this.#times.length <= this.#intensity
  }
}
