/**
 * The embedded nats-server: a child that outlives its parent and is found again by the next one.
 *
 * Whether one runs on a home is told by a kernel lock (flock) that the server itself holds for as long as it
 * lives, so two parents never start two, and no stale file ever blocks a start. Which process it is follows
 * from the pid file and is believed only when that process' own command line names this home's nats.conf.
 */
import type { Random } from '../ports/random.ts'
import { isAlive } from '../system/process.ts'
import { natsConf, type Access, type ClusterConf, type Logins, type TlsFiles } from './config.ts'
import { choosePort, loadLogins, openHome, readText, replaceText, type Paths } from './server-home.ts'
import {
  checkVersion,
  end,
  find,
  launch,
  reachable,
  ready,
  ServerFailed,
  type Found,
  type LaunchOptions,
} from './server-process.ts'
import { openSystem } from './system.ts'

export { ServerFailed, type ServerErrorCode } from './server-process.ts'

export type ServerOptions = {
  /** Path of a nats-server, 2.12 or newer. */
  readonly binary: string
  /** Folder of its own: configuration, keys, log and the JetStream store. */
  readonly home: string
  /** Unique in a cluster: the host's name. */
  readonly name: string
  readonly random: Random
  readonly operatorSubjects: readonly string[]
  /**
   * Where clients connect: address (the loopback one when left out; `0.0.0.0` for other machines) and port
   * (left out: the one it had before, else a free one).
   */
  readonly listen?: { readonly host?: string; readonly port?: number }
  /** For clients from other machines. */
  readonly tls?: TlsFiles | undefined
  /** Left out: the platform's login, for one host alone. */
  readonly access?: Access
  /** Left out: it is no part of a cluster. */
  readonly cluster?: ClusterConf | undefined
  /** Shared by the servers of a cluster; left out: this home's own, made at its first start. */
  readonly logins?: Logins | undefined
  /** How long recovery of the store may take before the start counts as failed. */
  readonly readyMsMax?: number
  /** Called about once a second while it is not ready. */
  readonly onProgress?: (progress: { readonly what: string; readonly elapsedMs: number }) => void
}

/** What a server takes while it runs. */
export type ServerChange = Partial<Pick<ServerOptions, 'access' | 'cluster'>>

export type Server = {
  /** For this machine. */
  readonly url: string
  readonly port: number
  readonly pid: number
  /** It was running before. */
  readonly adopted: boolean
  readonly logins: Logins
  /**
   * Takes other users or routes without a restart; who is no longer known is cut off. Resolves when the
   * server has taken them.
   * @throws ServerFailed when it refuses (then it goes on as before)
   */
  readonly reload: (change: ServerChange) => Promise<void>
  /** Calls back once when the process is gone, for whatever reason. */
  readonly onExit: (gone: () => void) => void
  /**
   * SIGTERM, which lets the store close and clients move; SIGKILL only after `killAfterMs`.
   * @returns how it went
   */
  readonly stop: (killAfterMs?: number) => Promise<'stopped' | 'killed'>
}

const loopback = '127.0.0.1'
const readyMsMaxDefault = 120_000
const killAfterMsDefault = 30_000
const exitPollMs = 250
const bindTriesMax = 3

/**
 * Starts the server of this home, or adopts the one that runs: that one takes what has changed, and is
 * started anew if it cannot. Resolves when clients can connect and JetStream is up.
 * @throws ServerFailed
 */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  await checkVersion(options.binary)
  const paths = openHome(options.home)
  const logins = options.logins ?? loadLogins(paths, options.random)
  const place: Place = { paths, options, logins }
  const launching = launchOptions(options)
  const changed = writeConf(place, options)

  const running = find(paths)
  if (running !== undefined) {
    if (await adopt(place, running, launching, changed)) return serverOf(place, running, true)
    await end(running, killAfterMsDefault)
  }
  for (let tries = 1; ; tries += 1) {
    const port = await choosePort(paths, launching.address, options.listen?.port)
    const started = await launch(paths, launching, port)
    if (started !== 'port taken') return serverOf(place, started.found, started.adopted)
    if (tries === bindTriesMax) {
      throw new ServerFailed('nats_server_failed', `nats-server found its port ${port} taken ${tries} times`)
    }
  }
}

/** Ends the server that runs on this home, if one does: also one of a parent that is gone. */
export const endServer = async (home: string, killAfterMs = killAfterMsDefault): Promise<void> => {
  const running = find(openHome(home))
  if (running !== undefined) await end(running, killAfterMs)
}

type Place = { readonly paths: Paths; readonly options: ServerOptions; readonly logins: Logins }

const launchOptions = (options: ServerOptions): LaunchOptions => ({
  binary: options.binary,
  home: options.home,
  name: options.name,
  address: options.listen?.host ?? loopback,
  readyMsMax: options.readyMsMax ?? readyMsMaxDefault,
  onProgress: options.onProgress,
})

/** @returns whether the file has changed */
const writeConf = ({ paths, logins }: Place, options: ServerOptions): boolean => {
  const conf = natsConf({
    name: options.name,
    storeDir: paths.store,
    logFile: paths.log,
    pidFile: paths.pid,
    logins,
    operatorSubjects: options.operatorSubjects,
    access: options.access ?? { kind: 'platform' },
    tls: options.tls,
    cluster: options.cluster,
  })
  if (readText(paths.conf) === conf) return false
  replaceText(paths.conf, conf)
  return true
}

/** @returns false when the one that runs must be started anew */
const adopt = async (
  place: Place,
  running: Found,
  launching: LaunchOptions,
  changed: boolean,
): Promise<boolean> => {
  const port = place.options.listen?.port ?? running.port
  if (running.address !== launching.address || running.port !== port) return false
  if ((await ready(running, undefined, place.paths, launching)) === 'ended') return false
  if (!changed) return true
  try {
    await reload(place, running)
    return true
  } catch {
    // It refuses, or knows another login: what it cannot take while it runs it takes when it starts.
    return false
  }
}

const reload = async ({ options, logins }: Place, { address, port }: Found): Promise<void> => {
  const url = `nats://${reachable(address)}:${port}`
  const system = await openSystem({ url, login: logins.system, name: options.name })
  try {
    await system.reload()
  } finally {
    await system.close()
  }
}

const serverOf = (place: Place, found: Found, adopted: boolean): Server => {
  let { options } = place
  return {
    url: `nats://${reachable(found.address)}:${found.port}`,
    port: found.port,
    pid: found.id.pid,
    adopted,
    logins: place.logins,
    async reload(change) {
      options = { ...options, ...change }
      if (!writeConf(place, options)) return
      try {
        await reload(place, found)
      } catch (error) {
        const why = error instanceof Error ? error.message : 'no reason'
        throw new ServerFailed('nats_server_failed', `nats-server does not take a change: ${why}`, {
          cause: error,
        })
      }
    },
    onExit(gone) {
      const timer = setInterval(() => {
        if (isAlive(found.id)) return
        clearInterval(timer)
        gone()
      }, exitPollMs)
      timer.unref()
    },
    stop: (killAfterMs = killAfterMsDefault) => end(found, killAfterMs),
  }
}
