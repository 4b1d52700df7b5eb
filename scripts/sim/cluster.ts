/**
 * A cluster of simulated hosts that run the platform's own actors over simulated machines: for scenarios and
 * for tests.
 */
import {
  type Answer,
  type Node,
  type QuestionName,
  type QuestionOf,
  ref,
  type Ref,
} from '../../src/runtime/index.ts'
import type { MemberInfo, Members, Membership } from '../../src/membership/contract.ts'
import { openMembership } from '../../src/membership/membership.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { createWorld, type World } from '../../src/sim/world.ts'
import { performCensus } from '../../actors/effects/perform/census.ts'
import { performDrains } from '../../actors/effects/perform/drains.ts'
import { performFleet } from '../../actors/effects/perform/fleet.ts'
import { performAccess } from '../../actors/effects/perform/access.ts'
import { performNames } from '../../actors/effects/perform/names.ts'
import { performRecords } from '../../actors/effects/perform/records.ts'
import { performRoutes } from '../../actors/effects/perform/routes.ts'
import { createSaid, performSaid } from '../../actors/effects/perform/said.ts'
import { performUsage } from '../../actors/effects/perform/usage.ts'
import { deliverThrough, type Deliver } from '../../actors/logplex/deliver.ts'
import { keepFlushing, type Outbox } from '../../actors/logplex/outbox.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import { Webhooks } from '../../actors/protocols/webhooks.ts'
import { tellActors } from '../../actors/main/tell-actors.ts'
import { hostTree } from '../../actors/tree.ts'
import { simBus, type Bus } from './bus.ts'
import { calmEngine, simMachine, type EngineFaults, type Machine } from './engine.ts'
import { calmOutside, simOutside, type Outside, type OutsideFaults } from './outside.ts'
import { noPlant, type Plant } from './plant.ts'

