/**
 * The bus of a host: the embedded nats-server (or the one that MANIFOLD_NATS_URL names), a connection to it,
 * and what is kept in it. How to reach it is written down for the host's other processes.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { connect, type Connection } from '../../src/nats/connection.ts'
import { openObjects, type NatsObjects } from '../../src/nats/objects.ts'
import { startServer, type Server } from '../../src/nats/server.ts'
import { openStore } from '../../src/nats/store.ts'
import { openStream, type Stream } from '../../src/nats/streams.ts'
import { openTransport, type NatsTransport } from '../../src/nats/transport.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Store } from '../../src/ports/store.ts'
import { historyLinesMax } from '../effects/perform/history.ts'
import type { BusFile, HomePaths } from './paths.ts'

export type Bus = {
  /** Undefined: somebody else's server. */
  readonly server: Server | undefined
  readonly connection: Connection
  readonly transport: NatsTransport
  readonly store: Store
  readonly objects: NatsObjects
  readonly history: Stream
  /** Login of the operator's tools on the embedded server. */
  readonly operator: { readonly url: string; readonly user: string; readonly password: string } | undefined
}

export type BusDeps = {
  readonly paths: HomePaths
  readonly host: string
  readonly natsUrl: string | undefined
  readonly random: Random
  readonly log: Log
  readonly progress: (text: string) => void
}

/** What the operator's login may ask for: the API and the discovery of services. */
const operatorSubjects = ['manifold.v1.api.>', '$SRV.>']
const weekMs = 7 * 24 * 3_600_000
const historyBytesMax = 8 * 1024 ** 3

export const openBus = async (deps: BusDeps): Promise<Bus> => {
  const { paths, host } = deps
  const server = deps.natsUrl === undefined ? await embedded(deps) : undefined
  const login = server === undefined ? {} : server.logins.platform
  const urls = [deps.natsUrl ?? server?.url ?? '']
  const busFile: BusFile = { urls, ...login, host }
  mkdirSync(paths.run, { recursive: true, mode: 0o700 })
  writeFileSync(`${paths.bus}.new`, JSON.stringify(busFile), { mode: 0o600 })
  renameSync(`${paths.bus}.new`, paths.bus)

  const connection = await connect({ urls, ...login, host })
  const transport = openTransport(connection, { cluster: 'manifold' })
  transport.onLoss((counts) => deps.log({ at: 'transport-loss', ...counts }))
  const store = await openStore(connection, { bucket: 'manifold', replicas: 1 })
  const objects = await openObjects(connection, { bucket: 'manifold', replicas: 1 })
  const history = await openStream(connection, {
    name: 'history',
    replicas: 1,
    maxMessagesPerKey: 2 * historyLinesMax,
    maxAgeMs: weekMs,
    maxBytes: historyBytesMax,
  })
  const operator = server && { url: server.url, ...server.logins.operator }
  return { server, connection, transport, store, objects, history, operator }
}

const embedded = ({ paths, host, random, progress }: BusDeps): Promise<Server> =>
  startServer({
    binary: paths.natsBinary,
    home: paths.nats,
    name: host,
    random,
    operatorSubjects,
    onProgress: ({ what, elapsedMs }) => progress(`${what} (${Math.round(elapsedMs / 1000)} s)`),
  })
