/**
 * Whether this observer can prove that it is itself connected. Pure.
 *
 * Silence means something only to one who hears: its own beats come back to it. A beat proves the connection
 * of when it was sent, not of when its echo comes.
 */

/** Beats whose time of sending is remembered: their echo proves the connection of then. */
const remembered = 64

export class Proof {
  readonly #sentMs = new Float64Array(remembered)
  #lastSeq = 0
  #echoMs = Number.NEGATIVE_INFINITY
  /** Beats sent before it prove nothing any more. */
  #fromMs = Number.NEGATIVE_INFINITY
  #sinceMs = Number.POSITIVE_INFINITY

  /**
   * When the first echo came: what came before it, on the same connection, may have waited there for long
   * while this process stood still.
   */
  get sinceMs(): number {
    return this.#sinceMs
  }

  sent(seq: number, nowMs: number): void {
    this.#sentMs[seq % remembered] = nowMs
    this.#lastSeq = seq
  }

  echo(seq: number, nowMs: number): void {
    if (seq > this.#lastSeq || seq <= this.#lastSeq - remembered) return
    const sentMs = this.#sentMs[seq % remembered] as number
    if (sentMs < this.#fromMs) return
    this.#echoMs = Math.max(this.#echoMs, sentMs)
    this.#sinceMs = Math.min(this.#sinceMs, nowMs)
  }

  /** The connection broke, or this process stood still: begin anew. */
  void(nowMs: number): void {
    this.#fromMs = nowMs
    this.#echoMs = Number.NEGATIVE_INFINITY
    this.#sinceMs = Number.POSITIVE_INFINITY
  }

  hasEcho(nowMs: number, withinMs: number): boolean {
    return nowMs - this.#echoMs <= withinMs
  }
}
