/**
 * The bus of a host: the embedded nats-server (or the one that MANIFOLD_NATS_URL names), a connection to it,
 * and what is kept in it. How to reach it is written down for the host's other processes.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { connect, type Connection } from '../../src/nats/connection.ts'
import { openObjects, type NatsObjects } from '../../src/nats/objects.ts'
import { startServer, type Server } from '../../src/nats/server.ts'
import { openStore } from '../../src/nats/store.ts'
import { openStream } from '../../src/nats/streams.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { openTransport, type NatsTransport } from '../../src/nats/transport.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Store } from '../../src/ports/store.ts'
import { historyLinesMax } from '../effects/perform/history.ts'
import type { BusFile, HomePaths } from './paths.ts'

export type Bus = {
  readonly connection: Connection
  readonly transport: NatsTransport
  readonly store: Store
  readonly objects: NatsObjects
  readonly history: Stream
  /** Login of the operator's tools on the embedded server. */
  readonly operator: { readonly url: string; readonly user: string; readonly password: string } | undefined
  /** Closes the connection, then ends the embedded server. */
  readonly close: () => Promise<void>
}

export type BusDeps = {
  readonly paths: HomePaths
  readonly host: string
  readonly natsUrl: string | undefined
  readonly random: Random
  readonly now: () => number
  readonly log: Log
  readonly progress: (text: string) => void
}

/** What the operator's login may ask for: the API and the discovery of services. */
const operatorSubjects = ['manifold.v1.api.>', '$SRV.>']
const restartMsMin = 200
const restartMsMax = 10_000
const dayMs = 24 * 3_600_000
const weekMs = 7 * 24 * 3_600_000
const historyBytesMax = 8 * 1024 ** 3

export const openBus = async (deps: BusDeps): Promise<Bus> => {
  const { paths, host } = deps
  const guard = deps.natsUrl === undefined ? await guardServer(deps) : undefined
  const server = guard?.first
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
  await objects.sweep(deps.now() - dayMs)
  const operator = server && { url: server.url, ...server.logins.operator }
  const close = async (): Promise<void> => {
    await connection.close()
    await guard?.stop()
  }
  return { connection, transport, store, objects, history, operator, close }
}

/**
 * The embedded server, started again on its own port whenever it ends unasked; clients reconnect by
 * themselves.
 */
const guardServer = async (
  deps: BusDeps,
): Promise<{ readonly first: Server; readonly stop: () => Promise<void> }> => {
  const first = await embedded(deps)
  let current = first
  const stopping = new AbortController()
  const watch = (server: Server): void =>
    server.onExit(() => {
      if (stopping.signal.aborted) return
      deps.log({ at: 'nats-server-ended', pid: server.pid })
      void again()
    })
  const again = async (): Promise<void> => {
    for (let waitMs = restartMsMin; !stopping.signal.aborted; waitMs = Math.min(restartMsMax, 2 * waitMs)) {
      try {
        current = await embedded(deps)
        watch(current)
        return
      } catch (error) {
        deps.log({ at: 'nats-server-failed', reason: error instanceof Error ? error.message : 'unknown' })
        await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
    }
  }
  watch(first)
  return {
    first,
    stop: async () => {
      stopping.abort()
      await current.stop()
    },
  }
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
