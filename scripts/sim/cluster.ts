/**
 * A cluster of simulated hosts that run the platform's own actors over simulated machines: for scenarios and
 * for tests.
 */
import {
  type Answer,
  type Node,
  type QuestionName,
  type QuestionOf,
  type Ref,
} from '../../src/runtime/index.ts'
import type { Members } from '../../src/membership/contract.ts'
import { openMembership } from '../../src/membership/membership.ts'
import type { Store } from '../../src/ports/store.ts'
import { createWorld, type World } from '../../src/sim/world.ts'
import { performCensus } from '../../actors/effects/perform/census.ts'
import { performFleet } from '../../actors/effects/perform/fleet.ts'
import { performNames } from '../../actors/effects/perform/names.ts'
import { performRecords } from '../../actors/effects/perform/records.ts'
import { tellActors } from '../../actors/main/tell-actors.ts'
import { hostTree } from '../../actors/tree.ts'
import { calmEngine, simMachine, type EngineFaults, type Machine } from './engine.ts'
import { calmOutside, simOutside, type Outside, type OutsideFaults } from './outside.ts'

export type Cluster = {
  readonly world: World
  readonly hosts: readonly string[]
  readonly machines: ReadonlyMap<string, Machine>
  readonly outside: Outside
  /** Of the present life of each host. */
  readonly members: ReadonlyMap<string, Members>
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
const openMs = 10_000

/** @param plant a deliberate bug between the runtime and the record */
export const createCluster = (
  seed: number,
  hosts: readonly string[],
  plant?: (store: Store) => Store,
): Cluster => {
  const world = createWorld(seed)
  const outside = simOutside(world.random.fork('outside'))
  const machines = new Map<string, Machine>()
  const members = new Map<string, Members>()
  const draining = new Set<string>()
  let opened = false
  const everyoneIsUp = (): boolean =>
    world.alive().every((name) => {
      const { hosts: seen } = members.get(name)!.directory.view()
      return world.alive().every((other) => seen.some((host) => host.name === other))
    })
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
    members,
    answer: async (to, message, timeoutMs = timeoutMsDefault) => {
      // Nobody can be asked before the first view; later ones are part of what is tried.
      opened ||= await world.run(everyoneIsUp, openMs)
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
    const roles = ['control', 'dyno', 'logplex']
    let lives = 0
    world.addHost(name, roles, ({ clock, transport, log }) => {
      const client = world.store.attach(name)
      const self = {
        name,
        incarnation: ++lives,
        roles,
        address: `192.168.0.${name}`,
        labels: {},
        version: '1.0.0',
        protocol: 1,
        draining: draining.has(name),
        server: 'bus',
      }
      const own = openMembership({ clock, transport, log }, self)
      members.set(name, own)
      const effects = {
        ...machines.get(name)!.performers(clock, () => cluster.engineFaults),
        ...outside.performers(clock, () => cluster.outsideFaults),
        ...performNames(client),
        ...performCensus(client),
        ...performFleet(transport, () => 0),
        ...performRecords((key) => client.peek(key)),
      }
      const started = (node: Node): void => tellActors({ node, name, roles, members: own, transport, log })
      const wrapped = plant === undefined ? {} : { store: plant }
      return { tree: hostTree({ roles }), effects, directory: own.directory, started, ...wrapped }
    })
  }
  return cluster
}
