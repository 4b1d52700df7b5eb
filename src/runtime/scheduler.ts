/**
 * The run queue: ready cells take turns in slices, then the event loop gets its own.
 *
 * A slice ends after so many messages or milliseconds. Nothing runs a receiver on a sender's stack: senders
 * only queue and mark ready. The watchdog measures every turn and names the actor and message that blocked
 * the loop, right after (a turn that blocks now cannot be seen from inside the same thread).
 */
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import { itemType, type Item } from './letter.ts'
import type { Limits } from './limits.ts'
import { Ring } from './ring.ts'

/** Something with messages to take. */
export type Runnable = {
  /** In the run queue now; kept by the scheduler. */
  scheduled: boolean
  /** Takes up to `turnsMax` messages. @returns how many it took */
  run(turnsMax: number): number
  /** Whether it can take more right now. */
  runnable(): boolean
}

export class Scheduler {
  readonly #ready = new Ring<Runnable>()
  readonly #clock: Clock
  readonly #log: Log
  readonly #limits: Limits
  readonly #flush: () => void
  readonly #slice = (): void => this.#runSlice()
  #armed = false
  #running = false
  #stopped = false
  #turnStartMs = 0
  #sliceStartMs = 0
  #stalls = 0

  /** @param flush called at the end of each slice: what the slice's turns sent to other hosts leaves */
  constructor(clock: Clock, log: Log, limits: Limits, flush: () => void) {
    this.#clock = clock
    this.#log = log
    this.#limits = limits
    this.#flush = flush
  }

  get running(): boolean {
    return this.#running
  }
  get idle(): boolean {
    return this.#ready.size === 0 && !this.#running
  }
  get stalls(): number {
    return this.#stalls
  }

  ready(cell: Runnable): void {
    if (cell.scheduled || this.#stopped) return
    cell.scheduled = true
    this.#ready.push(cell)
    this.#arm()
  }

  /** The slice's time is over, as of the last turn's end: whoever takes messages stops. */
  spent(): boolean {
    return this.#turnStartMs - this.#sliceStartMs >= this.#limits.sliceMs
  }

  /** After each turn: how long it held the loop. */
  turnEnded(actor: string, item: Item): void {
    const nowMs = this.#clock.monotonicMs()
    const tookMs = nowMs - this.#turnStartMs
    this.#turnStartMs = nowMs
    if (tookMs <= this.#limits.stallMs) return
    this.#stalls += 1
    this.#log({
      at: 'stall',
      actor,
      type: itemType(item),
      took_ms: Math.round(tookMs),
      limit_ms: this.#limits.stallMs,
    })
  }

  /** Forgets everything that is ready and takes nothing more. */
  stop(): void {
    this.#stopped = true
    while (this.#ready.size > 0) this.#ready.shift()
  }

  #arm(): void {
    if (this.#armed || this.#running) return
    this.#armed = true
    this.#clock.soon(this.#slice)
  }

  #runSlice(): void {
    this.#armed = false
    this.#running = true
    this.#sliceStartMs = this.#clock.monotonicMs()
    this.#turnStartMs = this.#sliceStartMs
    let left = this.#limits.sliceMessagesMax
    try {
      while (left > 0) {
        const cell = this.#ready.shift()
        if (cell === undefined) break
        cell.scheduled = false
        left -= cell.run(Math.min(left, this.#limits.cellTurnsMax))
        if (cell.runnable()) this.ready(cell)
        if (this.spent()) break
      }
    } finally {
      this.#running = false
      if (this.#ready.size > 0) this.#arm()
    }
    this.#flush()
  }
}
