/**
 * The embedded server of a host through its lives: alone at first, then one of several. It is started as the
 * host's mode file says, again whenever it ends unasked, and changed by steps that can each be repeated.
 *
 * The one moment that counts when a cluster grows is `commit`: one rename. Before it the server that was
 * alone holds the truth and is started again by whoever comes next; after it the cluster does.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../ports/log.ts'
import type { Access, ClusterConf, Login, TlsFiles } from './config.ts'
import { folderOf, idsOf, readMode, removeFolder, writeMode, type Generation, type Mode } from './mode.ts'
import { endServer, startServer, type Server, type ServerOptions } from './server.ts'

export type KeeperOptions = Pick<
  ServerOptions,
  'binary' | 'name' | 'random' | 'operatorSubjects' | 'readyMsMax' | 'onProgress' | 'logins'
> & {
  /** Folder of all the host's servers, one after the other. */
  readonly home: string
  /**
   * Where clients connect. The server that is alone has a port of its own, so that the one that takes its
   * place can be filled beside it: clients know both.
   */
  readonly listen: { readonly host: string; readonly port: number; readonly alonePort: number }
  /** Where other servers connect. */
  readonly routes: { readonly host: string; readonly port: number }
  /** Left out only in tests on the loopback address. */
  readonly tls?: TlsFiles | undefined
  readonly log: Log
}

export type Keeper = {
  readonly mode: () => Mode
  /** The one that clients use. */
  readonly server: () => Server | undefined
  /**
   * Starts the server that the mode file says. A host that has no such file yet runs one of its own when
   * `access` is given, and none when it is not. What an interrupted change left is put right first.
   * @throws ServerFailed
   */
  readonly start: (access?: Access) => Promise<Server | undefined>
  /** Who may use it from now on. @throws ServerFailed */
  readonly allow: (access: Access) => Promise<void>
  /** Which servers there are from now on. @throws ServerFailed */
  readonly route: (generation: Generation) => Promise<void>
  /**
   * Starts an empty server of this generation that only `grower` may use, where clients will look for it.
   * @throws ServerFailed, KeeperRefused when this host's server is one of several already
   */
  readonly prepare: (generation: Generation, grower: Login) => Promise<Server>
  /** What was prepared and is not committed ends and is forgotten; the server that was alone serves again. */
  readonly discard: () => Promise<void>
  /** The server that is alone starts anew where only `grower` finds it: all it ever acknowledged is in it. */
  readonly freeze: (grower: Login) => Promise<Server>
  /**
   * From now on what was prepared is this host's server. The others are `unopened` until `opened` says so.
   */
  readonly commit: (access: Access, unopened: readonly string[]) => void
  /** The server of a committed (or, on the other hosts, prepared) generation takes its clients. */
  readonly open: (access: Access) => Promise<Server>
  readonly opened: (host: string) => void
  /** For good, until the next start. */
  readonly stop: () => Promise<void>
}

/** This host's server is not in the state that the step needs. */
export class KeeperRefused extends Error {
  override readonly name = 'KeeperRefused'
  readonly code = 'nats_mode'
}

const restartMsMin = 200
const restartMsMax = 2_000
const loopback = '127.0.0.1'

