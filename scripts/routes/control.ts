/**
 * The control host of many apps: real formations on a real bus and record, and a membership that routers
 * follow. It has no dynos: the record says that they are up.
 */
import { performRecords } from '../../actors/effects/perform/records.ts'
import { performRoutes } from '../../actors/effects/perform/routes.ts'
import { busCluster } from '../../actors/main/bus-conf.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import { routesTopic } from '../../actors/protocols/shard.ts'
import type { Route } from '../../actors/protocols/shapes.ts'
import { formations } from '../../actors/tree.ts'
import { openMembership } from '../../src/membership/membership.ts'
import type { Connection } from '../../src/nats/connection.ts'
import { openStore } from '../../src/nats/store.ts'
import { openTransport, type NatsTransport } from '../../src/nats/transport.ts'
import { encode } from '../../src/runtime/codec.ts'
import { createNode, ref, supervise, type Node } from '../../src/runtime/index.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { bucket } from './load.ts'
import { appIdOf } from './records.ts'

export type Control = {
  readonly node: Node
  readonly transport: NatsTransport
  /** Activates the formations of apps `from` up to `to`, as a host's announcement of their dynos would. */
  awaken(from: number, to: number): Promise<void>
  /** Announces a route as its formation would, to everybody who listens now. */
  announce(route: Route): void
  /** Resolves when the server has what was announced. */
  flush(): Promise<void>
  stop(): Promise<void>
}

const askTimeoutMs = 60_000
const upMsMax = 30_000
const pollMs = 20
/** Formations that are opened at once. */
const openingMax = 512

/** @param connection of the host, closed by whoever opened it */
export const startControl = async (connection: Connection): Promise<Control> => {
  const name = connection.host
  const transport = openTransport(connection, { cluster: busCluster })
  const store = await openStore(connection, { bucket, replicas: 1 })
  const log = (): void => undefined
  const members = openMembership(
    { clock: systemClock, transport, log },
    {
      name,
      incarnation: Date.now(),
      roles: ['control'],
      address: '127.0.0.1',
      labels: {},
      version: '0',
      protocol: 1,
      draining: false,
      server: connection.serverName(),
    },
  )
  const effects = { ...performRoutes(transport), ...performRecords((key) => store.peek(key)) }
  const { directory } = members
  const node = createNode(
    { clock: systemClock, random: systemRandom, transport, store, effects, log, directory },
    {
      host: name,
      cluster: busCluster,
      simulateRemote: false,
      tree: supervise('apps', { strategy: 'one_for_one', intensity: 0, periodMs: 1_000 }, [formations]),
    },
  )
  await node.start()
  const deadline = performance.now() + upMsMax
  while (!directory.view().hosts.some((host) => host.name === name)) {
    if (performance.now() > deadline) throw new Error(`${name} is not in its own view`)
    await new Promise<void>((resolve) => void setTimeout(resolve, pollMs))
  }
  return {
    node,
    transport,
    announce: (route) => transport.publish(routesTopic, encode(route)),
    flush: () => connection.client.flush(),
    awaken: async (from, to) => {
      let next = from
      const opener = async (): Promise<void> => {
        while (next < to) {
          const formation = ref(Formation, appIdOf(next++))
          await node.ask(formation, { type: 'route' }, { timeoutMs: askTimeoutMs })
        }
      }
      await Promise.all(Array.from({ length: openingMax }, opener))
    },
    stop: async () => {
      await node.stop()
      members.close()
    },
  }
}