export type SimHost = {
  readonly name: string
  readonly roles: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

export type Cluster = {
  readonly world: World
  readonly hosts: readonly string[]
  readonly machines: ReadonlyMap<string, Machine>
  readonly outside: Outside
  readonly bus: Bus
  /** Of the present life of each host. */
  readonly members: ReadonlyMap<string, Members>
  /** What each host's present life says in apps' logs. */
  readonly said: ReadonlyMap<string, Outbox<Line>>
  /** The newest view that a living host has. */
  view(): Membership | undefined
  /** The operator's word; outlives the host process. */
  drain(host: string, isDraining: boolean): void
  /** SIGTERM: finishes what it is about, ends its dynos, says goodbye. */
  stop(host: string): Promise<void>
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

export type ClusterOptions = {
  /** A deliberate bug. */
  readonly plant?: Plant
  /** How many of the first control hosts have a bus server; 3 when left out. */
  readonly serversMax?: number
  /** Called as each life of a host begins, with its way to the apps' channels. */
  readonly onLife?: (life: Life) => void
}
export type Life = {
  readonly host: string
  readonly number: number
  readonly clock: Clock
  readonly machine: Machine
  readonly deliver: Deliver
}

const timeoutMsDefault = 10_000
const openMs = 10_000
const lookTimeoutMs = 5_000
const flushEveryMs = 1_000
/** Before its node is started. */
const notYet: Pick<Node, 'ask'> = { ask: () => Promise.reject(new Error('not started')) }
const serversMaxDefault = 3
const rolesDefault = ['control', 'dyno', 'logplex']

/** A host as its record has it, in whichever life. */
const onRecord = ({ name, roles, labels }: Pick<MemberInfo, 'name' | 'roles' | 'labels'>): MemberInfo => ({
  name,
  incarnation: 0,
  roles,
  address: `192.168.0.${name}`,
  labels,
  version: '',
  protocol: 1,
  draining: false,
  server: '',
})

/** @param specs names alone: hosts that do everything but routing */
export const createCluster = (
  seed: number,
  specs: readonly (string | SimHost)[],
  options: ClusterOptions = {},
): Cluster => {
  const { plant = noPlant, serversMax = serversMaxDefault, onLife } = options
  const hosts = specs.map((spec): SimHost =>
    typeof spec === 'string' ? { name: spec, roles: rolesDefault, labels: {} } : spec,
  )
  const names = hosts.map((host) => host.name)
  const controls = hosts.filter((host) => host.roles.includes('control'))
  const servers = controls.slice(0, serversMax).map((host) => host.name)
  const world = createWorld(seed)
  const outside = simOutside(world.random.fork('outside'), () => world.clock.monotonicMs())
  const bus = simBus(world, names, servers, world.random.fork('bus'))
  const machines = new Map<string, Machine>()
  const members = new Map<string, Members>()
  const draining = new Set<string>()
  const said = new Map<string, Outbox<Line>>()
  let opened = false
  const everyoneIsUp = (): boolean =>
    world.alive().every((name) => {
      const { hosts: seen } = members.get(name)!.directory.view()
      return world.alive().every((other) => seen.some((host) => host.name === other))
    })
  const ask: Cluster['ask'] = (to, message, timeoutMs = timeoutMsDefault) => {
    const alive = world.alive().filter((name) => controls.some((host) => host.name === name))
    if (alive.length === 0) return Promise.reject(new Error('no host is up'))
    return world.node(world.random.pick(alive)).ask(to, message, { timeoutMs })
  }
  const cluster: Cluster = {
    world,
    hosts: names,
    machines,
    outside,
    bus,
    engineFaults: calmEngine,
    outsideFaults: calmOutside,
    ask,
    members,
    said,
    view: () => {
      const views = world.alive().map((name) => members.get(name)!.view())
      return views.sort((a, b) => b.number - a.number)[0]
    },
    drain: (host, isDraining) => {
      if (isDraining) draining.add(host)
      else draining.delete(host)
      if (world.alive().includes(host)) members.get(host)?.change({ draining: isDraining })
    },
    stop: async (host) => {
      if (!world.alive().includes(host)) return
      const own = members.get(host)
      await world.stop(host, async () => {
        await machines.get(host)?.stop()
        await own?.leave()
      })
    },
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
  for (const [at, name] of names.entries()) {
    const random = world.random.fork(`machine ${name}`)
    machines.set(name, simMachine(String(at + 1), world.clock, random, plant.reusesPorts))
  }
  bus.onServer((host, server) => {
    if (world.alive().includes(host)) members.get(host)?.change({ server })
  })
  for (const { name, roles, labels } of hosts) {
    let lives = 0
    world.addHost(name, roles, ({ clock, transport: real, store, log }) => {
      const transport = plant.transport?.(real) ?? real
      const self = {
        ...onRecord({ name, roles, labels }),
        incarnation: ++lives,
        version: '1.0.0',
        draining: draining.has(name),
        server: bus.serverOf(name) ?? '',
      }
      const serversMin = () => Math.floor(servers.length / 2) + 1
      const opened = openMembership({ clock, transport, log }, self, { serversMin })
      if (lives > 1) opened.known(hosts.filter((other) => other.name !== name).map(onRecord))
      const own = plant.members?.(opened) ?? opened
      members.set(name, own)
      let node: Node | undefined
      const deliver = deliverThrough(() => node ?? notYet, clock)
      const lines = createSaid(`${name}:${lives}`, () => clock.now(), deliver)
      said.set(name, lines)
      keepFlushing(lines, clock, flushEveryMs)
      onLife?.({ host: name, number: lives, clock, machine: machines.get(name)!, deliver })
      const effects = {
        ...machines.get(name)!.performers(clock, () => cluster.engineFaults),
        ...outside.performers(
          clock,
          () => cluster.outsideFaults,
          performRoutes(transport),
          (appId) =>
            (node ?? notYet).ask(ref(Webhooks, appId), { type: 'look' }, { timeoutMs: lookTimeoutMs }),
        ),
        ...performAccess(store),
        ...performNames(store),
        ...performCensus(store),
        ...performFleet(transport, () => 0),
        ...performRecords((key) => store.peek(key)),
        ...performUsage(store, () => clock.now()),
        ...performSaid(lines),
        ...performDrains({
          openSink: () => outside.receiver.sink(clock),
          openHeaders: () => Promise.resolve({}),
          now: () => clock.now(),
        }),
      }
      const started = (now: Node): void => {
        node = now
        tellActors({ node: now, name, roles, members: own, transport, log })
      }
      const tree = hostTree({ roles })
      return {
        tree: plant.tree?.(tree) ?? tree,
        effects,
        directory: own.directory,
        started,
        ...(plant.store === undefined ? {} : { store: plant.store(store) }),
      }
    })
  }
  return cluster
}
