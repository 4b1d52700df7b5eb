/**
 * The keyed actors of one type on this host: activated by their first message, passivated when idle, handed
 * over when the key gets another owner.
 *
 *   passivation   only what has nothing queued, nothing in flight, no timer and no watch; a letter that
 *                 comes after it activates anew, so none falls in between
 *   handing over  the turn and its write are finished, then what is still queued is sent on to the new owner
 *   a crash       the letters that were not handled wait for the next activation, which comes after a
 *                 back-off; when it could not even be opened they are turned away
 */
import type { Timer } from '../ports/clock.ts'
import type { Cell, CellOwner } from './cell.ts'
import { errorText } from './errors.ts'
import type { Home, Running, Shard } from './home.ts'
import type { Kernel } from './kernel.ts'
import type { Letter } from './letter.ts'
import { backoffMs } from './limits.ts'
import type { MakeCell } from './pool.ts'
import { isFailure } from './supervise.ts'
import type { KeyedOptions } from './tree.ts'

/** So many are compared; more only while none of them is idle. */
const evictLooks = 64
const evictLooksMax = 4_096

type Entry = { cell: Cell; failures: number; openedMs: number; timer: Timer | undefined }

export class KeyedShard implements Shard, Running, CellOwner {
  readonly role: string
  readonly #kernel: Kernel
  readonly #home: Home
  readonly #options: KeyedOptions
  readonly #make: MakeCell
  readonly #owns: (key: string) => boolean
  readonly #entries = new Map<string, Entry>()
  readonly #idleMs: number
  #sweeper: Timer | undefined
  #over = false
  #whenEmpty: (() => void) | undefined

  constructor(
    kernel: Kernel,
    home: Home,
    options: KeyedOptions,
    make: MakeCell,
    owns: (key: string) => boolean,
  ) {
    this.#kernel = kernel
    this.#home = home
    this.#options = options
    this.#make = make
    this.#owns = owns
    this.#idleMs = options.idleMs ?? kernel.limits.idleMs
    this.role = options.role ?? 'control'
    home.shard = this
  }

  arrived(letter: Letter): void {
    const cell = this.#activate(letter.ref.key)
    if (cell === undefined) this.#kernel.bounce(letter, this.#over ? 'stopped' : 'too_many_active')
    else cell.accept(letter)
  }

  activate(key: string): Cell | undefined {
    return this.#activate(key)
  }

  halt(key: string): boolean {
    const entry = this.#entries.get(key)
    entry?.cell.stop('shutdown', () => {})
    return entry !== undefined
  }

  viewChanged(): void {
    for (const [key, { cell }] of this.#entries) {
      if (this.#owns(key)) cell.doubt()
      else cell.stop('moved', () => {})
    }
  }

  stop(reason: string, done: () => void): void {
    this.#close()
    this.#whenEmpty = done
    for (const { cell } of [...this.#entries.values()].toReversed()) cell.stop(reason, () => {})
    this.#checkEmpty()
  }

  kill(reason: string): void {
    this.#close()
    for (const { cell } of this.#entries.values()) cell.kill(reason)
    this.#entries.clear()
  }

  exited(cell: Cell, reason: string, letters: readonly Letter[]): void {
    const { key } = cell.ref
    const entry = this.#entries.get(key)
    entry?.timer?.cancel()
    this.#entries.delete(key)
    this.#home.cells.delete(key)
    if (this.#over) {
      for (const letter of letters) this.#kernel.bounce(letter, 'stopped')
      return this.#checkEmpty()
    }
    if (isFailure(reason) && entry !== undefined) return this.#again(key, entry, letters)
    // It ended, moved or was passivated with letters queued: they go to wherever the key is now.
    for (const letter of letters) this.#kernel.post(letter)
  }

  #activate(key: string): Cell | undefined {
    const found = this.#entries.get(key)
    if (found !== undefined) return found.cell
    if (this.#over) return undefined
    const activeMax = this.#options.activeMax ?? this.#kernel.limits.activeMax
    if (this.#entries.size >= activeMax && !this.#evict()) return undefined
    const entry = this.#enter(key, 0)
    this.#open(entry)
    this.#sweepLater()
    return entry.cell
  }

  #enter(key: string, failures: number): Entry {
    const cell = this.#make(this.#home, key, this)
    const entry: Entry = { cell, failures, openedMs: 0, timer: undefined }
    this.#entries.set(key, entry)
    this.#home.cells.set(key, cell)
    return entry
  }

  #open(entry: Entry): void {
    this.#kernel.stats.activations += 1
    entry.openedMs = this.#kernel.clock.monotonicMs()
    try {
      entry.cell.open(this.#options.args)
    } catch (error) {
      const { to, key } = entry.cell.ref
      this.#kernel.log({ at: 'crash', actor: `${to}/${key}`, type: 'init', error: errorText(error) })
      entry.cell.kill('crash:ACT_START')
    }
  }

  /** The next activation after a crash: at once after the first, later each time after the next ones. */
  #again(key: string, last: Entry, letters: readonly Letter[]): void {
    const { limits, clock, random, stats } = this.#kernel
    stats.restarts += 1
    const failures = clock.monotonicMs() - last.openedMs >= limits.restartQuietMs ? 1 : last.failures + 1
    const entry = this.#enter(key, failures)
    for (const letter of letters) {
      if (last.cell.opened) entry.cell.accept(letter)
      else this.#kernel.bounce(letter, 'record_unreadable')
    }
    const { restartBackoffMs, restartBackoffMsMax } = limits
    const waitMs =
      failures === 1 ? 0 : backoffMs(failures - 1, restartBackoffMs, restartBackoffMsMax, random.next())
    entry.timer = clock.after(waitMs, () => {
      entry.timer = undefined
      this.#open(entry)
      this.#sweepLater()
    })
  }

  /**
   * Makes room for one: of the next few in line the one that was idle the longest goes. Looking at all of
   * them for each newcomer would cost more the more there are; who is at work goes to the end of the line.
   */
  #evict(): boolean {
    let oldest: Cell | undefined
    let looks = 0
    for (const [key, entry] of this.#entries) {
      if (looks >= evictLooksMax || (looks >= evictLooks && oldest !== undefined)) break
      looks += 1
      const { cell } = entry
      if (!cell.idle()) {
        this.#entries.delete(key)
        this.#entries.set(key, entry)
      } else if (oldest === undefined || cell.activeMs < oldest.activeMs) oldest = cell
    }
    if (oldest === undefined) return false
    this.#passivate(oldest)
    return true
  }

  #passivate(cell: Cell): void {
    this.#kernel.stats.passivations += 1
    cell.stop('idle', () => {})
  }

  #sweepLater(): void {
    if (this.#over || this.#entries.size === 0) return
    this.#sweeper ??= this.#kernel.clock.after(Math.max(1, this.#idleMs / 4), () => {
      this.#sweeper = undefined
      const oldMs = this.#kernel.clock.monotonicMs() - this.#idleMs
      for (const { cell } of this.#entries.values()) {
        if (cell.activeMs <= oldMs && cell.idle()) this.#passivate(cell)
      }
      this.#sweepLater()
    })
  }

  #close(): void {
    this.#over = true
    this.#home.shard = undefined
    this.#sweeper?.cancel()
    this.#sweeper = undefined
    for (const { timer } of this.#entries.values()) timer?.cancel()
  }

  #checkEmpty(): void {
    if (this.#entries.size > 0) return
    const done = this.#whenEmpty
    this.#whenEmpty = undefined
    done?.()
  }
}
