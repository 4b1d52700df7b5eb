/**
 * Asks of this node that wait for their answer: from its actors and from its edges.
 *
 * Each has a deadline. It ends once: with the answer, or with why there is none. What comes later is
 * dropped and counted.
 */
import type { Clock, Timer } from '../ports/clock.ts'
import type { AskFailure, Caller } from './actor.ts'
import type { DeadLetters } from './deadletter.ts'
import type { AnyMessage, Make, Reply } from './letter.ts'
import type { Subject } from './subject.ts'

/** Who gets the end of an ask: an actor as a message of its own, or an edge as a promise. */
type Waiter =
  | {
      readonly subject: Subject
      readonly done: Make
      readonly failed: (failure: AskFailure) => AnyMessage
      readonly trace: string
    }
  | {
      readonly subject?: undefined
      readonly resolve: (value: unknown) => void
      readonly reject: (failure: AskFailure) => void
    }

type Pending = {
  readonly waiter: Waiter
  readonly to: string
  readonly type: string
  readonly timer: Timer
  /** The host it was last sent to, when it is another. */
  host: string
}

/** Undefined when an answer fits; else where it does not. */
export type ReplyCheck = (to: string, type: string, value: unknown) => string | undefined

export class Asks {
  readonly #pending = new Map<string, Pending>()
  readonly #host: string
  readonly #prefix: string
  readonly #clock: Clock
  readonly #deadLetters: DeadLetters
  #count = 0

  /**
   * @param life unique to this life of the node: an answer to an earlier life is not taken for one to this
   */
  constructor(host: string, life: string, clock: Clock, deadLetters: DeadLetters) {
    this.#host = host
    this.#prefix = `${life}.`
    this.#clock = clock
    this.#deadLetters = deadLetters
  }

  get size(): number {
    return this.#pending.size
  }

  open(to: string, type: string, timeoutMs: number, waiter: Waiter): Caller {
    this.#count += 1
    const id = this.#prefix + this.#count.toString(36)
    const expired = (): void => this.#end(id, { kind: 'unknown', reason: 'timeout' }, undefined)
    const timer = this.#clock.after(timeoutMs, expired)
    this.#pending.set(id, { waiter, to, type, timer, host: '' })
    if (waiter.subject !== undefined) waiter.subject.asksOpen += 1
    return { host: this.#host, id, deadlineMs: this.#clock.now() + timeoutMs }
  }

  sentTo(id: string, host: string): void {
    const pending = this.#pending.get(id)
    if (pending !== undefined) pending.host = host
  }

  /** An answer or a failure has come. @param check for one that was on the wire */
  settle(reply: Reply, check?: ReplyCheck): void {
    const pending = this.#pending.get(reply.caller.id)
    if (pending === undefined) {
      this.#deadLetters.add({ reason: 'late_reply', to: 'ask', type: reply.caller.id })
      return
    }
    const path = reply.failure === undefined ? check?.(pending.to, pending.type, reply.value) : undefined
    if (path === undefined) return this.#end(reply.caller.id, reply.failure, reply.value)
    this.#deadLetters.add({ reason: 'malformed', to: pending.to, type: pending.type, path })
    this.#end(reply.caller.id, { kind: 'unknown', reason: 'malformed_reply' }, undefined)
  }

  /** Asks that wait for a host that is gone will not be answered. */
  hostsGone(isUp: (host: string) => boolean): void {
    for (const [id, pending] of this.#pending) {
      if (pending.host === '' || isUp(pending.host)) continue
      this.#end(id, { kind: 'unknown', reason: 'host_down' }, undefined)
    }
  }

  /** The node ends: edges get to know, actors are gone already. */
  failAll(reason: string): void {
    for (const id of this.#pending.keys()) this.#end(id, { kind: 'unknown', reason }, undefined)
  }

  /** As a crash: nobody is told. */
  forgetAll(): void {
    for (const { timer } of this.#pending.values()) timer.cancel()
    this.#pending.clear()
  }

  #end(id: string, failure: AskFailure | undefined, value: unknown): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    pending.timer.cancel()
    const { waiter } = pending
    if (waiter.subject === undefined) {
      if (failure === undefined) waiter.resolve(value)
      else waiter.reject(failure)
      return
    }
    waiter.subject.asksOpen -= 1
    if (waiter.subject.dead) {
      this.#deadLetters.add({ reason: 'late_reply', to: pending.to, type: pending.type })
      return
    }
    waiter.subject.deliver({
      op: 'result',
      make: failure === undefined ? waiter.done : waiter.failed,
      value: failure ?? value,
      trace: waiter.trace,
    })
  }
}