export const openKeeper = (options: KeeperOptions): Keeper => {
  const { home, log } = options
  let mode: Mode = readMode(home) ?? { kind: 'none' }
  /** The server that is kept running. */
  let main: Server | undefined
  /** What this host has prepared while the server that is alone is still the one that counts. */
  let prepared: { readonly server: Server; readonly generation: Generation } | undefined
  let stopped = false

  const set = (next: Mode): void => {
    writeMode(home, next)
    mode = next
  }
  const common = {
    binary: options.binary,
    name: options.name,
    random: options.random,
    operatorSubjects: options.operatorSubjects,
    tls: options.tls,
    logins: options.logins,
    ...(options.readyMsMax === undefined ? {} : { readyMsMax: options.readyMsMax }),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  }
  const clusterOf = ({ name, servers, routeLogin }: Generation): ClusterConf => ({
    name,
    listen: options.routes,
    routes: servers.map(({ route }) => route),
    login: routeLogin,
    tls: options.tls,
  })
  const optionsOf = (generation: Generation, access: Access): ServerOptions => ({
    ...common,
    home: folderOf(home, generation.id),
    listen: { host: options.listen.host, port: options.listen.port },
    access,
    cluster: clusterOf(generation),
    logins: generation.logins,
  })
  const wanted = (): ServerOptions | undefined => {
    if (mode.kind === 'none') return undefined
    if (mode.kind === 'alone') {
      const { host, alonePort: port } = options.listen
      return { ...common, home, listen: { host, port }, access: mode.access }
    }
    return optionsOf(
      mode.generation,
      mode.kind === 'clustered' ? mode.access : { kind: 'closed', login: mode.grower },
    )
  }
  const keep = (server: Server): Server => {
    main = server
    server.onExit(() => {
      if (stopped || main !== server) return
      log({ at: 'nats-server-ended', pid: server.pid })
      void again(server)
    })
    return server
  }
  const again = async (ended: Server): Promise<void> => {
    const isOver = (): boolean => stopped || main !== ended
    for (let waitMs = restartMsMin; !isOver(); waitMs = Math.min(restartMsMax, 2 * waitMs)) {
      try {
        const next = wanted()
        if (next === undefined) return
        const server = await startServer(next)
        // A step has come between: the server of then is nobody's.
        if (isOver()) await server.stop()
        else keep(server)
        return
      } catch (error) {
        log({ at: 'nats-server-failed', reason: error instanceof Error ? error.message : 'unknown' })
        await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
    }
  }
  const run = async (): Promise<Server | undefined> => {
    const next = wanted()
    return next && keep(await startServer(next))
  }
  /** Ends the kept server without its being started again. */
  const end = async (): Promise<void> => {
    const server = main
    main = undefined
    await server?.stop()
  }
  /** Folders of generations that are not the mode's. */
  const sweep = async (): Promise<void> => {
    const own = mode.kind === 'prepared' || mode.kind === 'clustered' ? mode.generation.id : undefined
    for (const id of idsOf(readdirSync(home))) {
      if (id === own) continue
      await endServer(folderOf(home, id))
      removeFolder(folderOf(home, id))
    }
    if (own !== undefined) await endServer(home)
    if (mode.kind === 'clustered' && mode.unopened.length === 0) removeFolder(join(home, 'store'))
  }
  const refuse = (step: string): never => {
    throw new KeeperRefused(`cannot ${step}: the server of ${options.name} is ${mode.kind}`)
  }

  return {
    mode: () => mode,
    server: () => main,
    async start(access) {
      stopped = false
      if (access !== undefined) {
        if (mode.kind === 'none') set({ kind: 'alone', access })
        else if (mode.kind !== 'prepared') set({ ...mode, access })
      }
      if (mode.kind === 'none') return undefined
      await sweep()
      return run()
    },
    async allow(access) {
      if (mode.kind !== 'alone' && mode.kind !== 'clustered') return refuse('change who may use it')
      set({ ...mode, access })
      await main?.reload({ access })
    },
    async route(generation) {
      if (mode.kind !== 'clustered' || mode.generation.id !== generation.id)
        return refuse('change its routes')
      set({ ...mode, generation })
      await main?.reload({ cluster: clusterOf(generation) })
    },
    async prepare(generation, grower) {
      if (mode.kind === 'clustered') return refuse('prepare')
      const access: Access = { kind: 'closed', login: grower }
      const folder = folderOf(home, generation.id)
      if (mode.kind === 'alone') {
        await prepared?.server.stop()
        prepared = undefined
        await sweep()
        prepared = { server: await startServer(optionsOf(generation, access)), generation }
        return prepared.server
      }
      await end()
      removeFolder(folder)
      set({ kind: 'prepared', generation, grower })
      await sweep()
      return keep(await startServer(optionsOf(generation, access)))
    },
    async discard() {
      if (mode.kind === 'clustered') return refuse('discard')
      if (mode.kind === 'prepared') {
        await end()
        set({ kind: 'none' })
      }
      prepared = undefined
      await sweep()
      // A frozen one listens elsewhere, so it is started anew where its clients look for it.
      if (mode.kind === 'alone') await run()
    },
    // Its port is another: nobody comes back to it by chance.
    async freeze(grower) {
      if (mode.kind !== 'alone') return refuse('freeze')
      await end()
      return startServer({
        ...common,
        home,
        listen: { host: loopback },
        access: { kind: 'closed', login: grower },
      })
    },
    commit(access, unopened) {
      if (mode.kind !== 'alone' || prepared === undefined) return refuse('commit')
      set({ kind: 'clustered', access, generation: prepared.generation, unopened })
      keep(prepared.server)
      prepared = undefined
    },
    async open(access) {
      if (mode.kind === 'prepared') {
        set({ kind: 'clustered', access, generation: mode.generation, unopened: [] })
        if (main === undefined) return (await run()) ?? refuse('open')
        await main.reload({ access })
        return main
      }
      if (mode.kind !== 'clustered') return refuse('open')
      set({ ...mode, access })
      await main?.reload({ access })
      await endServer(home)
      return main ?? refuse('open')
    },
    opened(host) {
      if (mode.kind !== 'clustered') return refuse('open')
      set({ ...mode, unopened: mode.unopened.filter((one) => one !== host) })
    },
    async stop() {
      stopped = true
      await end()
      await prepared?.server.stop()
      prepared = undefined
      if (mode.kind === 'alone') await endServer(home)
    },
  }
}
