/**
 * Where the bus is, for this host: a server of its own, those of other hosts, or an external bus. Where the
 * cluster's servers are is on record, and in `cluster.json` for the next start.
 */
import type { Settings } from '../../config/load.ts'
import { openKeeper, type Keeper } from '../../src/nats/keeper.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import { StoreConflict, type Store } from '../../src/ports/store.ts'
import { accessOf, alonePortOf, busPortOf, operatorSubjects, routePortOf, tlsFilesOf } from './bus-conf.ts'
import { busShape, saveCluster, type BusPlace, type Cluster } from './members-file.ts'
import { checker } from '../../src/runtime/schema.ts'
import type { BusFile, HomePaths } from './paths.ts'

export type EnterDeps = {
  readonly cluster: Cluster
  readonly settings: Settings
  readonly paths: HomePaths
  readonly random: Random
  readonly log: Log
  readonly progress: (text: string) => void
}

export type Entered = {
  /** Servers of a bus that is not the cluster's own. */
  readonly external: readonly string[] | undefined
  /**
   * Runs this host's server, when it has one or may be asked to. Undefined: an external bus, or no control.
   */
  readonly keeper: Keeper | undefined
  /** Copies of what is kept, when this host says what it is like. */
  readonly replicas: number | undefined
  now(): BusPlace
  /** It is elsewhere now: kept for the next start. @returns whether that is news */
  moved(place: BusPlace): boolean
  /** For this host's processes. */
  file(): BusFile
  /** For the operator's own tools; undefined: an external bus. */
  readonly operatorLogin: Readonly<Record<string, string>> | undefined
}

const copiesOfThree = 3
const anywhere = '0.0.0.0'
/** A cold start waits for the other servers for as long as it takes. */
const readyMsMax = 24 * 3_600_000

/** @throws BusPlaceRefused */
export const enterBus = async (deps: EnterDeps): Promise<Entered> => {
  const urls = externalUrls(deps.settings, deps.cluster.bus)
  return urls === undefined ? enterOwn(deps) : enterExternal(deps, urls)
}

export class BusPlaceRefused extends Error {
  override readonly name = 'BusPlaceRefused'
  readonly code = 'bus_place'
}

/**
 * Undefined: the bus is the cluster's own. A host that joined a cluster with an external bus was told where
 * it is, and a later start needs no setting either.
 * @throws BusPlaceRefused when it would leave the record behind that it has
 */
export const externalUrls = (
  { natsUrls }: Pick<Settings, 'natsUrls'>,
  { urls, servers }: BusPlace,
): readonly string[] | undefined => {
  if (servers.length === 0) return natsUrls ?? (urls.length === 0 ? undefined : urls)
  if (natsUrls === undefined) return undefined
  const why = "this host's record is on its own cluster's bus"
  throw new BusPlaceRefused(`MANIFOLD_NATS_URL: ${why} (unset it, or use another MANIFOLD_HOME)`)
}

const enterExternal = async ({ settings, cluster }: EnterDeps, urls: readonly string[]): Promise<Entered> => {
  const bus = { urls: [...urls], servers: [] }
  saveCluster(settings.home, { ...cluster, bus })
  const replicas = urls.length >= copiesOfThree ? copiesOfThree : 1
  return {
    external: urls,
    keeper: undefined,
    replicas: settings.roles.includes('control') ? replicas : undefined,
    now: () => bus,
    moved: () => false,
    file: () => ({ urls, host: cluster.name }),
    operatorLogin: undefined,
  }
}

const enterOwn = async (deps: EnterDeps): Promise<Entered> => {
  const { cluster, settings, paths, progress } = deps
  let place = cluster.bus
  const isControl = settings.roles.includes('control')
  const keeper = isControl
    ? openKeeper({
        binary: paths.natsBinary,
        home: paths.nats,
        name: cluster.name,
        random: deps.random,
        operatorSubjects,
        logins: cluster.secrets.logins,
        listen: { host: anywhere, port: busPortOf(cluster.port), alonePort: alonePortOf(cluster.port) },
        routes: { host: anywhere, port: routePortOf(cluster.port) },
        tls: tlsFilesOf(cluster),
        log: deps.log,
        readyMsMax,
        onProgress: ({ what, elapsedMs }) => progress(`${what} (${Math.round(elapsedMs / 1000)} s)`),
      })
    : undefined
  // Nobody has joined yet: this host's own server is the bus. Later it does what its mode file says.
  const isFounder = place.urls.length === 0
  if (isFounder) place = placeAt([cluster])
  await keeper?.start(isFounder ? accessOf([cluster]) : undefined)
  const isAlone = keeper?.mode().kind === 'alone'
  // The founder may have moved to another address or port.
  if (isAlone) place = placeAt([cluster])
  saveCluster(settings.home, { ...cluster, bus: place })
  const login = cluster.secrets.logins?.operator
  const urls = (): readonly string[] => urlsFor(cluster, place, keeper?.server() !== undefined)
  return {
    external: undefined,
    keeper,
    replicas: isAlone ? 1 : undefined,
    now: () => place,
    moved: (next) => {
      if (JSON.stringify(next) === JSON.stringify(place)) return false
      place = next
      saveCluster(settings.home, { ...cluster, bus: place })
      return true
    },
    file: () => ({
      urls: urls(),
      host: cluster.name,
      seed: cluster.files.seed,
      ca: cluster.files.authority,
    }),
    operatorLogin: login && {
      NATS_URL: urls().join(','),
      NATS_USER: login.user,
      NATS_PASSWORD: login.password,
      NATS_CA: cluster.files.authority,
    },
  }
}

type Where = { readonly name: string; readonly address: string; readonly port: number }

/** The bus with servers on these hosts. One that is alone may have a successor beside it at any moment. */
export const placeAt = (hosts: readonly Where[]): BusPlace => ({
  urls: hosts.flatMap(({ address, port }) => {
    const url = `tls://${address}:${busPortOf(port)}`
    return hosts.length === 1 ? [url, `tls://${address}:${alonePortOf(port)}`] : [url]
  }),
  servers: hosts.map(({ name, address, port }) => ({ name, address, port })),
})

/** The nearest first: this host's own server, without TLS. */
const urlsFor = ({ port, address }: Cluster, place: BusPlace, hasServer: boolean): readonly string[] => {
  if (!hasServer) return place.urls
  const ports = place.servers.length > 1 ? [busPortOf(port)] : [busPortOf(port), alonePortOf(port)]
  const others = place.urls.filter((url) => !ports.some((own) => url === `tls://${address}:${own}`))
  return [...ports.map((own) => `nats://127.0.0.1:${own}`), ...others]
}

const placeKey = 'cluster/bus'
const misfit = checker(busShape)

/** Where the record says that the bus is. */
export const readPlace = async (store: Store): Promise<BusPlace | undefined> => {
  const entry = await store.get(placeKey)
  if (entry === undefined) return undefined
  const value: unknown = JSON.parse(Buffer.from(entry.value).toString('utf8'))
  return misfit(value) === undefined ? (value as BusPlace) : undefined
}

export const writePlace = async (store: Store, place: BusPlace): Promise<void> => {
  const value = Buffer.from(JSON.stringify(place))
  for (;;) {
    const entry = await store.get(placeKey)
    try {
      if (entry === undefined) await store.create(placeKey, value)
      else if (Buffer.compare(entry.value, value) !== 0) await store.update(placeKey, value, entry.revision)
      return
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}
