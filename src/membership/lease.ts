/**
 * A host's own side of its lease. Pure: times are handed in.
 *
 * The lease is held until `fenceMs` after it *sent* the last beat that the leader acknowledged, by its own
 * monotonic clock. Whoever ends the lease elsewhere counts from when that beat was *heard*, which is not
 * earlier, and counts longer.
 */

/** Beats whose time of sending is remembered: more than fit into any `fenceMs`. */
const remembered = 256

export class Lease {
  readonly #fenceMs: number
  readonly #sentMs = new Float64Array(remembered)
  #lastSeq = 0
  #heldUntilMs: number
  #isFenced = false

  /** Before the first beat is acknowledged it counts as held, for as long as it would be after one. */
  constructor(fenceMs: number, nowMs: number) {
    this.#fenceMs = fenceMs
    this.#heldUntilMs = nowMs + fenceMs
  }

  get heldUntilMs(): number {
    return this.#heldUntilMs
  }

  /** Before it is handed to the bus: later would be too late. */
  sent(seq: number, nowMs: number): void {
    this.#sentMs[seq % remembered] = nowMs
    this.#lastSeq = seq
  }

  /** @returns whether it is held longer than before */
  acknowledged(seq: number): boolean {
    if (seq === 0 || seq > this.#lastSeq || seq <= this.#lastSeq - remembered) return false
    return this.#extend((this.#sentMs[seq % remembered] as number) + this.#fenceMs)
  }

  /** Nobody is there who could end it. */
  alone(nowMs: number): boolean {
    return this.#extend(nowMs + this.#fenceMs)
  }

  /** It is over elsewhere already. */
  lost(): void {
    this.#heldUntilMs = Number.NEGATIVE_INFINITY
  }

  /** @returns whether it may be over, if that changed */
  check(nowMs: number): boolean | undefined {
    const isFenced = nowMs >= this.#heldUntilMs
    if (isFenced === this.#isFenced) return undefined
    this.#isFenced = isFenced
    return isFenced
  }

  #extend(untilMs: number): boolean {
    if (untilMs <= this.#heldUntilMs) return false
    this.#heldUntilMs = untilMs
    return true
  }
}
