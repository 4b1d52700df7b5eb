/**
 * The named timers of one activation: replaced by name, gone with the activation.
 *
 * A timer that fired is a message in the system lane; when its name was cancelled or set again before that
 * message was taken, it is recognised as stale by its sequence number and skipped.
 */
import type { Clock, Timer } from '../ports/clock.ts'
import type { AnyMessage, Item } from './letter.ts'
import type { Subject } from './subject.ts'

type TimerItem = Extract<Item, { readonly op: 'timer' }>

export class Timers {
  readonly #timers = new Map<string, { readonly sequence: number; readonly timer: Timer }>()
  readonly #clock: Clock
  readonly #subject: Subject
  #sequence = 0

  constructor(clock: Clock, subject: Subject) {
    this.#clock = clock
    this.#subject = subject
  }

  get size(): number {
    return this.#timers.size
  }

  set(name: string, ms: number, message: AnyMessage, trace: string): void {
    this.cancel(name)
    this.#sequence += 1
    const item: TimerItem = { op: 'timer', name, message, sequence: this.#sequence, trace }
    const timer = this.#clock.after(ms, () => this.#subject.deliver(item))
    this.#timers.set(name, { sequence: item.sequence, timer })
  }

  cancel(name: string): void {
    this.#timers.get(name)?.timer.cancel()
    this.#timers.delete(name)
  }

  /** The message of a fired timer is about to be handled. @returns false when it is stale */
  take(item: TimerItem): boolean {
    if (this.#timers.get(item.name)?.sequence !== item.sequence) return false
    this.#timers.delete(item.name)
    return true
  }

  clear(): void {
    for (const { timer } of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }
}
