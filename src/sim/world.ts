/**
 * A whole cluster in one process: virtual time, a lossy network, a faulty record, hosts that crash and come
 * back. The same actors run here as in production; only the ports differ. Everything follows from the seed.
 */
import type { Directory, HostInfo, View } from '../ports/directory.ts'
import type { Effects } from '../ports/effects.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import type { Transport } from '../ports/transport.ts'
import type { NodePorts } from '../runtime/node-ports.ts'
import { createNode, type Node } from '../runtime/node.ts'
import type { TreeNode } from '../runtime/tree.ts'
import { virtualClock } from './clock.ts'
import { createGate, type Gate } from './gate.ts'
import { simNetwork } from './network.ts'
import { seededRandom, type SeededRandom } from './random.ts'
import { simStore } from './store.ts'
import { createTrace } from './trace.ts'

/** What one host is made of; called again for each life. */
export type Boot = (life: {
  readonly host: string
  readonly random: SeededRandom
  readonly clock: NodePorts['clock']
  readonly transport: Transport
  readonly store: Store
  readonly log: Log
}) => {
  readonly tree: TreeNode
  readonly effects: Effects
  /** Left out: the view that the world sets. */
  readonly directory?: Directory
  /** Runs when the node has started. */
  readonly started?: (node: Node) => void
  /** Left out: the world's own. What stands before it may be a bug that the checks must find. */
  readonly store?: Store
}

export type World = {
  readonly random: SeededRandom
  readonly network: ReturnType<typeof simNetwork>
  readonly store: ReturnType<typeof simStore>
  readonly clock: ReturnType<typeof virtualClock>
  addHost(name: string, roles: readonly string[], boot: Boot): void
  /** As kill -9: nothing more is said by it; what it had sent is on its way. */
  crash(name: string): void
  restart(name: string): void
  /** As SIGTERM: what it is about is finished, then `last` happens while it still has its connections. */
  stop(name: string, last?: () => Promise<void>): Promise<void>
  /** As SIGSTOP: nothing of it moves until it thaws; then everything that was due comes at once. */
  freeze(name: string): void
  thaw(name: string): void
  /** Its wall clock is ahead by so much from now on; the monotonic one is not. */
  skew(name: string, ms: number): void
  skewOf(name: string): number
  /** Hosts with a life, frozen ones too. */
  alive(): readonly string[]
  node(name: string): Node
  /** Who is in the view from now on; each host learns of it in its own time. */
  setView(hosts: readonly string[]): void
  /** Runs until `done`, or until that much virtual time passed. @returns whether it was done */
  run(done: () => boolean, virtualMs: number): Promise<boolean>
  hash(): string
  events(): number
  virtualMs(): number
  /** Log lines of every host, bounded; for the report of a failing seed. */
  log(): readonly string[]
  /** Ends every life: nothing may be pending for the next seed. */
  end(): void
}

const logLinesMax = 2_000

