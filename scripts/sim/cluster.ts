/**
 * A cluster of simulated hosts that run the platform's own actors over simulated machines: for scenarios and
 * for tests.
 */
import type { QuestionName, QuestionOf, Answer, Ref } from '../../src/runtime/index.ts'
import type { Store } from '../../src/ports/store.ts'
import { createWorld, type World } from '../../src/sim/world.ts'
import { performCensus } from '../../actors/effects/perform/census.ts'
import { performNames } from '../../actors/effects/perform/names.ts'
import { hostTree } from '../../actors/tree.ts'
import { calmEngine, simMachine, type EngineFaults, type Machine } from './engine.ts'
import { calmOutside, simOutside, type Outside, type OutsideFaults } from './outside.ts'

export type Cluster = {
  readonly world: World
  readonly hosts: readonly string[]
  readonly machines: ReadonlyMap<string, Machine>
  readonly outside: Outside
  engineFaults: EngineFaults
  outsideFaults: OutsideFaults
  /**
   * Asks any host that is up, as a load balancer would. Rejects when it failed; the world must run meanwhile.
   */
  ask<P, K extends QuestionName<P>>(
    to: Ref<P>,
    message: QuestionOf<P, K>,
    timeoutMs?: number,
  ): Promise<Answer<P, K>>
  /** The same, running the world until it is answered or failed. */
  answer<P, K extends QuestionName<P>>(
    to: Ref<P>,
    message: QuestionOf<P, K>,
    timeoutMs?: number,
  ): Promise<Answer<P, K>>
}

const timeoutMsDefault = 10_000

/** @param plant a deliberate bug between the runtime and the record */
export const createCluster = (
  seed: number,
  hosts: readonly string[],
  plant?: (store: Store) => Store,
): Cluster => {
  const world = createWorld(seed)
  const outside = simOutside(world.random.fork('outside'))
  const machines = new Map<string, Machine>()
  const ask: Cluster['ask'] = (to, message, timeoutMs = timeoutMsDefault) => {
    const alive = world.alive()
    if (alive.length === 0) return Promise.reject(new Error('no host is up'))
    return world.node(world.random.pick(alive)).ask(to, message, { timeoutMs })
  }
  const cluster: Cluster = {
    world,
    hosts,
    machines,
    outside,
    engineFaults: calmEngine,
    outsideFaults: calmOutside,
    ask,
    answer: async (to, message, timeoutMs = timeoutMsDefault) => {
      let settled = false
      const asked = ask(to, message, timeoutMs).finally(() => {
        settled = true
      })
      // Its outcome is read below; until then nobody else may be blamed for it.
      asked.catch(() => undefined)
      await world.run(() => settled, timeoutMs * 2)
      return asked
    },
  }
  for (const [at, name] of hosts.entries()) {
    machines.set(name, simMachine(String(at + 1), world.clock, world.random.fork(`machine ${name}`)))
  }
  for (const name of hosts) {
    world.addHost(name, ['control', 'dyno'], ({ clock }) => {
      const client = world.store.attach(name)
      const effects = {
        ...machines.get(name)!.performers(clock, () => cluster.engineFaults),
        ...outside.performers(clock, () => cluster.outsideFaults),
        ...performNames(client),
        ...performCensus(client),
      }
      const wrapped = plant === undefined ? {} : { store: plant }
      return { tree: hostTree(), effects, ...wrapped }
    })
  }
  return cluster
}
