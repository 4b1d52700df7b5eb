/**
 * One activation of an actor: its mailbox, its state, and the turns that lead from one to the next.
 *
 *   closed        takes nothing: not opened yet, a durable write is in flight, or it is over
 *   open          the scheduler lets it take messages
 *   stopping      said its last words; waits for the effects those asked for
 *   dead          forgotten; what still comes for it is dropped and counted
 *
 * Here a turn commits at once; durable-cell.ts lets it wait for the store.
 */
import type { ActorDef } from './actor.ts'
import { stopReason } from './actor.ts'
import { commitTurn } from './commit.ts'
import { ActError, crashReason, errorText } from './errors.ts'
import type { Kernel } from './kernel.ts'
import { itemType, type Item, type Letter } from './letter.ts'
import { Mailbox } from './mailbox.ts'
import { refText, type Ref } from './protocol.ts'
import type { Runnable } from './scheduler.ts'
import type { Subject } from './subject.ts'
import { Timers } from './timers.ts'
import { runTurn, Turn, turnFor, type TurnEnv } from './turn.ts'

/** Whoever started it: told once when it is over, with the letters it did not take. */
export type CellOwner = {
  readonly exited: (cell: Cell, reason: string, letters: readonly Letter[]) => void
}

/** Ends without last words: the actor goes on elsewhere, or later. */
const silent = (reason: string): boolean => reason === 'moved' || reason === 'idle'

export class Cell implements Runnable, Subject {
  readonly ref: Ref
  readonly incarnation: string
  readonly timers: Timers
  scheduled = false
  dead = false
  /** Its init went well: it took, or could have taken, messages. */
  opened = false
  asksOpen = 0
  effectsOpen = 0
  /** Monotonic time of its last turn. */
  activeMs: number
  protected readonly kernel: Kernel
  protected readonly def: ActorDef
  protected readonly name: string
  protected readonly env: TurnEnv
  protected state: unknown
  protected closed = true
  /** Why it is being stopped; set once. */
  protected stopping: string | undefined
  readonly #owner: CellOwner
  readonly #mailbox: Mailbox<Item>
  #stopped: (() => void)[] = []
  #waitsForEffects = false
  /** It hands over what it holds once its effects have ended. */
  #leaves = false
  #controller: AbortController | undefined

  constructor(kernel: Kernel, def: ActorDef, ref: Ref, owner: CellOwner, durable = false) {
    this.kernel = kernel
    this.def = def
    this.#owner = owner
    this.ref = ref
    this.name = refText(ref)
    this.incarnation = kernel.nextIncarnation()
    this.timers = new Timers(kernel.clock, this)
    this.activeMs = kernel.clock.monotonicMs()
    const { capacity, overflow, keyOf } = def.behaviour.mailbox
    const keyOfItem = keyOf === undefined ? undefined : (item: Item) => this.#keyOf(item as Letter)
    this.#mailbox = new Mailbox(capacity, overflow, keyOfItem)
    this.env = {
      self: ref,
      host: kernel.host,
      random: kernel.random,
      nowMs: kernel.nowMs,
      durable,
      timerMsMax: kernel.limits.timerMsMax,
      askTimeoutMsMax: kernel.limits.askTimeoutMsMax,
    }
  }

  get queued(): number {
    return this.#mailbox.size
  }

  /** Nothing to do, and nothing it waits for: it may be passivated. */
  idle(): boolean {
    const waits = this.asksOpen + this.effectsOpen + this.timers.size + this.#mailbox.size
    return !this.closed && waits === 0 && !this.kernel.watches.involves(this)
  }

  /** Runs init, then awake. Throws what they throw; then nothing happened. */
  open(args: unknown): void {
    const turn = this.turn()
    let state: unknown
    try {
      state = this.awaken(this.def.behaviour.init(args as never, turn), turn)
    } finally {
      turn.close()
    }
    this.state = state
    this.opened = true
    this.closed = false
    commitTurn(this.kernel, this, turn)
    this.ready()
  }

  /** Into the user lane; what overflows is turned away. */
  accept(letter: Letter): void {
    const loser = this.#mailbox.offer(letter, this.kernel.nowMs)
    if (loser !== undefined) this.#turnedAway(letter, loser as Letter)
    this.ready()
  }

  deliver(item: Item): void {
    if (this.dead) return
    this.#mailbox.offerSystem(item)
    this.ready()
  }

  runnable(): boolean {
    return !this.closed && this.#mailbox.size > 0
  }

  run(turnsMax: number): number {
    this.activeMs = this.kernel.clock.monotonicMs()
    let taken = 0
    while (taken < turnsMax && !this.closed) {
      const item = this.next()
      if (item === undefined) break
      taken += 1
      this.#take(item)
      if (this.kernel.scheduler.spent()) break
    }
    return taken
  }

  signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  effectEnded(): void {
    if (this.#waitsForEffects && this.effectsOpen === 0) this.die(this.stopping ?? 'normal')
    // Its result, if it has one, comes first.
    else if (this.#leaves && this.#mailbox.size === 0) this.#leave()
  }

  /**
   * Ends it: what is being written first, then last words (not when it `moved` or is `idle`: it goes on
   * elsewhere or later). `done` is called when it is over.
   */
  stop(reason: string, done: () => void): void {
    if (this.dead) return done()
    this.#stopped.push(done)
    if (this.stopping !== undefined) return
    this.stopping = reason
    this.stopNow(reason)
  }

  /** Somebody else may have changed what it is about: it looks before it takes the next message. */
  doubt(): void {}

  /** Forgets it now. */
  kill(reason: string): void {
    if (!this.dead) this.die(reason)
  }

  /** As a crash of the whole process: nobody is told. */
  vanish(): void {
    this.dead = true
    this.closed = true
    this.timers.clear()
  }

  protected ready(): void {
    if (!this.scheduled && !this.closed && this.#mailbox.size > 0) this.kernel.scheduler.ready(this)
  }

  protected turn(): Turn {
    return new Turn(this.env, 0, '', undefined)
  }

  protected awaken(state: unknown, turn: Turn): unknown {
    const { awake } = this.def.behaviour
    return awake === undefined ? state : (awake(state, turn) as unknown)
  }

  /** The next item that still means something. */
  protected next(): Item | undefined {
    if (this.#mailbox.lostCount > 0 && this.def.behaviour.lost !== undefined) {
      const losses = this.#mailbox.takeLosses()
      if (losses !== undefined) return { op: 'lost', ...losses }
    }
    for (;;) {
      const item = this.#mailbox.take()
      if (item === undefined || this.wanted(item)) return item
    }
  }

  protected wanted(item: Item): boolean {
    switch (item.op) {
      case 'letter':
        if (item.caller === undefined || item.caller.deadlineMs >= this.kernel.nowMs()) return true
        this.kernel.deadLetters.add({ reason: 'expired', to: this.name, type: item.message.type })
        return false
      case 'timer':
        return this.timers.take(item)
      case 'down':
        return this.kernel.watches.take(item.id)
      case 'reminder':
      case 'result':
      case 'lost':
        return true
    }
  }

  /** A stop that came while it could not be stopped goes on here. */
  protected stopNow(reason: string): void {
    this.#leaves = reason === 'moved' && !this.closed && this.def.behaviour.moved !== undefined
    if (this.#leaves) this.#leave()
    else if (this.closed || silent(reason)) this.die(reason)
    else this.lastWords(reason)
  }

  #leave(): void {
    if (this.effectsOpen > 0 || this.dead) return
    this.closed = true
    const turn = this.turn()
    try {
      this.def.behaviour.moved?.(this.state, turn)
      turn.close()
      commitTurn(this.kernel, this, turn)
    } catch (error) {
      this.kernel.log({ at: 'crash', actor: this.name, type: 'moved', error: errorText(error) })
    }
    this.die('moved')
  }

  protected lastWords(reason: string): void {
    this.closed = true
    this.stopping ??= reason
    const turn = this.turn()
    try {
      this.def.behaviour.stopping?.(this.state, reason, turn)
      turn.close()
      commitTurn(this.kernel, this, turn)
    } catch (error) {
      this.kernel.log({ at: 'crash', actor: this.name, type: 'stopping', error: errorText(error) })
    }
    this.timers.clear()
    // The effects that its last words asked for are waited for, within its supervisor's budget.
    if (this.effectsOpen > 0 && turn.ops.some((op) => op.op === 'run')) this.#waitsForEffects = true
    else this.die(reason)
  }

  /** Of a turn that crashed or never committed: whoever asked cannot know what became of it. */
  protected unanswered(item: Item | undefined): void {
    if (item?.op !== 'letter' || item.caller === undefined) return
    const failure = { kind: 'unknown', reason: 'crashed' } as const
    this.kernel.reply({ op: 'reply', caller: item.caller, failure, value: undefined, trace: item.trace })
  }

  protected crash(error: unknown, type: string): void {
    const where = error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined
    this.kernel.log({ at: 'crash', actor: this.name, type, error: errorText(error), where })
    this.die(crashReason(error))
  }

  /** @param first letters that were taken but not handled: they go before those that still wait */
  protected die(reason: string, first: readonly Letter[] = []): void {
    if (this.dead) return
    this.dead = true
    this.closed = true
    this.timers.clear()
    this.#controller?.abort()
    const letters = [...first]
    for (let item = this.#mailbox.takeUser(); item !== undefined; item = this.#mailbox.takeUser()) {
      letters.push(item as Letter)
    }
    this.kernel.watches.ended(this, reason)
    this.#owner.exited(this, reason, letters)
    for (const done of this.#stopped) done()
  }

  #take(item: Item): void {
    const turn = turnFor(this.env, 0, item)
    let next: unknown
    try {
      next = runTurn(this.def.behaviour, this.state, item, turn)
    } catch (error) {
      this.kernel.scheduler.turnEnded(this.name, item)
      this.unanswered(item)
      return this.crash(error, itemType(item))
    }
    this.kernel.scheduler.turnEnded(this.name, item)
    const reason = stopReason(next)
    if (reason === undefined) this.state = next
    commitTurn(this.kernel, this, turn)
    if (this.dead) return
    if (reason !== undefined) this.lastWords(reason)
    else if (this.timers.size > this.kernel.limits.timersMax) {
      this.crash(new ActError('ACT_TOO_MANY', `${this.timers.size} timers`), itemType(item))
    } else if (this.#leaves) this.#leave()
  }

  /** Runs as a message arrives, outside any turn: one that throws must not be the sender's trouble. */
  #keyOf(letter: Letter): string | undefined {
    try {
      return this.def.behaviour.mailbox.keyOf?.(letter.message)
    } catch (error) {
      this.kernel.log({
        at: 'key_failed',
        actor: this.name,
        type: letter.message.type,
        error: errorText(error),
      })
      return undefined
    }
  }

  #turnedAway(newcomer: Letter, loser: Letter): void {
    const superseded = loser !== newcomer && this.def.behaviour.mailbox.overflow === 'latest-per-key'
    if (!superseded) this.kernel.stats.lost += 1
    // A superseded tell is what the mailbox was declared for; only an ask has somebody to be told.
    if (superseded && loser.caller === undefined) return
    this.kernel.bounce(loser, superseded ? 'superseded' : 'mailbox_full')
  }
}
