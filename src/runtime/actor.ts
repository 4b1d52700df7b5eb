/**
 * The actor contract: what its author writes, and what the runtime promises in return.
 *
 *   the author writes                          the runtime does
 *   -----------------                          ----------------
 *   init(args, ctx) -> state                   starts it under its supervisor, with its args
 *   receive[type](state, message, ctx)         takes one message at a time, checked against the protocol
 *     -> state | stop(reason)                  commits the turn whole (state, tells, timers, effects) or not
 *   durable: { save, load, version }           stores the state by compare-and-set BEFORE the turn's tells
 *                                              leave; a lost race reloads it and replays the message
 *   down(state, { ref, reason }, ctx)          exactly one for each watch
 *   lost(state, { count, sinceMs }, ctx)       the mailbox overflowed: what was lost is told in-band
 *   stopping(state, reason, ctx)               last words; what it tells here still leaves
 *
 * `receive` is synchronous and asks for all I/O as data through `ctx`; results come back as messages.
 * A turn that throws sends nothing; the supervisor decides what happens next.
 */
import type {
  Answer,
  Ask,
  Message,
  MessageOf,
  Protocol,
  QuestionName,
  QuestionOf,
  Ref,
  Spec,
} from './protocol.ts'
import type { Static, TSchema } from './schema.ts'

/** Something for the outside world to do, as data; the host's interpreter of that name performs it. */
export type Effect<R = unknown> = { readonly name: string; readonly args: unknown; readonly _?: R }
export const effect =
  <A, R>(name: string) =>
  (args: A): Effect<R> => ({ name, args })

/** Why an ask has no answer. `nobody`: it surely was not handled. `unknown`: it may have been. */
export type AskFailure =
  | { readonly kind: 'nobody'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }

/** The right to answer one ask later: plain data, may be kept in state. */
export type Caller = { readonly host: string; readonly id: string; readonly deadlineMs: number }

const stopped = Symbol('stopped')
export type Stop = { readonly [stopped]: string }
/** Ends the actor. `normal` and `shutdown` are not failures. */
export const stop = (reason: 'normal' | 'shutdown' | (string & {})): Stop => ({ [stopped]: reason })
export const stopReason = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && stopped in value ? (value as Stop)[stopped] : undefined

/** Logfmt fields. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>

/** What a turn may ask of the runtime. Everything here is collected and done only if the turn commits. */
export type Ctx<P = Protocol> = {
  readonly self: Ref<P>
  /** Name of the host that runs this activation. */
  readonly host: string
  /** Wall-clock milliseconds, fixed for the turn. */
  readonly now: number
  /** Revision of the durable record as loaded or last written; 0 when there is none. The actor's epoch. */
  readonly revision: number
  /** A fresh lower-case UUID. */
  uuid(): string
  /** In [0, 1). */
  random(): number
  tell<Q>(to: Ref<Q>, message: Message<Q>): void
  /** Ask and continue: the answer, or the failure, comes back as a message of one's own. */
  ask<Q, K extends QuestionName<Q>>(
    to: Ref<Q>,
    message: QuestionOf<Q, K>,
    timeoutMs: number,
    done: (answer: Answer<Q, K>) => Message<P>,
    failed: (failure: AskFailure) => Message<P>,
  ): void
  /**
   * Answers an ask whose `caller` was kept. A second answer, or one past the deadline, is dropped and
   * counted.
   */
  answer(caller: Caller, value: unknown): void
  refuse(caller: Caller, code: string, reason: string): void
  /** (Re)starts the named timer; it dies with the activation. */
  after(timer: string, ms: number, message: Message<P>): void
  cancel(timer: string): void
  /**
   * A durable timer: survives everything; wakes the actor by delivering `message` at or after `atMs`. Durable
   * actors only.
   */
  remind(timer: string, atMs: number, message: Message<P>): void
  forget(timer: string): void
  /** Exactly one `down` follows, also when the target is already gone (`noproc`). */
  watch(to: Ref<unknown>): void
  unwatch(to: Ref<unknown>): void
  /** Starts a child of this host's `dynamic` node for that actor. Already there: nothing happens. */
  spawn<A>(actor: ActorDef<A>, key: string, args: A): void
  /** Asks the supervisor of a child on this host to stop it, within its shutdown budget. */
  halt(child: Ref<unknown>): void
  run<R>(
    effect: Effect<R>,
    done?: (result: R) => Message<P>,
    failed?: (error: EffectError) => Message<P>,
  ): void
  log(fields: Fields): void
}

