/**
 * A supervisor at work: starts its children left to right, stops them right to left, restarts what failed.
 *
 *   a child fails      within the intensity: the affected ones stop (right to left), and after the failed
 *   child's back-off
 *                      they start again (left to right)
 *   beyond it          everything stops and the failure is the parent's
 *
 * A child that does not stop within its budget is forgotten: its late results are dropped.
 */
import type { Timer } from '../ports/clock.ts'
import { ActError, errorText } from './errors.ts'
import type { Running } from './home.ts'
import type { Kernel } from './kernel.ts'
import { backoffMs } from './limits.ts'
import { affected, RestartWindow, wantsRestart, type Restart } from './supervise.ts'
import { shutdownMsOf, type Policy, type TreeNode } from './tree.ts'

/**
 * Starts what a tree node says. `failed` tells this supervisor that it ended by itself. Throws: it did not
 * start.
 */
export type Starter = (node: TreeNode, group: Group, exited: (reason: string) => void) => Running

type Slot = {
  readonly node: TreeNode
  readonly index: number
  running: Running | undefined
  /** Failures in a row, and since when it is up. */
  failures: number
  upMs: number
  timer: Timer | undefined
  /** Ended for good: not restarted with the others. */
  gone: boolean
}

export class Group implements Running {
  readonly #kernel: Kernel
  readonly #id: string
  readonly #policy: Policy
  readonly #slots: readonly Slot[]
  readonly #starter: Starter
  readonly #exited: (reason: string) => void
  readonly #window: RestartWindow
  /** Being stopped, or given up. */
  #over = false
  /** All from here on are being stopped to start again. */
  #recoverFrom: number | undefined

  constructor(
    kernel: Kernel,
    id: string,
    policy: Policy,
    children: readonly TreeNode[],
    starter: Starter,
    exited: (reason: string) => void,
  ) {
    this.#kernel = kernel
    this.#id = id
    this.#policy = policy
    this.#starter = starter
    this.#exited = exited
    this.#window = new RestartWindow(policy.intensity, policy.periodMs)
    this.#slots = children.map((node, index) => ({
      node,
      index,
      running: undefined,
      failures: 0,
      upMs: 0,
      timer: undefined,
      gone: false,
    }))
  }

  /** Starts all children; when one does not start, those before it are stopped and it throws ACT_START. */
  start(): void {
    for (const slot of this.#slots) {
      try {
        this.#startSlot(slot)
      } catch (error) {
        this.kill('shutdown')
        const what = `${this.#id}/${nameOf(slot.node)}`
        throw new ActError('ACT_START', `${what}: ${errorText(error)}`, { cause: error })
      }
    }
  }

  stop(reason: string, done: () => void): void {
    this.#over = true
    this.#cancelTimers()
    this.#stopFrom(this.#slots.length - 1, 0, reason, done)
  }

  kill(reason: string): void {
    this.#over = true
    this.#cancelTimers()
    for (const slot of this.#slots.toReversed()) {
      slot.running?.kill(reason)
      slot.running = undefined
    }
  }

  /** Counts a failure below it. @returns false when that was one too many: it gives up */
  failed(): boolean {
    if (this.#over) return false
    this.#kernel.stats.restarts += 1
    if (this.#window.add(this.#kernel.clock.monotonicMs())) return true
    this.#giveUp()
    return false
  }

  #startSlot(slot: Slot): void {
    slot.upMs = this.#kernel.clock.monotonicMs()
    slot.running = this.#starter(slot.node, this, (reason) => this.#childExited(slot, reason))
  }

  #childExited(slot: Slot, reason: string): void {
    slot.running = undefined
    if (this.#over) return
    // One that is being stopped for its siblings starts again with them.
    if (this.#recoverFrom !== undefined && slot.index >= this.#recoverFrom) return
    if (!wantsRestart(restartOf(slot.node), reason)) {
      slot.gone = true
      return
    }
    this.#recover(slot)
  }

  #recover(slot: Slot): void {
    if (!this.failed()) return
    const nowMs = this.#kernel.clock.monotonicMs()
    if (nowMs - slot.upMs >= this.#kernel.limits.restartQuietMs) slot.failures = 0
    slot.failures += 1
    const { from, to } = affected(this.#policy.strategy, slot.index, this.#slots.length)
    const waitMs = this.#backoffMs(slot.failures)
    this.#kernel.log({ at: 'restart', supervisor: this.#id, child: nameOf(slot.node), wait_ms: waitMs })
    if (to - from === 1) {
      slot.timer = this.#kernel.clock.after(waitMs, () => this.#restart(slot.index, slot.index, slot))
      return
    }
    this.#recoverFrom = Math.min(from, this.#recoverFrom ?? from)
    const first = this.#recoverFrom
    this.#stopFrom(this.#slots.length - 1, first, 'shutdown', () => {
      if (this.#over || this.#recoverFrom !== first) return
      slot.timer?.cancel()
      slot.timer = this.#kernel.clock.after(waitMs, () => this.#restart(first, this.#slots.length - 1, slot))
    })
  }

  /** The first restart is at once, later ones wait longer and longer. */
  #backoffMs(failures: number): number {
    if (failures <= 1) return 0
    const { restartBackoffMs, restartBackoffMsMax } = this.#kernel.limits
    return backoffMs(failures - 1, restartBackoffMs, restartBackoffMsMax, this.#kernel.random.next())
  }

  #restart(from: number, to: number, cause: Slot): void {
    cause.timer = undefined
    if (this.#over) return
    this.#recoverFrom = undefined
    for (const slot of this.#slots.slice(from, to + 1)) {
      // With its siblings also one starts again that had ended well; a temporary one never does (as in OTP).
      slot.gone = restartOf(slot.node) === 'temporary'
      if (slot.gone || slot.running !== undefined) continue
      try {
        this.#startSlot(slot)
      } catch (error) {
        const fields = { supervisor: this.#id, child: nameOf(slot.node), error: errorText(error) }
        this.#kernel.log({ at: 'restart_failed', ...fields })
        return this.#recover(slot)
      }
    }
  }

  /** Stops the slots from `index` down to `to`, one after the other, each within its budget. */
  #stopFrom(index: number, to: number, reason: string, done: () => void): void {
    const slot = this.#slots[index]
    if (slot === undefined || index < to) return done()
    const next = (): void => this.#stopFrom(index - 1, to, reason, done)
    const { running } = slot
    if (running === undefined) return next()
    let over = false
    const ended = (): void => {
      if (over) return
      over = true
      budget.cancel()
      slot.running = undefined
      next()
    }
    const budget = this.#kernel.clock.after(shutdownMsOf(slot.node), () => {
      this.#kernel.log({ at: 'shutdown_overrun', supervisor: this.#id, child: nameOf(slot.node) })
      running.kill('killed')
      ended()
    })
    running.stop(reason, ended)
  }

  #giveUp(): void {
    this.#over = true
    this.#cancelTimers()
    this.#kernel.log({ at: 'gave_up', supervisor: this.#id })
    this.#stopFrom(this.#slots.length - 1, 0, 'shutdown', () => this.#exited('crash:ACT_INTENSITY'))
  }

  #cancelTimers(): void {
    for (const slot of this.#slots) slot.timer?.cancel()
  }
}

const restartOf = (node: TreeNode): Restart =>
  node.kind === 'child' ? (node.options.restart ?? 'permanent') : 'permanent'

const nameOf = (node: TreeNode): string =>
  node.kind === 'supervisor' || node.kind === 'child' ? node.id : `${node.actor.protocol.name}/*`
