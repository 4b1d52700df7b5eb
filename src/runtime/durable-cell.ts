/**
 * An activation whose state outlives it: turns leave only after the store has accepted what they changed.
 *
 * Up to a batch of waiting messages runs against the state in memory; one write stores the result; then the
 * outboxes leave in order. The mailbox waits meanwhile. Only three things end a batch: the store accepted
 * it; somebody else wrote the record (it is reloaded and the batch runs again, so many times); or the
 * activation is over.
 */
import type { Timer } from '../ports/clock.ts'
import { stopReason, type ActorDef } from './actor.ts'
import { Cell, type CellOwner } from './cell.ts'
import { commitTurn } from './commit.ts'
import { ActError } from './errors.ts'
import { Journal } from './journal.ts'
import type { Kernel } from './kernel.ts'
import { itemType, type Item } from './letter.ts'
import type { Ref } from './protocol.ts'
import { noReminders, recordKey, type RecordFormat, type Reminders } from './record.ts'
import { earliestMs, withReminders } from './remind.ts'
import { runTurn, Turn, turnFor } from './turn.ts'

/** Turns that share a write, and what they lead to. */
type Batch = {
  readonly items: Item[]
  readonly turns: Turn[]
  state: unknown
  reminders: Reminders
  stop: string | undefined
  crash: { readonly error: unknown; readonly item: Item } | undefined
}

export class DurableCell extends Cell {
  readonly #journal: Journal
  readonly #format: RecordFormat
  readonly #args: unknown
  #reminders: Reminders = noReminders
  #reminderTimer: Timer | undefined
  #writing = false
  /** The index of reminders was told what the record says. */
  #indexed = false

  constructor(
    kernel: Kernel,
    def: ActorDef,
    ref: Ref,
    owner: CellOwner,
    format: RecordFormat,
    args: unknown,
  ) {
    super(kernel, def, ref, owner, true)
    this.#format = format
    this.#args = args
    this.#journal = new Journal(kernel, recordKey(ref.to, ref.key), () => this.#alive())
  }

