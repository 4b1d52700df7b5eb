/**
 * Many channels in a process of their own: the platform's channels and drains on a node, without the rest of
 * a host. Apps are stood in for: all that a channel asks of its app is which drains it has.
 */
import { performDrains } from '../../../actors/effects/perform/drains.ts'
import { performHistory } from '../../../actors/effects/perform/history.ts'
import { busCluster } from '../../../actors/main/bus-conf.ts'
import { channel } from '../../../actors/logplex/channel.ts'
import { drain } from '../../../actors/logplex/drain.ts'
import { App } from '../../../actors/protocols/app.ts'
import type { Effects } from '../../../src/ports/effects.ts'
import type { Stream } from '../../../src/ports/stream.ts'
import {
  actor,
  ask,
  createNode,
  is,
  keyed,
  protocol,
  supervise,
  type Node,
  type NodePorts,
} from '../../../src/runtime/index.ts'
import { openSink } from '../../../src/syslog/sink.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'

export const hostName = 'crowd'
/** They are asked once, and forgotten: it is channels that are weighed. */
const appsMax = 10_000
const roles = ['control', 'logplex']
const view = { number: 1, hosts: [{ name: hostName, roles }] }

const AppOfDrains = protocol(App.name, App.version, {
  drains: ask({}, is.obj({ ids: is.arr(is.str) })),
})

export const effectsOn = (history: Stream): Effects => ({
  ...performHistory(history),
  ...performDrains({
    openSink: (address) => openSink(address, { clock: systemClock, random: Math.random }),
    openHeaders: () => Promise.reject(new Error('no drain of the bench has headers')),
    now: Date.now,
  }),
})

/** @param idleMs after which a channel leaves the memory */
export const startNode = async (
  ports: Pick<NodePorts, 'transport' | 'store' | 'effects'>,
  drainsOf: (appId: string) => readonly string[],
  idleMs: number,
): Promise<Node> => {
  const app = actor(AppOfDrains, {
    mailbox: { capacity: 16, overflow: 'reject' },
    init: () => null,
    receive: {
      drains: (s, _, ctx) => {
        ctx.reply({ ids: [...drainsOf(ctx.self.key)] })
        return s
      },
    },
  })
  const directory = { view: () => view, onChange: () => {} }
  const node = createNode(
    { clock: systemClock, random: systemRandom, log: () => {}, directory, ...ports },
    {
      host: hostName,
      cluster: busCluster,
      simulateRemote: false,
      tree: supervise('logplex', { strategy: 'one_for_one', intensity: 0, periodMs: 1_000 }, [
        keyed(channel, { role: 'logplex', idleMs }),
        keyed(drain, { role: 'logplex', idleMs }),
        keyed(app, { activeMax: appsMax, idleMs: 500 }),
      ]),
    },
  )
  await node.start()
  return node
}
