/**
 * One actor's record in the store: loads it, and writes it by compare-and-set until the outcome is known.
 *
 *   conflict             somebody else wrote: the caller reloads and replays; unless the record names this
 *                        very write
 *   unavailable, no      nothing was written: tried again after a jittered back-off
 *   unavailable, unknown read back: ours -> committed; somebody else's -> conflict; unchanged -> tried again
 *
 * It goes on trying for as long as the activation lives (the mailbox is bounded and asks expire meanwhile).
 */
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { StoreConflict, StoreUnavailable, type Entry, type Store } from '../ports/store.ts'
import { ActError } from './errors.ts'
import { backoffMs, type Limits } from './limits.ts'
import { sameRecord, writesKept, writesOf } from './record.ts'

export type JournalPorts = {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
}

export type Outcome = 'committed' | 'conflict'

export class Journal {
  readonly #ports: JournalPorts
  readonly #key: string
  readonly #alive: () => boolean
  #last: Entry | undefined
  #writes: readonly string[] = []
  #seenMs = Number.NEGATIVE_INFINITY

  /** @param alive when it turns false, what is in progress never returns */
  constructor(ports: JournalPorts, key: string, alive: () => boolean) {
    this.#ports = ports
    this.#key = key
    this.#alive = alive
  }

  /** Of the record as loaded or last written; 0 when there is none. */
  get revision(): number {
    return this.#last?.revision ?? 0
  }

  /** Names of the writes before the next one, newest first. */
  get writes(): readonly string[] {
    return this.#writes
  }

  /** Whether writing `bytes` would change nothing (undefined: no record). */
  says(bytes: Uint8Array | undefined): boolean {
    if (bytes === undefined || this.#last === undefined)
      return bytes === undefined && this.#last === undefined
    return sameRecord(bytes, this.#last.value)
  }

  /** Nothing was heard of the record for long enough that somebody else may have written it. */
  stale(): boolean {
    const { clock, limits } = this.#ports
    return clock.monotonicMs() - this.#seenMs > limits.freshMs
  }
  doubt(): void {
    this.#seenMs = Number.NEGATIVE_INFINITY
  }

  /**
   * Looks once whether somebody else wrote. A store that does not answer cannot say so: then it goes on as
   * it is.
   */
  async changed(): Promise<boolean> {
    const found = await this.#once(() => this.#ports.store.get(this.#key))
    this.#seenMs = this.#ports.clock.monotonicMs()
    return found !== 'unavailable' && found?.revision !== this.#last?.revision
  }

  /** Reads the record through the leader. */
  async load(): Promise<Entry | undefined> {
    this.#see(await this.#persist(() => this.#ports.store.get(this.#key)))
    return this.#last
  }

  /**
   * Writes the record, or removes it when `bytes` is undefined, at the revision that was last seen.
   * @returns `conflict` when the record is somebody else's: load again. It may be built on this very write,
   * which `writes` then names.
   */
  async commit(bytes: Uint8Array | undefined, write: string): Promise<Outcome> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#write(bytes, write)
        return 'committed'
      } catch (error) {
        if (!(error instanceof StoreConflict || error instanceof StoreUnavailable)) throw storeFault(error)
        if (error instanceof StoreConflict || error.applied === 'unknown') {
          const outcome = await this.#lookBack(bytes, write, error instanceof StoreConflict)
          if (outcome !== 'unchanged') return outcome
        }
      }
      await this.#pause(attempt)
    }
  }

  async #write(bytes: Uint8Array | undefined, write: string): Promise<void> {
    const { store } = this.#ports
    const last = this.#last
    if (bytes === undefined) {
      if (last !== undefined) await store.remove(this.#key, last.revision)
      this.#last = undefined
      return
    }
    const revision =
      last === undefined
        ? await store.create(this.#key, bytes)
        : await store.update(this.#key, bytes, last.revision)
    this.#last = { key: this.#key, value: bytes, revision }
    this.#writes = [write, ...this.#writes.slice(0, writesKept - 1)]
    this.#seenMs = this.#ports.clock.monotonicMs()
  }

  /** What became of a write whose answer was lost or was no. */
  async #lookBack(
    bytes: Uint8Array | undefined,
    write: string,
    refused: boolean,
  ): Promise<Outcome | 'unchanged'> {
    const before = this.#last?.revision
    const found = await this.#persist(() => this.#ports.store.get(this.#key))
    if (found?.revision === before) return refused ? 'conflict' : 'unchanged'
    this.#see(found)
    const ours = found === undefined ? bytes === undefined : this.#writes[0] === write
    return ours ? 'committed' : 'conflict'
  }

  #see(entry: Entry | undefined): void {
    this.#last = entry
    this.#seenMs = this.#ports.clock.monotonicMs()
    this.#writes = entry === undefined ? [] : namesOf(entry)
  }

  /** Tries until the store answers. */
  async #persist<T>(read: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#once(read)
      if (answer !== 'unavailable') return answer
      await this.#pause(attempt)
    }
  }

  async #once<T>(read: () => Promise<T>): Promise<T | 'unavailable'> {
    try {
      return await read()
    } catch (error) {
      if (error instanceof StoreUnavailable) return 'unavailable'
      throw storeFault(error)
    }
  }

  async #pause(attempt: number): Promise<void> {
    const { clock, random, limits } = this.#ports
    const waitMs = backoffMs(attempt, limits.storeBackoffMs, limits.storeBackoffMsMax, random.next())
    await new Promise<void>((resolve) => {
      clock.after(waitMs, () => {
        if (this.#alive()) resolve()
      })
    })
  }
}

/** None of a record that cannot be read: whoever loads it says so. */
const namesOf = (entry: Entry): readonly string[] => {
  try {
    return writesOf(entry.value)
  } catch (error) {
    if (error instanceof ActError) return []
    throw error
  }
}

const storeFault = (error: unknown): ActError =>
  new ActError('ACT_STORE', 'the store failed', error instanceof Error ? { cause: error } : {})