  /** Loads the record (init when there is none), then awake. Crashes when it cannot. */
  override open(): void {
    void this.#guarded('open', async () => {
      const batch = await this.#load()
      if (!this.#alive()) return
      this.opened = true
      this.closed = false
      this.#commit(batch, 0)
    })
  }

  override run(turnsMax: number): number {
    if (this.closed) return 0
    if (this.#journal.stale()) {
      this.#refresh()
      return 0
    }
    this.activeMs = this.kernel.clock.monotonicMs()
    const batch = this.#batch()
    while (batch.items.length < turnsMax && batch.stop === undefined && batch.crash === undefined) {
      const item = this.next()
      if (item === undefined) break
      this.#take(batch, item)
      if (this.kernel.scheduler.spent()) break
    }
    const taken = batch.items.length
    if (taken > 0) this.#commit(batch, 0)
    return taken
  }

  override doubt(): void {
    this.#journal.doubt()
  }

  override vanish(): void {
    super.vanish()
    this.#reminderTimer?.cancel()
  }

  protected override turn(): Turn {
    return new Turn(this.env, this.#journal.revision, '', undefined)
  }

  protected override wanted(item: Item): boolean {
    if (item.op !== 'reminder') return super.wanted(item)
    return this.#reminders.get(item.reminder.name) === item.reminder
  }

  /** A write in flight is finished first. */
  protected override stopNow(reason: string): void {
    if (!this.#writing) super.stopNow(reason)
  }

  protected override die(reason: string, first: Parameters<Cell['die']>[1] = []): void {
    this.#reminderTimer?.cancel()
    super.die(reason, first)
  }

  #alive(): boolean {
    return !this.dead && !this.kernel.killed()
  }

  #batch(): Batch {
    return {
      items: [],
      turns: [],
      state: this.state,
      reminders: this.#reminders,
      stop: undefined,
      crash: undefined,
    }
  }

  /**
   * Looks whether the record is still the one it has: while views differ, another host may own the key too,
   * and an actor that only answers questions would never find out.
   */
  #refresh(): void {
    this.closed = true
    this.#writing = true
    void this.#guarded('refresh', async () => {
      const changed = await this.#journal.changed()
      const batch = changed && this.#alive() ? await this.#load() : this.#batch()
      if (!this.#alive()) return
      this.#writing = false
      this.closed = false
      this.#commit(batch, 0)
    })
  }

  /** Runs one item on what the batch has come to. */
  #take(batch: Batch, item: Item): void {
    const turn = turnFor(this.env, this.#journal.revision, item)
    batch.items.push(item)
    try {
      const next = runTurn(this.def.behaviour, batch.state, item, turn)
      const fired = item.op === 'reminder' ? item.reminder : undefined
      batch.reminders = withReminders(batch.reminders, turn.ops, fired, this.kernel.limits.remindersMax)
      batch.stop = stopReason(next)
      if (batch.stop === undefined) batch.state = next
      batch.turns.push(turn)
    } catch (error) {
      batch.crash = { error, item }
    }
    this.kernel.scheduler.turnEnded(this.name, item)
  }

  /** The state is the record's again (init's when there is none), and a batch begins with init and awake. */
  async #load(): Promise<Batch> {
    const entry = await this.#journal.load()
    const turn = this.turn()
    try {
      this.#reminders = noReminders
      if (entry === undefined) this.state = this.def.behaviour.init(this.#args as never, turn)
      else {
        const loaded = this.#format.decode(entry.value, this.ref.key)
        this.state = loaded.state
        this.#reminders = loaded.reminders
      }
      const batch = this.#batch()
      batch.state = this.awaken(this.state, turn)
      batch.reminders = withReminders(batch.reminders, turn.ops, undefined, this.kernel.limits.remindersMax)
      batch.turns.push(turn)
      return batch
    } finally {
      turn.close()
    }
  }

  /** Writes what a batch changed, then lets its outboxes leave. Nothing changed: they leave at once. */
  #commit(batch: Batch, conflicts: number): void {
    if (batch.state === this.state && batch.reminders === this.#reminders) return this.#release(batch)
    const write = this.kernel.writeName()
    let bytes: Uint8Array | undefined
    try {
      bytes = this.#format.encode(batch.state, batch.reminders, write, this.#journal.writes)
    } catch (error) {
      for (const item of batch.items) this.unanswered(item)
      return this.crash(error, 'save')
    }
    if (this.#journal.says(bytes)) return this.#release(batch)
    this.closed = true
    this.#writing = true
    void this.#guarded('write', () => this.#write(batch, bytes, write, conflicts), batch)
  }

  async #write(batch: Batch, bytes: Uint8Array | undefined, write: string, conflicts: number): Promise<void> {
    const dueMs = bytes === undefined ? undefined : earliestMs(batch.reminders)
    if (dueMs !== undefined) await this.kernel.reminders.ensure(this.ref, dueMs)
    const outcome = await this.#journal.commit(bytes, write)
    if (!this.#alive()) return
    if (outcome === 'conflict') return this.#reload(batch, write, conflicts + 1)
    this.kernel.stats.writes += 1
    this.#writing = false
    this.closed = false
    // No record, no reminders: they live in it.
    if (bytes === undefined) batch.reminders = noReminders
    this.#release(batch)
  }

  /** Somebody else wrote: the state is theirs now. */
  async #reload(batch: Batch, write: string, conflicts: number): Promise<void> {
    this.kernel.stats.conflicts += 1
    if (conflicts >= this.kernel.limits.conflictsMax) {
      throw new ActError('ACT_CONFLICT', `${conflicts} lost races for ${this.name}`)
    }
    const again = await this.#load()
    if (!this.#alive()) return
    this.#writing = false
    this.closed = false
    if (this.#journal.writes.includes(write)) this.#landed(batch, again)
    else if (this.stopping === 'moved') {
      // The key has another owner: what the batch took goes there, unhandled.
      return this.die(
        'moved',
        batch.items.filter((item) => item.op === 'letter'),
      )
    } else this.#replay(batch, again)
    if (!this.dead) this.#commit(again, conflicts)
  }

  /** They built on this very write: it is committed, and what the batch asked for may leave. */
  #landed(batch: Batch, again: Batch): void {
    for (const turn of batch.turns) commitTurn(this.kernel, this, turn)
    again.stop = batch.stop
    again.crash = batch.crash
  }

  /** What the batch did is void, and its items run again on what they wrote. */
  #replay(batch: Batch, again: Batch): void {
    for (const item of batch.items) {
      if (again.stop !== undefined || again.crash !== undefined) return
      // A reminder that is still due fires again from the record.
      if (item.op !== 'reminder') this.#take(again, item)
    }
  }

  #release(batch: Batch): void {
    const reminding = this.#reminders.size + batch.reminders.size > 0
    this.state = batch.state
    this.#reminders = batch.reminders
    for (const turn of batch.turns) commitTurn(this.kernel, this, turn)
    if (this.dead) return
    if (reminding || !this.#indexed) this.#armReminders()
    if (batch.crash !== undefined) {
      this.unanswered(batch.crash.item)
      return this.crash(batch.crash.error, itemType(batch.crash.item))
    }
    if (batch.stop !== undefined) return this.lastWords(batch.stop)
    if (this.stopping !== undefined) return this.stopNow(this.stopping)
    this.ready()
  }

  #armReminders(): void {
    this.#reminderTimer?.cancel()
    this.#reminderTimer = undefined
    this.#indexed = true
    this.kernel.reminders.settle(this.ref, earliestMs(this.#reminders))
    const waiting = [...this.#reminders.values()].filter(({ queued }) => !queued)
    if (waiting.length === 0) return
    const dueMs = Math.min(...waiting.map(({ atMs }) => atMs))
    const waitMs = Math.min(Math.max(0, dueMs - this.kernel.nowMs()), this.kernel.limits.timerMsMax)
    this.#reminderTimer = this.kernel.clock.after(waitMs, () => {
      for (const reminder of this.#reminders.values()) {
        if (reminder.queued || reminder.atMs > this.kernel.nowMs()) continue
        reminder.queued = true
        this.deliver({ op: 'reminder', reminder })
      }
      this.#armReminders()
    })
  }

  /** Runs what waits for the store; what it throws crashes the actor. */
  async #guarded(what: string, run: () => Promise<void>, batch?: Batch): Promise<void> {
    this.kernel.stats.busy += 1
    try {
      await run()
    } catch (error) {
      if (!this.#alive()) return
      for (const item of batch?.items ?? []) this.unanswered(item)
      this.crash(error, what)
    } finally {
      this.kernel.stats.busy -= 1
    }
  }
}
