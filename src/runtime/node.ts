/**
 * A node: ports in, a running tree of actors out. The composition root of the runtime.
 *
 * Messages leave a turn through `post`: to an actor of this host by reference (through the codec with
 * `simulateRemote`), to another host in its next batch. Nothing here runs an actor but the scheduler.
 */
import { Delivery } from './delivery.ts'
import { ActError, AskFailed, errorText } from './errors.ts'
import { Group } from './group.ts'
import { Homes } from './home.ts'
import { Letter } from './letter.ts'
import { checkLimits, limitsDefault, type Limits } from './limits.ts'
import { makeKernel } from './make-kernel.ts'
import { mortalClock, type NodePorts } from './node-ports.ts'
import {
  refText,
  type Answer,
  type Message,
  type QuestionName,
  type QuestionOf,
  type Ref,
} from './protocol.ts'
import { reportOf, type Report } from './report.ts'
import { declareHomes, starter } from './starter.ts'
import { acceptTraceparent } from './trace.ts'
import { check, type TreeNode } from './tree.ts'

export type NodeConfig = {
  /** Name of this host, unique in the cluster. */
  readonly host: string
  readonly cluster: string
  readonly tree: TreeNode
  /**
   * Messages between actors of this host go through the codec and their schema, as between hosts. True when
   * left out.
   */
  readonly simulateRemote?: boolean
  readonly limits?: Partial<Limits>
  /** The root supervisor gave up; everything is stopped by then. */
  readonly onExit?: (reason: string) => void
}

export type TellOptions = { readonly traceparent?: string }
export type AskOptions = { readonly timeoutMs: number; readonly traceparent?: string }

export type Node = {
  readonly host: string
  /** Starts the tree left to right. Throws ACT_TREE or ACT_START; then nothing runs. */
  start(): Promise<void>
  /** Stops the tree right to left, each child within its budget. */
  stop(): Promise<void>
  /** As a crash of the process: forgets everything at once, says nothing. */
  kill(): void
  tell<P>(to: Ref<P>, message: Message<P>, options?: TellOptions): void
  /** For edges only (actors have `ctx.ask`). Rejects with AskFailed. */
  ask<P, K extends QuestionName<P>>(
    to: Ref<P>,
    message: QuestionOf<P, K>,
    options: AskOptions,
  ): Promise<Answer<P, K>>
  report(): Report
  /** Nothing queued, no load or write in progress, nothing waiting to leave. */
  settled(): boolean
}

type Phase = 'made' | 'running' | 'over'

/** Throws ACT_TREE when the tree is not valid. */
export const createNode = (given: NodePorts, config: NodeConfig): Node => {
  const { host } = config
  const limits = checkLimits({ ...limitsDefault, ...config.limits })
  check(config.tree)
  const tree = rooted(config.tree)
  let phase: Phase = 'made'
  let killed = false
  const ports = { ...given, clock: mortalClock(given.clock, () => killed) }
  const homes = new Homes()
  declareHomes(tree, homes)
  const simulateRemote = config.simulateRemote ?? true
  const delivery = new Delivery({ host, homes, limits, ports, simulateRemote })
  const kernel = makeKernel(ports, host, limits, homes, delivery, () => killed)
  delivery.attach(kernel)
  const start = starter(kernel, homes, (ref) => delivery.locate(ref) === host)

  const end = (): void => {
    phase = 'over'
    kernel.scheduler.stop()
    kernel.reminders.stop()
    kernel.watches.clear()
  }
  const gaveUp = (reason: string): void => {
    delivery.close()
    end()
    kernel.asks.failAll('stopped')
    config.onExit?.(reason)
  }
  const root = new Group(kernel, tree.id, tree.policy, tree.children, start, gaveUp)

  return {
    host,
    start: async () => {
      if (phase !== 'made') throw new ActError('ACT_STOPPED', 'a node is started once')
      phase = 'running'
      delivery.open(() => phase === 'running')
      try {
        root.start()
      } catch (error) {
        end()
        throw error instanceof ActError
          ? error
          : new ActError('ACT_START', errorText(error), { cause: error })
      }
      if (delivery.hasKeyed()) void kernel.reminders.scan()
    },
    stop: async () => {
      if (phase !== 'running') return
      await new Promise<void>((resolve) => root.stop('shutdown', resolve))
      delivery.close()
      end()
      kernel.asks.failAll('stopped')
    },
    kill: () => {
      killed = true
      end()
      kernel.asks.forgetAll()
      delivery.clear()
      for (const home of homes.all()) for (const cell of home.cells.values()) cell.vanish()
    },
    tell: (to, message, options) => {
      const trace = acceptTraceparent(options?.traceparent, ports.random)
      const letter = new Letter(to, message, undefined, trace, 0)
      if (phase === 'running') delivery.post(letter)
      else delivery.bounce(letter, 'stopped')
    },
    ask: async (to, message, options) => {
      const { type } = message as { type: string }
      const { timeoutMs } = options
      const what = `${type} of ${refText(to)}`
      if (!(timeoutMs > 0 && timeoutMs <= limits.askTimeoutMsMax)) {
        throw new ActError('ACT_RANGE', `ask ${what} within ${timeoutMs} ms`)
      }
      if (phase !== 'running') throw new AskFailed({ kind: 'nobody', reason: 'stopped' }, what)
      if (kernel.asks.size >= limits.edgeAsksMax) {
        throw new AskFailed({ kind: 'nobody', reason: 'too_many_asks' }, what)
      }
      const trace = acceptTraceparent(options.traceparent, ports.random)
      return new Promise((resolve, reject) => {
        const caller = kernel.asks.open(to.to, type, timeoutMs, {
          resolve: resolve as (value: unknown) => void,
          reject: (failure) => reject(new AskFailed(failure, what)),
        })
        delivery.post(new Letter(to, message, caller, trace, 0))
      })
    },
    report: () => reportOf(kernel, homes),
    settled: () =>
      kernel.scheduler.idle &&
      kernel.stats.busy === 0 &&
      kernel.reminders.busy === 0 &&
      delivery.waiting === 0,
  }
}

const rooted = (tree: TreeNode): Extract<TreeNode, { readonly kind: 'supervisor' }> => {
  if (tree.kind === 'supervisor') return tree
  const policy = { strategy: 'one_for_one', intensity: 3, periodMs: 10_000 } as const
  return { kind: 'supervisor', id: 'root', policy, children: [tree] }
}
