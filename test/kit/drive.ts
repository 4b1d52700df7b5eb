/**
 * drive: runs an actor by hand, with no runtime around it. Each call is one turn; what the turn asked for
 * is recorded, and nothing happens by itself: timers fire, effects end and answers come when the test says
 * so.
 */
import assert from 'node:assert/strict'
import { Events } from '../../actors/effects/events.ts'
import { Said } from '../../actors/effects/said.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import type { Event } from '../../actors/protocols/event.ts'
import { stopReason, type Actor, type AskFailure, type Effect } from '../../src/runtime/actor.ts'
import { Letter, type AnyMessage, type Item, type Make, type Op } from '../../src/runtime/letter.ts'
import { refText, type Message, type Protocol, type Ref, type Spec } from '../../src/runtime/protocol.ts'
import { checker, is, type Static, type TSchema } from '../../src/runtime/schema.ts'
import { runTurn, Turn, turnFor } from '../../src/runtime/turn.ts'

/** What is said waits for nothing, and is not performed by hand. */
const saying = Said.say({
  appId: '',
  line: { atUs: 0, source: '', process: '', text: new Uint8Array() },
}).name

/** What changed is told at once, unless a test holds it. */
const telling = Events.publish({ appId: '', source: '', events: [], unsure: false }).name

export type DriveOptions<Args, Saved> = {
  readonly key: string
  readonly args: Args
  readonly host?: string
  /** Given: the actor is keyed, and loads this record instead of starting with init. */
  readonly saved?: Saved
  readonly nowMs?: number
  /** Events are effects like any other: they are told when the test says so. */
  readonly holdsEvents?: boolean
}

/** What an actor said, without who says it. */
export const textsOf = ({ said }: { readonly said: readonly Line[] }): string[] =>
  said.map(({ text }) => Buffer.from(text).toString())

export type Told = { readonly to: Ref<unknown>; readonly message: AnyMessage }
export type Asked = Told & { readonly timeoutMs: number; readonly done: Make; readonly failed: Make }
export type Ran = Effect & { readonly done: Make | undefined; readonly failed: Make | undefined }
export type Replied = {
  /** Type of the question. */
  readonly type: string
  readonly value?: unknown
  readonly refused?: { readonly code: string; readonly reason: string }
}

export class Driver<State, P extends Protocol, SavedState> {
  state: State
  nowMs: number
  readonly self: Ref<P>
  /** Everything since the start, oldest first; `clear` empties them. */
  readonly told: Told[] = []
  readonly asked: Asked[] = []
  readonly ran: Ran[] = []
  /** Lines that it said in apps' logs. */
  readonly said: Line[] = []
  /** What it told of its changes. */
  readonly events: Event[] = []
  readonly replies: Replied[] = []
  readonly logs: Readonly<Record<string, unknown>>[] = []
  readonly spawned: { readonly type: string; readonly key: string; readonly args: unknown }[] = []
  readonly halted: string[] = []
  /** Armed now, by name. */
  readonly timers = new Map<string, { readonly ms: number; readonly message: AnyMessage }>()
  readonly reminders = new Map<string, { readonly atMs: number; readonly message: AnyMessage }>()
  /** Watched now, as text. */
  readonly watched = new Set<string>()
  /** Why it stopped. */
  stopped: string | undefined
  // The driver passes states and messages through, as the runtime does.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly #actor: Actor<any, State, any, any, any>
  readonly #callers = new Map<string, string>()
  readonly #random = countingRandom()
  readonly #host: string
  readonly #holdsEvents: boolean
  /** Told, and not yet known to be. */
  #tellings: Ran[] = []
  #asks = 0
  #revision = 0

