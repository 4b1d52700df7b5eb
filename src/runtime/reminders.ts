/**
 * Where the durable timers of actors that are not active are found: small records `remind/<type>/<key>` =
 * [next due ms].
 *
 * The truth is in the actor's own record. An index record is written BEFORE a record whose next reminder is
 * due earlier than the index says, and corrected after: so at any moment a crash leaves the index due too
 * early or just right, and too early only means that the actor is woken in vain and corrects it.
 *
 * The owner of a key scans the index when the node starts and whenever the view changes.
 */
import type { Clock, Timer } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import { StoreConflict, StoreUnavailable, type Entry, type Store } from '../ports/store.ts'
import { decode, encode } from './codec.ts'
import { errorText } from './errors.ts'
import { backoffMs, type Limits } from './limits.ts'
import type { Ref } from './protocol.ts'
import { escapeName, unescapeName } from './record.ts'

export type ReminderPorts = {
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly log: Log
  readonly limits: Limits
  /** Whether this host owns the actor now. */
  readonly owns: (ref: Ref) => boolean
  /** Activates the actor, here or on the host that owns it; its due reminders come from its own record. */
  readonly wake: (ref: Ref) => void
}

type Indexed = {
  readonly ref: Ref
  /** What the stored record says, as far as this node knows. */
  dueMs: number | undefined
  /** What it should say. */
  wantMs: number | undefined
  timer: Timer | undefined
  writing: Promise<void> | undefined
}

const prefix = 'remind/'

export class ReminderIndex {
  readonly #ports: ReminderPorts
  readonly #all = new Map<string, Indexed>()
  #scanning = 0
  #writes = 0
  #stopped = false

  constructor(ports: ReminderPorts) {
    this.#ports = ports
  }

  /** Index records being written or scanned now. */
  get busy(): number {
    return this.#writes + (this.#scanning > 0 ? 1 : 0)
  }

  /** Before the actor's record is written: returns when the stored index is due no later than `dueMs`. */
  async ensure(ref: Ref, dueMs: number): Promise<void> {
    const indexed = this.#entry(ref)
    while (!this.#stopped && (indexed.dueMs === undefined || indexed.dueMs > dueMs)) {
      indexed.wantMs = dueMs
      await this.#write(indexed)
    }
  }

  /** After it was written, or the actor was loaded: makes the index say `dueMs`, in the background. */
  settle(ref: Ref, dueMs: number | undefined): void {
    const known = this.#all.get(keyOf(ref))
    if (known === undefined && dueMs === undefined) return
    const indexed = known ?? this.#entry(ref)
    indexed.wantMs = dueMs
    // Too early does no harm: it is moved when it fires, so a timer that is set again and again costs no
    // write.
    const early = dueMs !== undefined && indexed.dueMs !== undefined && indexed.dueMs <= dueMs
    if (early || indexed.dueMs === dueMs) return this.#settled(indexed)
    void this.#write(indexed)
  }

  /** Arms what the store knows of actors that this host owns. Tried again until the store answers. */
  async scan(): Promise<void> {
    this.#scanning += 1
    const run = this.#scanning
    for (let attempt = 1; !this.#stopped && run === this.#scanning; attempt += 1) {
      try {
        for (const entry of await this.#ports.store.list(prefix)) this.#found(entry)
        break
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) {
          this.#ports.log({ at: 'reminder_scan_failed', error: errorText(error) })
        }
        await this.#pause(attempt)
      }
    }
    if (run === this.#scanning) this.#scanning = 0
  }

  stop(): void {
    this.#stopped = true
    for (const { timer } of this.#all.values()) timer?.cancel()
    this.#all.clear()
  }

  #entry(ref: Ref): Indexed {
    const key = keyOf(ref)
    const found = this.#all.get(key)
    if (found !== undefined) return found
    const made: Indexed = { ref, dueMs: undefined, wantMs: undefined, timer: undefined, writing: undefined }
    this.#all.set(key, made)
    return made
  }

  #found(entry: Entry): void {
    const [type, key] = entry.key.slice(prefix.length).split('/')
    if (type === undefined || key === undefined || this.#stopped) return
    const ref: Ref = { to: type, key: unescapeName(key) }
    if (!this.#ports.owns(ref)) return
    const indexed = this.#entry(ref)
    if (indexed.writing !== undefined) return
    indexed.dueMs = readDue(entry.value)
    indexed.wantMs = indexed.dueMs
    this.#arm(indexed)
  }

  #arm(indexed: Indexed): void {
    indexed.timer?.cancel()
    indexed.timer = undefined
    if (indexed.dueMs === undefined || this.#stopped) return
    const waitMs = Math.max(0, indexed.dueMs - this.#ports.clock.now())
    indexed.timer = this.#ports.clock.after(Math.min(waitMs, this.#ports.limits.timerMsMax), () => {
      indexed.timer = undefined
      if (indexed.dueMs !== undefined && indexed.dueMs > this.#ports.clock.now()) this.#arm(indexed)
      else if (indexed.wantMs === indexed.dueMs) this.#ports.wake(indexed.ref)
      else void this.#write(indexed)
    })
  }

  #settled(indexed: Indexed): void {
    if (indexed.dueMs === undefined) {
      indexed.timer?.cancel()
      this.#all.delete(keyOf(indexed.ref))
    } else if (indexed.timer === undefined) this.#arm(indexed)
  }

  /** One write at a time per actor; goes on until the store says what is wanted. */
  async #write(indexed: Indexed): Promise<void> {
    indexed.writing ??= this.#writeAll(indexed)
    await indexed.writing
  }

  async #writeAll(indexed: Indexed): Promise<void> {
    this.#writes += 1
    for (let attempt = 1; !this.#stopped && indexed.dueMs !== indexed.wantMs; attempt += 1) {
      const { wantMs } = indexed
      try {
        await this.#put(keyOf(indexed.ref), wantMs)
        indexed.dueMs = wantMs
        indexed.timer?.cancel()
        indexed.timer = undefined
      } catch (error) {
        if (!(error instanceof StoreUnavailable || error instanceof StoreConflict)) {
          this.#ports.log({ at: 'reminder_index_failed', error: errorText(error) })
        }
        await this.#pause(attempt)
      }
    }
    this.#writes -= 1
    indexed.writing = undefined
    if (!this.#stopped) this.#settled(indexed)
  }

  /** The last writer wins: the index is only a hint about the actor's own record. */
  async #put(key: string, dueMs: number | undefined): Promise<void> {
    const { store } = this.#ports
    if (dueMs === undefined) return store.remove(key)
    const value = new Uint8Array(encode([dueMs]))
    const found = await store.get(key)
    if (found === undefined) await store.create(key, value)
    else await store.update(key, value, found.revision)
  }

  async #pause(attempt: number): Promise<void> {
    const { clock, random, limits } = this.#ports
    const waitMs = backoffMs(attempt, limits.storeBackoffMs, limits.storeBackoffMsMax, random.next())
    await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
  }
}

const keyOf = (ref: Ref): string => `${prefix}${ref.to}/${escapeName(ref.key)}`

/** What cannot be read is due now: the actor is woken and corrects it. */
const readDue = (value: Uint8Array): number => {
  try {
    const [dueMs] = decode(value) as [unknown]
    return typeof dueMs === 'number' ? dueMs : 0
  } catch {
    return 0
  }
}