/** @param seed decides everything */
export const createWorld = (seed: number): World => {
  const random = seededRandom(seed)
  const clock = virtualClock()
  const trace = createTrace()
  const network = simNetwork(clock, random.fork('network'), trace)
  const store = simStore(clock, random.fork('store'), trace)
  const viewRandom = random.fork('view')
  const hosts = new Map<
    string,
    { readonly info: HostInfo; readonly boot: Boot; lives: number; skewMs: number; life?: Life }
  >()
  const lines: string[] = []
  let view: View = { number: 1, hosts: [] }
  let events = 0

  type Life = { node: Node; gate: Gate; end: () => void; learn: (view: View) => void }

  const start = (name: string): void => {
    const host = hosts.get(name)
    if (host === undefined || host.life !== undefined) return
    host.lives++
    const lifeRandom = random.fork(`${name}#${host.lives}`)
    const gate = createGate()
    const lifeClock = clock.forHost(gate, () => host.skewMs)
    const transport = network.attach(name, gate)
    const client = store.attach(name, gate)
    let seen = view
    const watchers: ((view: View) => void)[] = []
    const directory: Directory = { view: () => seen, onChange: (changed) => void watchers.push(changed) }
    const log: Log = (fields) => {
      if (lines.length < logLinesMax)
        lines.push(`${clock.monotonicMs().toFixed(1)} host=${name} ${JSON.stringify(fields)}`)
    }
    const made = host.boot({
      host: name,
      random: lifeRandom,
      clock: lifeClock,
      transport,
      store: client,
      log,
    })
    const { tree, effects } = made
    const ports: NodePorts = {
      clock: lifeClock,
      random: lifeRandom,
      transport,
      store: made.store ?? client,
      effects,
      log,
      directory: made.directory ?? directory,
    }
    const node = createNode(ports, { host: name, cluster: 'sim', tree, simulateRemote: true })
    host.life = {
      node,
      gate,
      end: () => {
        node.kill()
        transport.end()
        client.end()
        lifeClock.end()
      },
      learn: (next) => {
        if (next.number <= seen.number) return
        seen = next
        for (const watcher of watchers) watcher(next)
      },
    }
    node.start().then(
      () => made.started?.(node),
      (error: unknown) => {
        log({ at: 'start-failed', reason: error instanceof Error ? error.message : 'unknown' })
      },
    )
  }

  const announceView = (): void => {
    for (const host of hosts.values()) {
      const next = view
      clock.after(viewRandom.between(0, 50), () => host.life?.gate.pass(() => host.life?.learn(next)))
    }
  }

  return {
    random: random.fork('scenario'),
    network,
    store,
    clock,
    addHost: (name, roles, boot) => {
      hosts.set(name, { info: { name, roles }, boot, lives: 0, skewMs: 0 })
      view = { number: view.number + 1, hosts: [...view.hosts, { name, roles }] }
      start(name)
      announceView()
    },
    crash: (name) => {
      const host = hosts.get(name)
      trace.add(clock.monotonicMs(), `crash ${name}`)
      host?.life?.end()
      if (host !== undefined) delete host.life
    },
    restart: (name) => {
      trace.add(clock.monotonicMs(), `restart ${name}`)
      start(name)
    },
    stop: async (name, last) => {
      const host = hosts.get(name)
      const life = host?.life
      if (host === undefined || life === undefined) return
      trace.add(clock.monotonicMs(), `stop ${name}`)
      await life.node.stop()
      await last?.()
      // It may have been killed meanwhile.
      if (host.life !== life) return
      life.end()
      delete host.life
    },
    freeze: (name) => {
      trace.add(clock.monotonicMs(), `freeze ${name}`)
      hosts.get(name)?.life?.gate.freeze()
    },
    thaw: (name) => {
      trace.add(clock.monotonicMs(), `thaw ${name}`)
      hosts.get(name)?.life?.gate.thaw()
    },
    skew: (name, ms) => {
      const host = hosts.get(name)
      if (host !== undefined) host.skewMs = ms
    },
    skewOf: (name) => hosts.get(name)?.skewMs ?? 0,
    alive: () => [...hosts].filter(([, host]) => host.life !== undefined).map(([name]) => name),
    node: (name) => {
      const node = hosts.get(name)?.life?.node
      if (node === undefined) throw new Error(`host ${name} is not alive`)
      return node
    },
    setView: (names) => {
      const members = [...hosts.values()]
        .filter((host) => names.includes(host.info.name))
        .map((host) => host.info)
      view = { number: view.number + 1, hosts: members }
      trace.add(clock.monotonicMs(), `view ${view.number} ${names.join(',')}`)
      announceView()
    },
    run: async (done, virtualMs) => {
      const limitMs = clock.now() + virtualMs
      for (;;) {
        if (done()) return true
        if (!clock.step(limitMs)) {
          clock.advanceTo(limitMs)
          return done()
        }
        events++
        // Promises settle between two events, always all of them: order stays the seed's.
        await settle()
      }
    },
    hash: () => trace.hash(),
    events: () => events,
    virtualMs: () => clock.monotonicMs(),
    log: () => lines,
    end: () => {
      for (const host of hosts.values()) host.life?.end()
    },
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
