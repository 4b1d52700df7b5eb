/**
 * lab: nodes on virtual ports, for tests of the runtime: one clock, one network, one store, any number of
 * hosts.
 *
 * Nothing happens but in `run` and `answer`, which step through virtual time and let promises settle
 * between the steps.
 */
import { createNode, type Node, type NodeConfig, type TreeNode } from '../../src/runtime/index.ts'
import type { Effects } from '../../src/ports/effects.ts'
import type { Store } from '../../src/ports/store.ts'
import type { View } from '../../src/ports/directory.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { simNetwork } from '../../src/sim/network.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { simStore } from '../../src/sim/store.ts'
import { createTrace } from '../../src/sim/trace.ts'

export type Fields = Readonly<Record<string, string | number | boolean | undefined>>
export type LabHost = {
  readonly node: Node
  readonly log: Fields[]
  /** What `onExit` was called with. */
  readonly exits: string[]
  /** As kill -9. */
  crash(): void
}
export type HostOptions = Partial<Pick<NodeConfig, 'simulateRemote' | 'limits'>> & {
  readonly roles?: readonly string[]
  readonly effects?: Effects
  /** Stands between the node and the store. */
  readonly store?: (store: Store) => Store
}

const runMsMax = 600_000

export class Lab {
  readonly clock = virtualClock()
  readonly random = seededRandom(1)
  readonly #trace = createTrace()
  readonly network = simNetwork(this.clock, this.random.fork('network'), this.#trace)
  readonly store = simStore(this.clock, this.random.fork('store'), this.#trace)
  readonly #watchers = new Set<(view: View) => void>()
  #view: View = { number: 1, hosts: [] }
  #lives = 0
  readonly #real = new Set<Promise<unknown>>()

  /** Starts a host and puts it into everybody's view. */
  async host(name: string, tree: TreeNode, options: HostOptions = {}): Promise<LabHost> {
    const known = this.#view.hosts.filter((host) => host.name !== name)
    this.#setView([...known, { name, roles: options.roles ?? ['control'] }])
    this.#lives += 1
    const log: Fields[] = []
    const exits: string[] = []
    const transport = this.network.attach(name)
    const store = this.store.attach(name)
    const random = this.random.fork(`${name}#${this.#lives}`)
    const { effects = {}, store: wrap, simulateRemote, limits } = options
    const node = createNode(
      {
        clock: this.clock,
        random,
        transport,
        store: wrap === undefined ? store : wrap(store),
        effects,
        log: (fields) => void log.push(fields),
        directory: { view: () => this.#view, onChange: (changed) => void this.#watchers.add(changed) },
      },
      {
        host: name,
        cluster: 'lab',
        tree,
        onExit: (reason) => void exits.push(reason),
        ...(simulateRemote === undefined ? {} : { simulateRemote }),
        ...(limits === undefined ? {} : { limits }),
      },
    )
    const crash = (): void => {
      node.kill()
      transport.end()
      store.end()
    }
    await node.start()
    await this.run(10)
    return { node, log, exits, crash }
  }

  /** Takes a host out of everybody's view. */
  leave(name: string): void {
    this.#setView(this.#view.hosts.filter((host) => host.name !== name))
  }

  /** Work of the real world (files): virtual time stands still until it is done. */
  async real<T>(work: Promise<T>): Promise<T> {
    this.#real.add(work)
    try {
      return await work
    } finally {
      this.#real.delete(work)
    }
  }

  /** Lets virtual time pass. @param done ends it earlier; when it never holds, `run` throws */
  async run(ms: number, done?: () => boolean): Promise<void> {
    const limitMs = this.clock.now() + ms
    for (;;) {
      await settle()
      while (this.#real.size > 0) {
        await Promise.allSettled(this.#real)
        await settle()
      }
      if (done?.() === true) return
      if (!this.clock.step(limitMs)) break
    }
    this.clock.advanceTo(limitMs)
    await settle()
    if (done !== undefined && !done()) throw new Error(`not done after ${ms} ms of virtual time`)
  }

  /** Runs until a promise has settled, and gives what it gave or throws what it threw. */
  async answer<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const mark = (): void => {
      settled = true
    }
    promise.then(mark, mark)
    await this.run(runMsMax, () => settled)
    return promise
  }

  #setView(hosts: View['hosts']): void {
    this.#view = { number: this.#view.number + 1, hosts }
    for (const changed of this.#watchers) changed(this.#view)
  }
}

/** All promises that can settle without time passing have settled. */
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
