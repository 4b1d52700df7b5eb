/**
 * From one server to several without losing an acknowledged write.
 *
 * The new servers are filled while nobody else can use them, from a server that nobody else can use any more:
 * (1) every host prepares an empty one, and they elect a leader, while the old one serves; (2) the old one
 * starts anew where only the grower finds it; (3) its streams are copied with their sequences, and every
 * copy is compared; (4) this host commits: one rename; (5) the new servers are opened. What fails before (4)
 * leaves the old server as it was. What fails after it is done again by `finishGrowth`.
 *
 * For clients the bus is away from (2) to (5).
 */
import type { Random } from '../ports/random.ts'
import type { Access, Login } from './config.ts'
import { connect, type Connection } from './connection.ts'
import { copied, formed, raised, streamsOf, withSystem } from './formed.ts'
import { jetStream } from './jetstream.ts'
import type { Keeper } from './keeper.ts'
import type { Generation, ServerPlace } from './mode.ts'
import type { Server } from './server.ts'
import { restoreSnapshot, takeSnapshot } from './snapshot.ts'
import type { ServerStep } from './steps.ts'

export type GrowOptions = {
  /** Of this host, whose server is alone. */
  readonly keeper: Keeper
  /** This host. */
  readonly name: string
  /** Of the cluster of servers; not a secret. */
  readonly cluster: string
  /** All of them, three: copies are kept on as many. */
  readonly servers: readonly ServerPlace[]
  /** Who may use the servers afterwards. */
  readonly access: Access
  /** Has another host's `performStep` do it, and resolves when it is done. */
  readonly call: (host: string, step: ServerStep) => Promise<void>
  readonly random: Random
  readonly progress: (text: string) => void
}

/** It did not come about; the server that was alone serves again. */
export class GrowFailed extends Error {
  override readonly name = 'GrowFailed'
  readonly code = 'nats_grow'
}

const passwordLength = 40
const idLength = 10
const formMsMax = 60_000
const copyMsMax = 60_000

/**
 * @returns the servers' generation, and the hosts that have not been told yet: `finishGrowth` tells them
 * @throws GrowFailed, ServerFailed when the old server cannot be started again
 */
export const grow = async (options: GrowOptions): Promise<void> => {
  const { keeper, random, progress } = options
  const old = keeper.server()
  if (old === undefined || keeper.mode().kind !== 'alone') throw new GrowFailed('there is no server alone')
  const grower: Login = { user: 'grower', password: random.token(passwordLength) }
  const generation: Generation = {
    id: random.token(idLength),
    name: options.cluster,
    servers: options.servers,
    routeLogin: { user: 'route', password: random.token(passwordLength) },
    logins: old.logins,
  }
  const others = options.servers.map(({ name }) => name).filter((name) => name !== options.name)
  try {
    progress('starting the servers of the cluster')
    // All are waited for, or one that fails is discarded while another still prepares.
    const [fresh, ...rest] = await Promise.allSettled([
      keeper.prepare(generation, grower),
      ...others.map((host) => options.call(host, { step: 'prepare', generation, grower })),
    ])
    for (const one of rest) if (one.status === 'rejected') throw one.reason
    if (fresh.status === 'rejected') throw fresh.reason
    const names = options.servers.map(({ name }) => name)
    await withSystem(fresh.value, options.name, (system) => formed(system, names, formMsMax))
    progress('copying what is stored')
    await copyAll(await keeper.freeze(grower), fresh.value, grower, options)
    keeper.commit(options.access, others)
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown'
    progress(`the servers stay as they were: ${why}`)
    await Promise.allSettled(others.map((host) => options.call(host, { step: 'discard' })))
    await keeper.discard()
    throw new GrowFailed(`cannot grow to ${options.servers.length} servers: ${why}`, { cause: error })
  }
  await keeper.open(options.access)
  await finishGrowth(options)
}

/**
 * Tells the other hosts of a committed growth that have not heard of it: to be called after each start of the
 * host that grew, and again while it answers false.
 * @returns whether all know
 */
export const finishGrowth = async ({
  keeper,
  call,
}: Pick<GrowOptions, 'keeper' | 'call'>): Promise<boolean> => {
  const mode = keeper.mode()
  if (mode.kind !== 'clustered') return true
  const told = await Promise.all(
    mode.unopened.map(async (host) => {
      try {
        await call(host, { step: 'open', access: mode.access })
        keeper.opened(host)
        return true
      } catch {
        // It is away: whoever calls this calls again.
        return false
      }
    }),
  )
  return told.every(Boolean)
}

const copyAll = async (from: Server, to: Server, grower: Login, options: GrowOptions): Promise<void> => {
  const links: Connection[] = []
  const link = async ({ url }: Server): Promise<Connection> => {
    const connection = await connect({ urls: [url], ...grower, host: `grower-${options.name}` })
    links.push(connection)
    return connection
  }
  const names = options.servers.map(({ name }) => name)
  try {
    const [source, target] = [await link(from), await link(to)]
    await withSystem(to, options.name, async (system) => {
      const streams = await streamsOf(source)
      // Restored as one copy and then copied by the servers: restored as three, every other time one of them
      // waits for 5 s (nats-server 2.15).
      for (const stream of streams) {
        await restoreSnapshot(target, await takeSnapshot(source, stream), { num_replicas: 1 })
      }
      await Promise.all(
        streams.map(async (stream) => {
          await raised(jetStream(target), stream, names.length, copyMsMax)
          await copied(source, system, stream, names, copyMsMax)
        }),
      )
    })
  } finally {
    await Promise.all(links.map((one) => one.close()))
  }
}
