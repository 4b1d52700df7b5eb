/**
 * The bus as a host uses it: a connection, and what is kept in it. The server is this host's own
 * (bus-server.ts), another host's, or an external one.
 */
import { statfsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Connection } from '../../src/nats/connection.ts'
import { openEventLog } from '../../src/nats/events.ts'
import { openObjects, type NatsObjects } from '../../src/nats/objects.ts'
import { openStore } from '../../src/nats/store.ts'
import { openStream } from '../../src/nats/streams.ts'
import { openTrail } from '../../src/nats/trail.ts'
import { openTransport, type NatsTransport } from '../../src/nats/transport.ts'
import type { EventLog } from '../../src/ports/events.ts'
import type { Log } from '../../src/ports/log.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import type { Trail } from '../../src/ports/trail.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { historyLinesMax } from '../effects/perform/history.ts'
import { busLogin, writeBusFile } from './bus-login.ts'
import { busCluster } from './bus-conf.ts'
import type { BusFile, HomePaths } from './paths.ts'

export type Bus = {
  readonly connection: Connection
  readonly transport: NatsTransport
  readonly store: Store
  readonly objects: NatsObjects
  readonly history: Stream
  /** Every change of the platform. */
  readonly trail: Trail
  readonly events: EventLog
  readonly close: () => Promise<void>
}

export type BusDeps = {
  readonly paths: HomePaths
  /** Where the bus is and who we are: kept for this host's other processes too. */
  readonly file: BusFile
  /** Copies of everything that is kept; undefined: it is there, this host does not say what it is like. */
  readonly replicas: number | undefined
  readonly log: Log
  readonly progress: (text: string) => void
}

const weekMs = 7 * 24 * 3_600_000
const yearMs = 365 * 24 * 3_600_000
const trailBytesMax = 256 * 1024 ** 2
const historyBytesMax = 8 * 1024 ** 3
/** The server promises a stream its bytes, and refuses to make one that its disk has no room for. */
const historyShareOfDisk = 1 / 8
const eventsBytesMax = 512 * 1024 ** 2
const eventsShareOfDisk = 1 / 64
/** Of one kind and one action, of one app. */
const eventsMax = 1_000
/** A host starts when the bus does: it waits, and says so. */
const connectMsMax = 24 * 3_600_000
const sayEveryMs = 5_000
const retryMs = 250

export const openBus = async ({ paths, file, replicas, log, progress }: BusDeps): Promise<Bus> => {
  writeBusFile(paths, file)
  // Not the whole URLs: those of an external bus may hold a password.
  const where = file.urls.map((url) => new URL(url).host).join(', ')
  const connecting = connect({ ...busLogin(file), host: file.host, connectMsMax })
  const connection = await patiently(connecting, () => progress(`waiting for the bus at ${where}`))
  connection.onRefused((what) => log({ at: 'bus-refused', what }))
  const transport = openTransport(connection, { cluster: busCluster })
  transport.onLoss((counts) => log({ at: 'transport-loss', ...counts }))
  const kept = { replicas: replicas ?? 1, ensure: replicas !== undefined }
  const open = async () => ({
    store: await openStore(connection, { bucket: 'manifold', ...kept }),
    objects: await openObjects(connection, { bucket: 'manifold', ...kept }),
    history: await openStream(connection, {
      name: 'history',
      ...kept,
      maxMessagesPerKey: 2 * historyLinesMax,
      maxAgeMs: weekMs,
      maxBytes: shareOfDisk(paths.run, historyShareOfDisk, historyBytesMax),
    }),
    events: await openEventLog(connection, {
      ...kept,
      maxMessagesPerSubject: eventsMax,
      maxAgeMs: weekMs,
      maxBytes: shareOfDisk(paths.run, eventsShareOfDisk, eventsBytesMax),
    }),
    trail: await openTrail(connection, {
      name: 'audit',
      ...kept,
      maxStepsPerKey: 20_000,
      maxAgeMs: yearMs,
      maxBytes: trailBytesMax,
    }),
  })
  let why = ''
  const opening = untilAvailable(open, (reason) => (why = reason))
  const opened = await patiently(opening, () => progress(`waiting for the bus to have a leader (${why})`))
  return { connection, transport, ...opened, close: () => connection.close() }
}

const shareOfDisk = (folder: string, share: number, bytesMax: number): number => {
  const { bavail, bsize } = statfsSync(folder)
  return Math.min(bytesMax, Math.floor(bavail * bsize * share))
}

/** The store of a cluster is there once two of its servers are. @param onFailure hears why it is not */
export const untilAvailable = async <T>(
  open: () => Promise<T>,
  onFailure: (reason: string) => void = () => undefined,
): Promise<T> => {
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      onFailure(error.message)
      await pause(retryMs)
    }
  }
}

const patiently = async <T>(work: Promise<T>, say: () => void): Promise<T> => {
  const timer = setInterval(say, sayEveryMs)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}