/** In the handler of an ask. Exactly one of: `reply` now, `refuseCaller` now, or keep `caller` for later. */
export type AskCtx<P, R> = Ctx<P> & {
  readonly caller: Caller
  reply(value: R): void
  refuseCaller(code: string, reason: string): void
}

/** What an effect fails with: a typed code and text, never a bare throw. */
export type EffectError = { readonly code: string; readonly message: string }

export type Overflow = 'reject' | 'drop-oldest' | 'latest-per-key'
export type Mailbox<P> = {
  readonly capacity: number
  readonly overflow: Overflow
  /** For `latest-per-key`: messages of the same key replace each other; undefined = queued as it is. */
  readonly keyOf?: (message: Message<P>) => string | undefined
}

/** How a keyed actor's state becomes a record. */
export type Durable<S, Saved extends TSchema = TSchema> = {
  readonly version: number
  readonly schema: Saved
  /** Undefined: there is nothing to keep (the record is removed if there was one). */
  readonly save: (state: S) => Static<Saved> | undefined
  readonly load: (saved: Static<Saved>, key: string) => S
  /** By the version they lift from: `{ 1: (old) => v2 }`. */
  readonly upcast?: Readonly<Record<number, (old: unknown) => unknown>>
}

export type Down = { readonly ref: Ref; readonly reason: string }
export type Lost = { readonly count: number; readonly sinceMs: number }

type CtxFor<P, S extends Spec, K extends keyof S> =
  S[K] extends Ask<infer _F, infer R> ? AskCtx<P, Static<R>> : Ctx<P>
export type Receive<State, P, S extends Spec> = {
  readonly [K in keyof S & string]: (
    state: State,
    message: MessageOf<P, K>,
    ctx: CtxFor<P, S, K>,
  ) => State | Stop
}

export type Behaviour<Args, State, N extends string, S extends Spec, Saved extends TSchema> = {
  readonly mailbox: Mailbox<Protocol<N, S>>
  readonly init: (args: Args, ctx: Ctx<Protocol<N, S>>) => State
  readonly receive: Receive<State, Protocol<N, S>, S>
  /** Keyed actors only. */
  readonly durable?: Durable<State, Saved>
  /**
   * Called once after a durable state was loaded (or found absent, after init): re-arm timers, re-announce.
   */
  readonly awake?: (state: State, ctx: Ctx<Protocol<N, S>>) => State
  readonly down?: (state: State, down: Down, ctx: Ctx<Protocol<N, S>>) => State | Stop
  readonly lost?: (state: State, lost: Lost, ctx: Ctx<Protocol<N, S>>) => State | Stop
  /**
   * Keyed actors without a record: the key has another owner. Comes once no effect is open any more; what it
   * tells its own key goes to the new owner. The activation takes messages until then, and ends with it.
   */
  readonly moved?: (state: State, ctx: Ctx<Protocol<N, S>>) => void
  readonly stopping?: (state: State, reason: string, ctx: Ctx<Protocol<N, S>>) => void
}

/** An actor definition, erased to what a tree needs to know. */
export type ActorDef<Args = never> = {
  readonly protocol: Protocol
  // The state and message types are the author's own; the runtime only passes them through.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly behaviour: Behaviour<Args, any, any, any, any>
}
/** The same with its protocol kept, for tests that drive it. */
export type Actor<Args, State, N extends string, S extends Spec, Saved extends TSchema> = {
  readonly protocol: Protocol<N, S>
  readonly behaviour: Behaviour<Args, State, N, S, Saved>
}

export const actor = <
  Args,
  State,
  const N extends string,
  const S extends Spec,
  Saved extends TSchema = TSchema,
>(
  protocol: Protocol<N, S>,
  behaviour: Behaviour<Args, State, N, S, Saved>,
): Actor<Args, State, N, S, Saved> => ({ protocol, behaviour })
