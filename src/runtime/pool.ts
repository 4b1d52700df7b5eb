/**
 * The children of a `dynamic` node: spawned by actors of this host, each restarted on its own.
 *
 * A restart counts in the window of the supervisor the node belongs to. A child that is waiting to be
 * restarted is not there: what is sent to it is a dead letter, as in OTP.
 */
import type { Timer } from '../ports/clock.ts'
import type { Cell, CellOwner } from './cell.ts'
import { errorText } from './errors.ts'
import type { Home, Pool, Running } from './home.ts'
import type { Kernel } from './kernel.ts'
import type { Letter } from './letter.ts'
import { backoffMs } from './limits.ts'
import { wantsRestart } from './supervise.ts'
import type { DynamicOptions } from './tree.ts'

/** Makes a cell that is not open yet. */
export type MakeCell = (home: Home, key: string, owner: CellOwner) => Cell

type Child = {
  readonly key: string
  readonly args: unknown
  cell: Cell | undefined
  failures: number
  upMs: number
  /** Waits to be restarted, or to be stopped within its budget. */
  timer: Timer | undefined
  halted: boolean
}

export class DynamicPool implements Pool, Running, CellOwner {
  readonly #kernel: Kernel
  readonly #home: Home
  readonly #options: DynamicOptions
  readonly #make: MakeCell
  readonly #failed: () => boolean
  readonly #children = new Map<string, Child>()
  #over = false
  #whenEmpty: (() => void) | undefined

  /** @param failed counts a failure in the supervisor; false when it gave up */
  constructor(kernel: Kernel, home: Home, options: DynamicOptions, make: MakeCell, failed: () => boolean) {
    this.#kernel = kernel
    this.#home = home
    this.#options = options
    this.#make = make
    this.#failed = failed
    home.pool = this
  }

  spawn(key: string, args: unknown): void {
    if (this.#over || this.#children.has(key)) return
    const childrenMax = this.#options.childrenMax ?? this.#kernel.limits.dynamicMax
    if (this.#children.size >= childrenMax) {
      this.#kernel.log({ at: 'spawn_refused', actor: this.#home.def.protocol.name, key, max: childrenMax })
      return
    }
    const child: Child = { key, args, cell: undefined, failures: 0, upMs: 0, timer: undefined, halted: false }
    this.#children.set(key, child)
    this.#open(child)
  }

  halt(key: string): boolean {
    const child = this.#children.get(key)
    if (child === undefined) return false
    child.halted = true
    this.#stopChild(child, 'shutdown')
    return true
  }

  stop(reason: string, done: () => void): void {
    this.#over = true
    this.#home.pool = undefined
    this.#whenEmpty = done
    for (const child of [...this.#children.values()].toReversed()) this.#stopChild(child, reason)
    this.#checkEmpty()
  }

  kill(reason: string): void {
    this.#over = true
    this.#home.pool = undefined
    for (const child of this.#children.values()) {
      child.timer?.cancel()
      child.cell?.kill(reason)
    }
    this.#children.clear()
  }

  exited(cell: Cell, reason: string, letters: readonly Letter[]): void {
    this.#home.cells.delete(cell.ref.key)
    for (const letter of letters) this.#kernel.bounce(letter, 'stopped')
    const child = this.#children.get(cell.ref.key)
    if (child === undefined) return
    child.cell = undefined
    child.timer?.cancel()
    child.timer = undefined
    const again = !this.#over && !child.halted && wantsRestart(this.#options.restart ?? 'transient', reason)
    if (again) return this.#restart(child)
    this.#children.delete(child.key)
    this.#checkEmpty()
  }

  #open(child: Child): void {
    const cell = this.#make(this.#home, child.key, this)
    child.upMs = this.#kernel.clock.monotonicMs()
    child.cell = cell
    this.#home.cells.set(child.key, cell)
    try {
      cell.open(child.args)
    } catch (error) {
      const actor = `${cell.ref.to}/${child.key}`
      this.#kernel.log({ at: 'crash', actor, type: 'init', error: errorText(error) })
      cell.kill('crash:ACT_START')
    }
  }

  #restart(child: Child): void {
    if (!this.#failed()) return
    const { limits, clock, random } = this.#kernel
    if (clock.monotonicMs() - child.upMs >= limits.restartQuietMs) child.failures = 0
    child.failures += 1
    const attempt = child.failures - 1
    const { restartBackoffMs, restartBackoffMsMax } = limits
    const waitMs =
      attempt === 0 ? 0 : backoffMs(attempt, restartBackoffMs, restartBackoffMsMax, random.next())
    child.timer = clock.after(waitMs, () => {
      child.timer = undefined
      this.#open(child)
    })
  }

  #stopChild(child: Child, reason: string): void {
    const { cell } = child
    child.timer?.cancel()
    child.timer = undefined
    if (cell === undefined) {
      this.#children.delete(child.key)
      return
    }
    const budgetMs = this.#options.shutdownMs ?? this.#kernel.limits.shutdownMs
    child.timer = this.#kernel.clock.after(budgetMs, () => {
      this.#kernel.log({ at: 'shutdown_overrun', actor: `${cell.ref.to}/${child.key}` })
      cell.kill('killed')
    })
    cell.stop(reason, () => {})
  }

  #checkEmpty(): void {
    if (this.#children.size > 0) return
    const done = this.#whenEmpty
    this.#whenEmpty = undefined
    done?.()
  }
}
