/**
 * One turn: runs a handler with a ctx that only records what is asked for. Pure.
 *
 * The recorded operations are the turn's outbox: whoever runs the turn does them when it commits and drops
 * them when it does not. A handler that throws therefore did nothing.
 */
import type { Random } from '../ports/random.ts'
import type { ActorDef, AskCtx, AskFailure, Behaviour, Caller, Effect, EffectError, Fields } from './actor.ts'
import { ActError } from './errors.ts'
import { Letter, type AnyMessage, type Item, type Make, type Op } from './letter.ts'
import type { Protocol, Ref } from './protocol.ts'

// The state and message types are the author's own; the runtime only passes them through.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyBehaviour = Behaviour<never, any, any, any, any>

/** What turns of one activation have in common. */
export type TurnEnv = {
  readonly self: Ref<Protocol>
  readonly host: string
  readonly random: Random
  readonly nowMs: () => number
  readonly durable: boolean
  readonly timerMsMax: number
  readonly askTimeoutMsMax: number
}

/** Of a message that nobody asked: an answer to it goes nowhere. */
const nobody: Caller = { host: '', id: '', deadlineMs: 0 }

export class Turn implements AskCtx<Protocol, unknown> {
  readonly #env: TurnEnv
  readonly revision: number
  readonly trace: string
  readonly caller: Caller
  /** What the turn asked for so far, in order. */
  readonly ops: Op[] = []
  #nowMs = 0
  #replied = false
  #closed = false

  constructor(env: TurnEnv, revision: number, trace: string, caller: Caller | undefined) {
    this.#env = env
    this.revision = revision
    this.trace = trace
    this.caller = caller ?? nobody
  }

  get self(): Ref<Protocol> {
    return this.#env.self
  }
  get host(): string {
    return this.#env.host
  }
  get now(): number {
    if (this.#nowMs === 0) this.#nowMs = this.#env.nowMs()
    return this.#nowMs
  }
  uuid(): string {
    return this.#env.random.uuid()
  }
  random(): number {
    return this.#env.random.next()
  }

  /** From here on the ctx refuses everything: what was kept of it cannot act in somebody else's turn. */
  close(): void {
    this.#closed = true
  }

  tell(to: Ref<unknown>, message: AnyMessage): void {
    this.#add(new Letter(to, message, undefined, this.trace, 0))
  }
  ask(
    to: Ref<unknown>,
    message: AnyMessage,
    timeoutMs: number,
    done: Make,
    failed: (failure: AskFailure) => AnyMessage,
  ): void {
    if (!(timeoutMs > 0 && timeoutMs <= this.#env.askTimeoutMsMax)) {
      throw new ActError('ACT_RANGE', `ask ${message.type} within ${timeoutMs} ms`)
    }
    this.#add({ op: 'ask', ref: to, message, timeoutMs, done, failed })
  }
  reply(value: unknown): void {
    this.#answerOnce()
    this.answer(this.caller, value)
  }
  refuseCaller(code: string, reason: string): void {
    this.#answerOnce()
    this.refuse(this.caller, code, reason)
  }
  answer(caller: Caller, value: unknown): void {
    this.#add({ op: 'answer', caller, value })
  }
  refuse(caller: Caller, code: string, reason: string): void {
    this.#add({ op: 'refuse', caller, code, reason })
  }
  after(timer: string, ms: number, message: AnyMessage): void {
    if (!(ms >= 0 && ms <= this.#env.timerMsMax)) {
      throw new ActError('ACT_RANGE', `timer ${timer} after ${ms} ms`)
    }
    this.#add({ op: 'after', timer, ms, message })
  }
  cancel(timer: string): void {
    this.#add({ op: 'cancel', timer })
  }
  remind(timer: string, atMs: number, message: AnyMessage): void {
    if (!this.#env.durable) throw new ActError('ACT_NOT_DURABLE', `remind ${timer}`)
    if (!Number.isFinite(atMs)) throw new ActError('ACT_RANGE', `remind ${timer} at ${atMs}`)
    this.#add({ op: 'remind', timer, atMs, message })
  }
  forget(timer: string): void {
    this.#add({ op: 'forget', timer })
  }
  watch(to: Ref<unknown>): void {
    this.#add({ op: 'watch', ref: to })
  }
  unwatch(to: Ref<unknown>): void {
    this.#add({ op: 'unwatch', ref: to })
  }
  spawn<A>(actor: ActorDef<A>, key: string, args: A): void {
    this.#add({ op: 'spawn', actor, key, args })
  }
  halt(child: Ref<unknown>): void {
    this.#add({ op: 'halt', ref: child })
  }
  run(effect: Effect, done?: Make, failed?: (error: EffectError) => AnyMessage): void {
    this.#add({ op: 'run', effect, done, failed })
  }
  log(fields: Fields): void {
    this.#add({ op: 'log', fields })
  }

  #add(op: Op): void {
    if (this.#closed) throw new ActError('ACT_CTX_CLOSED', `${op.op} after the turn had ended`)
    this.ops.push(op)
  }

  #answerOnce(): void {
    if (this.#replied) throw new ActError('ACT_REPLIED_TWICE', 'one ask, one answer')
    this.#replied = true
  }
}

/** The turn for an item: who asked and under which trace. */
export const turnFor = (env: TurnEnv, revision: number, item: Item): Turn => {
  if (item.op === 'letter') return new Turn(env, revision, item.trace, item.caller)
  return new Turn(env, revision, item.op === 'result' || item.op === 'timer' ? item.trace : '', undefined)
}

/**
 * Runs the handler of an item and closes the turn.
 * @returns the new state, or a Stop (see `stopReason`)
 * Throws whatever the handler throws: then the turn must be discarded.
 */
export const runTurn = (behaviour: AnyBehaviour, state: unknown, item: Item, turn: Turn): unknown => {
  try {
    switch (item.op) {
      case 'letter':
      case 'timer':
        return receive(behaviour, state, item.message, turn)
      case 'reminder':
        return receive(behaviour, state, item.reminder.message, turn)
      case 'result':
        return receive(behaviour, state, item.make(item.value as never), turn)
      case 'down':
        if (behaviour.down === undefined) return state
        return behaviour.down(state, { ref: item.ref, reason: item.reason }, turn)
      case 'lost':
        if (behaviour.lost === undefined) return state
        return behaviour.lost(state, { count: item.count, sinceMs: item.sinceMs }, turn)
    }
  } finally {
    turn.close()
  }
}

const receive = (behaviour: AnyBehaviour, state: unknown, message: AnyMessage, turn: Turn): unknown => {
  const handler = behaviour.receive[message.type] as
    | ((state: unknown, message: AnyMessage, ctx: Turn) => unknown)
    | undefined
  if (handler === undefined) throw new ActError('ACT_NO_HANDLER', `no handler for ${message.type}`)
  return handler(state, message, turn)
}
