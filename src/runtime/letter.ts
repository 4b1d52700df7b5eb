/**
 * What moves inside a node: letters between actors, replies to asks, and what a cell finds in its own
 * mailbox.
 *
 * Letters are one object a message and hold the message by reference; only the wire (envelope.ts) copies.
 */
import type { ActorDef, AskFailure, Caller, Effect, EffectError, Fields } from './actor.ts'
import type { Ref } from './protocol.ts'

export type AnyMessage = { readonly type: string }

/** A tell, or an ask when somebody waits for its answer. */
export class Letter {
  readonly op = 'letter'
  readonly ref: Ref<unknown>
  readonly message: AnyMessage
  readonly caller: Caller | undefined
  readonly trace: string
  /** How often it was sent on to another owner. */
  readonly hops: number
  constructor(
    ref: Ref<unknown>,
    message: AnyMessage,
    caller: Caller | undefined,
    trace: string,
    hops: number,
  ) {
    this.ref = ref
    this.message = message
    this.caller = caller
    this.trace = trace
    this.hops = hops
  }
}

/** An answer on its way to who asked. */
export type Reply = {
  readonly op: 'reply'
  readonly caller: Caller
  readonly failure: AskFailure | undefined
  readonly value: unknown
  readonly trace: string
}

/** The watch protocol between hosts (watch.ts), and `wake`: activate a keyed actor whose reminder is due. */
export type Signal = {
  readonly op: 'signal'
  readonly kind: 'watch' | 'watching' | 'unwatch' | 'down' | 'wake'
  readonly ref: Ref<unknown>
  /** The watch, unique on the host that watches. */
  readonly id: string
  /** Host of the sender of this signal. */
  readonly from: string
  /** Which activation is meant; empty when it is not known yet. */
  readonly incarnation: string
  readonly reason: string
}

/** A durable timer as an activation holds it; `queued` once it is in the mailbox. */
export type Reminder = {
  readonly name: string
  readonly atMs: number
  readonly message: AnyMessage
  queued: boolean
}

/** Makes an actor's own message out of a result. */
export type Make = (value: never) => AnyMessage

/** What a cell may find in its mailbox. All but letters are in the system lane. */
export type Item =
  | Letter
  | {
      readonly op: 'result'
      readonly make: Make
      readonly value: unknown
      readonly trace: string
    }
  | {
      readonly op: 'timer'
      readonly name: string
      readonly message: AnyMessage
      readonly sequence: number
      readonly trace: string
    }
  | { readonly op: 'reminder'; readonly reminder: Reminder }
  | { readonly op: 'down'; readonly id: string; readonly ref: Ref; readonly reason: string }
  | { readonly op: 'lost'; readonly count: number; readonly sinceMs: number }

/** What a turn asked for, in order; done only when the turn commits. */
export type Op =
  | Letter
  | {
      readonly op: 'ask'
      readonly ref: Ref<unknown>
      readonly message: AnyMessage
      readonly timeoutMs: number
      readonly done: Make
      readonly failed: (failure: AskFailure) => AnyMessage
    }
  | { readonly op: 'answer'; readonly caller: Caller; readonly value: unknown }
  | { readonly op: 'refuse'; readonly caller: Caller; readonly code: string; readonly reason: string }
  | { readonly op: 'after'; readonly timer: string; readonly ms: number; readonly message: AnyMessage }
  | { readonly op: 'cancel'; readonly timer: string }
  | { readonly op: 'remind'; readonly timer: string; readonly atMs: number; readonly message: AnyMessage }
  | { readonly op: 'forget'; readonly timer: string }
  | { readonly op: 'watch' | 'unwatch' | 'halt'; readonly ref: Ref<unknown> }
  | { readonly op: 'spawn'; readonly actor: ActorDef; readonly key: string; readonly args: unknown }
  | {
      readonly op: 'run'
      readonly effect: Effect
      readonly done: Make | undefined
      readonly failed: ((error: EffectError) => AnyMessage) | undefined
    }
  | { readonly op: 'log'; readonly fields: Fields }

/** The message type an item stands for, for the watchdog and the log. */
export const itemType = (item: Item): string => {
  switch (item.op) {
    case 'letter':
    case 'timer':
      return item.message.type
    case 'reminder':
      return item.reminder.message.type
    case 'result':
    case 'down':
    case 'lost':
      return item.op
  }
}