  // oxlint-disable-next-line typescript/no-explicit-any
  constructor(actor: Actor<any, State, any, any, any>, options: DriveOptions<unknown, unknown>) {
    this.#actor = actor
    this.#host = options.host ?? 'host-1'
    this.#holdsEvents = options.holdsEvents ?? false
    this.nowMs = options.nowMs ?? 1_800_000_000_000
    const { durable, init, awake } = actor.behaviour
    const to = actor.protocol.name as string
    this.self = durable === undefined ? { to, key: options.key, host: this.#host } : { to, key: options.key }
    const turn = new Turn(this.#env(), 0, '', undefined)
    if (options.saved === undefined) this.state = init(options.args, turn)
    else {
      assert(durable !== undefined, 'only a durable actor has a record')
      this.#revision = 1
      this.state = durable.load(options.saved, options.key)
    }
    if (awake !== undefined) this.state = awake(this.state, turn)
    turn.close()
    this.#record(turn.ops)
    this.#tell()
  }

  /** One message. @returns what an ask was answered with in the same turn */
  send(message: Message<P>): Replied | undefined {
    const { type } = message as AnyMessage
    const spec = (this.#actor.protocol.spec as Spec)[type]
    assert(spec !== undefined, `${type} is no message of ${this.self.to}`)
    const fault = checker(is.obj(spec.fields))(message)
    assert(fault === undefined, `${type}${fault?.path}: ${fault?.want}`)
    const before = this.replies.length
    const caller = spec.kind === 'ask' ? this.#caller(type) : undefined
    this.#turn(new Letter(this.self, message, caller, '', 0))
    return this.replies[before]
  }

  /** The named timer fires. */
  fire(name: string): void {
    const timer = this.timers.get(name)
    assert(timer !== undefined, `timer ${name} is armed`)
    this.timers.delete(name)
    this.nowMs += timer.ms
    this.#turn({ op: 'timer', name, message: timer.message, sequence: 0, trace: '' })
  }

  /** The named durable timer is due. */
  remind(name: string): void {
    const reminder = this.reminders.get(name)
    assert(reminder !== undefined, `reminder ${name} is set`)
    this.reminders.delete(name)
    this.nowMs = Math.max(this.nowMs, reminder.atMs)
    this.#turn({ op: 'reminder', reminder: { name, ...reminder, queued: true } })
  }

  /** The oldest open effect of that name ends well. */
  done(name: string, result?: unknown): void {
    const ran = this.#takeRan(name)
    if (ran.done !== undefined) this.#turn({ op: 'result', make: ran.done, value: result, trace: '' })
  }

  /** The oldest open effect of that name fails. */
  failed(name: string, code: string, message = code): void {
    const ran = this.#takeRan(name)
    if (ran.failed !== undefined) {
      this.#turn({ op: 'result', make: ran.failed, value: { code, message }, trace: '' })
    }
  }

  /** The oldest open ask of that message type is answered. */
  answered(type: string, value: unknown): void {
    this.#turn({ op: 'result', make: this.#takeAsked(type).done, value, trace: '' })
  }

  askFailed(type: string, failure: AskFailure): void {
    this.#turn({ op: 'result', make: this.#takeAsked(type).failed, value: failure, trace: '' })
  }

  down(ref: Ref<unknown>, reason: string): void {
    assert(this.watched.delete(refText(ref)), `${refText(ref)} is watched`)
    this.#turn({ op: 'down', id: '', ref: ref as Ref, reason })
  }

  lost(count: number, sinceMs = this.nowMs): void {
    this.#turn({ op: 'lost', count, sinceMs })
  }

  /** Its key has another owner, and no effect is open. */
  moved(): void {
    const turn = new Turn(this.#env(), this.#revision, '', undefined)
    this.#actor.behaviour.moved?.(this.state, turn)
    turn.close()
    this.#record(turn.ops)
  }

  /** Its supervisor stops it. */
  stop(reason: string): void {
    const turn = new Turn(this.#env(), this.#revision, '', undefined)
    this.#actor.behaviour.stopping?.(this.state, reason, turn)
    turn.close()
    this.#record(turn.ops)
    this.stopped = reason
  }

  /** What would be in its record now, checked against its schema. */
  saved(): SavedState | undefined {
    const { durable } = this.#actor.behaviour
    assert(durable !== undefined, 'it is durable')
    const saved = durable.save(this.state) as SavedState | undefined
    const fault = saved === undefined ? undefined : checker(durable.schema as TSchema)(saved)
    assert(fault === undefined, `saved state ${fault?.path}: ${fault?.want}`)
    return saved
  }

  /** Forgets what was recorded so far. */
  clear(): this {
    for (const list of [
      this.told,
      this.asked,
      this.ran,
      this.said,
      this.events,
      this.replies,
      this.logs,
      this.spawned,
      this.halted,
    ]) {
      list.length = 0
    }
    return this
  }

  #turn(item: Item): void {
    assert(this.stopped === undefined, 'it has not stopped')
    const turn = turnFor(this.#env(), this.#revision, item)
    const next = runTurn(this.#actor.behaviour, this.state, item, turn)
    const reason = stopReason(next)
    if (reason === undefined) this.state = next as State
    this.#record(turn.ops)
    if (reason !== undefined) this.stop(reason)
    else this.#tell()
  }

  #tell(): void {
    const [{ args, done } = {}] = this.#tellings.splice(0, 1)
    if (done === undefined) return
    const { events } = args as { readonly events: readonly Event[] }
    this.events.push(...events)
    this.#turn({ op: 'result', make: done, value: { through: events.at(-1)?.n ?? 0 }, trace: '' })
  }

  #env(): ConstructorParameters<typeof Turn>[0] {
    return {
      self: this.self,
      host: this.#host,
      random: this.#random,
      nowMs: () => this.nowMs,
      durable: this.#actor.behaviour.durable !== undefined,
      timerMsMax: 2 ** 31 - 1,
      askTimeoutMsMax: 3_600_000,
    }
  }

  #caller(type: string): { host: string; id: string; deadlineMs: number } {
    this.#asks += 1
    const id = `ask-${this.#asks}`
    this.#callers.set(id, type)
    return { host: this.#host, id, deadlineMs: this.nowMs + 60_000 }
  }

  #takeRan(name: string): Ran {
    const at = this.ran.findIndex((ran) => ran.name === name)
    const [ran] = at < 0 ? [] : this.ran.splice(at, 1)
    assert(ran !== undefined, `effect ${name} was asked for`)
    return ran
  }

  #takeAsked(type: string): Asked {
    const at = this.asked.findIndex((asked) => asked.message.type === type)
    const [asked] = at < 0 ? [] : this.asked.splice(at, 1)
    assert(asked !== undefined, `${type} was asked`)
    return asked
  }

  #record(ops: readonly Op[]): void {
    for (const op of ops) this.#recordOne(op)
  }

  #recordOne(op: Op): void {
    switch (op.op) {
      case 'letter':
        return void this.told.push({ to: op.ref, message: op.message })
      case 'ask': {
        const { ref, message, timeoutMs, done, failed } = op
        return void this.asked.push({ to: ref, message, timeoutMs, done, failed })
      }
      case 'answer':
        return this.#replied(op.caller.id, { value: op.value })
      case 'refuse':
        return this.#replied(op.caller.id, { refused: { code: op.code, reason: op.reason } })
      case 'after':
        return void this.timers.set(op.timer, { ms: op.ms, message: op.message })
      case 'cancel':
        return void this.timers.delete(op.timer)
      case 'remind':
        return void this.reminders.set(op.timer, { atMs: op.atMs, message: op.message })
      case 'forget':
        return void this.reminders.delete(op.timer)
      case 'watch':
        return void this.watched.add(refText(op.ref))
      case 'unwatch':
        return void this.watched.delete(refText(op.ref))
      case 'spawn':
        return void this.spawned.push({ type: op.actor.protocol.name, key: op.key, args: op.args })
      case 'halt':
        return void this.halted.push(refText(op.ref))
      case 'run': {
        const { effect, done, failed } = op
        if (effect.name === saying) return void this.said.push((effect.args as { readonly line: Line }).line)
        if (effect.name === telling && !this.#holdsEvents)
          return void this.#tellings.push({ ...effect, done, failed })
        return void this.ran.push({ ...effect, done, failed })
      }
      case 'log':
        return void this.logs.push(op.fields)
    }
  }

  #replied(id: string, reply: Omit<Replied, 'type'>): void {
    const type = this.#callers.get(id)
    // Told, not asked; or answered already: nobody waits.
    if (type === undefined) return
    this.#callers.delete(id)
    this.replies.push({ type, ...reply })
  }
}

/** Starts an actor to be driven by hand: init (or load) and awake have run. */
export const drive = <Args, State, const N extends string, const S extends Spec, Saved extends TSchema>(
  actor: Actor<Args, State, N, S, Saved>,
  options: DriveOptions<Args, Static<Saved>>,
): Driver<State, Protocol<N, S>, Static<Saved>> => new Driver(actor, options)

/** Names that count up, and a middling chance. */
const countingRandom = (): { next: () => number; uuid: () => string; token: (length: number) => string } => {
  let count = 0
  return {
    next: () => 0.5,
    uuid: () => {
      count += 1
      return `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`
    },
    token: (length) => {
      count += 1
      return String(count).padStart(length, 't')
    },
  }
}
