/**
 * The control host of the bench: the real Placement, Formation, Releases and Channel over a real bus and
 * record.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { fleetTopic } from '../../../actors/effects/fleet.ts'
import { performRecords } from '../../../actors/effects/perform/records.ts'
import { performRoutes } from '../../../actors/effects/perform/routes.ts'
import { formation } from '../../../actors/formation.ts'
import { createSaid, performSaid } from '../../../actors/effects/perform/said.ts'
import { channel } from '../../../actors/logplex/channel.ts'
import { deliverThrough } from '../../../actors/logplex/deliver.ts'
import { placement } from '../../../actors/placement.ts'
import { Formation } from '../../../actors/protocols/formation.ts'
import { Placement } from '../../../actors/protocols/placement.ts'
import type { Announcement, FleetView } from '../../../actors/protocols/shapes.ts'
import { releases } from '../../../actors/releases.ts'
import { openStore } from '../../../src/nats/store.ts'
import { connect } from '../../../src/nats/connection.ts'
import { openTransport } from '../../../src/nats/transport.ts'
import { decode } from '../../../src/runtime/codec.ts'
import { child, createNode, keyed, ref, refAt, supervise, type Node } from '../../../src/runtime/index.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { cluster, control, type Order, type Said } from './shared.ts'

type Login = { readonly urls: readonly string[]; readonly user: string; readonly password: string }
export type Controller = {
  readonly node: Node
  tellView(view: FleetView): void
  /** Each announcement, after it was told to placement. */
  onAnnounced(heard: ((announcement: Announcement) => void) | undefined): void
  stop(): Promise<void>
}

/** @param name its own; only `control` owns formations */
export const startController = async (login: Login, name: string, view: FleetView): Promise<Controller> => {
  const connection = await connect({ ...login, host: name })
  const transport = openTransport(connection, { cluster })
  const store = await openStore(connection, { bucket: 'manifold', replicas: 1 })
  const effects = {
    ...performRoutes(transport),
    ...performRecords((key) => store.peek(key)),
    // Lines are another bench's.
    ...performSaid(
      createSaid(
        name,
        () => systemClock.now(),
        deliverThrough(() => node, systemClock),
      ),
    ),
    'history.append': () => Promise.resolve(null),
    // And so are events.
    'events.publish': ({ events }: { readonly events: readonly { readonly n: number }[] }) =>
      Promise.resolve({ through: events.at(-1)?.n ?? 0 }),
  }
  const directory = { view: () => ({ number: 1, hosts: view.members }), onChange: () => undefined }
  const node: Node = createNode(
    { clock: systemClock, random: systemRandom, transport, store, effects, log: () => {}, directory },
    {
      host: name,
      cluster,
      simulateRemote: false,
      tree: supervise('apps', { strategy: 'one_for_one', intensity: 0, periodMs: 1_000 }, [
        child('placement', placement, null),
        keyed(channel),
        keyed(releases),
        keyed(formation),
      ]),
    },
  )
  await node.start()
  const self = refAt(Placement, 'placement', name)
  let heard: ((announcement: Announcement) => void) | undefined
  transport.subscribe(fleetTopic, (body) => {
    const announcement = decode(body) as Announcement
    node.tell(self, { type: 'announced', ...announcement })
    heard?.(announcement)
  })
  const tellView = (next: FleetView): void => node.tell(self, { type: 'viewChanged', view: next })
  tellView(view)
  return {
    node,
    tellView,
    onAnnounced: (next) => {
      heard = next
    },
    stop: async () => {
      await node.stop()
      await connection.close()
    },
  }
}

/** The process of the simulated hosts, and what it says. */
export type Hosts = {
  /** Runs launched so far, and when that was said. */
  readonly seen: () => { readonly launched: number; readonly at: number }
  /** Epoch ms at which so many were launched. */
  reached(launched: number): Promise<number>
  onLaunched(heard: (launched: number, at: number) => void): void
  stop(): void
}

export const startHosts = async (login: Login, hosts: number): Promise<Hosts> => {
  const process: ChildProcess = fork(fileURLToPath(new URL('hosts.ts', import.meta.url)))
  const order = (what: Order): void => void process.send(what)
  let seen = { launched: 0, at: 0 }
  let heard: ((launched: number, at: number) => void) | undefined
  let waiting: ((at: number) => void) | undefined
  const ready = Promise.withResolvers<void>()
  process.on('message', (said: Said) => {
    if (said.what === 'ready') ready.resolve()
    else if (said.what === 'failed') ready.reject(new Error(`the simulated hosts: ${said.reason}`))
    else {
      seen = said
      if (said.what === 'reached') waiting?.(said.at)
      else heard?.(said.launched, said.at)
    }
  })
  process.on('exit', (code) => ready.reject(new Error(`the simulated hosts ended with ${code}`)))
  order({ what: 'start', ...login, hosts })
  await ready.promise
  return {
    seen: () => seen,
    reached: (launched) =>
      new Promise((resolve) => {
        waiting = resolve
        order({ what: 'await', launched })
      }),
    onLaunched: (next) => {
      heard = next
    },
    // It ends when nobody counts any more.
    stop: () => process.disconnect(),
  }
}

const by = { id: 'bench', email: 'bench@example.com' }
const slug = {
  id: 'slug-1',
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3',
  description: 'Deploy 60a874b3',
  processTypes: { web: 'node server.js' },
  buildpackDescription: 'Node.js',
  createdAt: 1,
}

/** An app comes to be, on record. */
export const openApp = async ({ node }: Controller, appId: string): Promise<void> =>
  void (await node.ask(ref(Formation, appId), { type: 'open', appName: appId }, { timeoutMs: 60_000 }))

/** An app gets code, and is scaled. Resolves when that is on record. */
export const scaleApp = async ({ node }: Controller, appId: string, quantity: number): Promise<void> => {
  const to = ref(Formation, appId)
  const times = { createdAt: 1, updatedAt: 1 }
  const release = {
    id: `release-${appId}`,
    version: 3,
    description: 'Deploy',
    status: 'succeeded' as const,
    userId: by.id,
    userEmail: by.email,
    configId: 'config',
    slug,
    ...times,
  }
  node.tell(to, { type: 'released', release, by })
  const updates = [{ type: 'web', quantity: String(quantity) }]
  await node.ask(to, { type: 'scale', updates, by }, { timeoutMs: 60_000 })
}

/** What placement knows, once it has taken everything that was told before. */
export const dynosOf = async ({ node }: Controller, name = control): Promise<ReadonlyMap<string, number>> => {
  const { hosts } = await node.ask(
    refAt(Placement, 'placement', name),
    { type: 'hosts' },
    { timeoutMs: 60_000 },
  )
  return new Map(hosts.map((host) => [host.name, host.dynos]))
}
