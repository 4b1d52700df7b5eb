/**
 * Follows where the bus is, and makes one server three when there are three control hosts to run them
 * (config/decisions/009).
 */
import { finishGrowth, grow } from '../../src/nats/grow.ts'
import { replaceServer } from '../../src/nats/replace.ts'
import { answers } from '../../src/nats/server-process.ts'
import { performStep, type ServerStep } from '../../src/nats/steps.ts'
import type { Member } from '../../src/membership/contract.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Bus } from './bus.ts'
import { accessOf, routePortOf } from './bus-conf.ts'
import { writeBusFile } from './bus-login.ts'
import { placeAt, readPlace, writePlace, type Entered } from './bus-place.ts'
import { spareOf, vacancyOf, withVacancy, type Vacancy } from './bus-vacancy.ts'
import type { Cluster } from './members-file.ts'
import type { Neighbours } from './neighbours.ts'
import type { HomePaths } from './paths.ts'

export type GrowthDeps = {
  readonly cluster: Cluster
  readonly place: Entered
  readonly paths: HomePaths
  readonly bus: Bus
  readonly neighbours: Neighbours
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
  readonly progress: (text: string) => void
}

/** Where hosts ask steps of each other's servers. */
export const stepPath = '/servers/step'

export const serveSteps = ({ keeper }: Entered) => ({
  [stepPath]: async (body: unknown): Promise<unknown> => {
    if (keeper === undefined) throw new Error('this host runs no bus server')
    await performStep(keeper, body as ServerStep)
    return {}
  },
})

const serversWanted = 3
const lookEveryMs = 5_000
/** Hosts that have just joined settle first. */
const steadyMs = 5_000
const growAgainMs = 60_000
const stepTimeoutMs = 120_000

export type FollowedBus = {
  /**
   * Before a host is taken out for good: another control host gets a server in place of its own, if it has
   * one.
   * @returns false when nobody can take its place: the two that are left go on, and the next control host to
   *   join gets it
   */
  readonly release: (host: string) => Promise<boolean>
  readonly close: () => void
}

export const followBus = (deps: GrowthDeps): FollowedBus => {
  const { cluster, place, bus, neighbours, clock, log } = deps
  const { keeper } = place
  let timer: Timer | undefined
  let closed = false
  let notBefore = 0

  const call = async (host: string, step: ServerStep): Promise<void> => {
    await neighbours.peers.call(host, stepPath, step, { timeoutMs: stepTimeoutMs })
  }
  /** The servers that there will be: this host's first. Undefined: there are not three yet. */
  const chosen = (): readonly Member[] | undefined => {
    const { members, leader } = neighbours.members.view()
    const steady = ({ state, roles, since }: Member): boolean =>
      state === 'up' && roles.includes('control') && clock.now() - since > steadyMs
    const fit = members.filter(steady).sort((a, b) => (a.name < b.name ? -1 : 1))
    const own = fit.find(({ name }) => name === cluster.name)
    if (leader === '' || own === undefined || fit.length < serversWanted) return undefined
    return [own, ...fit.filter((member) => member !== own)].slice(0, serversWanted)
  }
  const become = async (servers: readonly Member[]): Promise<void> => {
    if (keeper === undefined) return
    const hosts = neighbours.hosts()
    const where = servers.flatMap(({ name }) => hosts.find((host) => host.name === name) ?? [])
    log({ at: 'bus-grows', servers: where.map(({ name }) => name).join(',') })
    await grow({
      keeper,
      name: cluster.name,
      cluster: cluster.cluster,
      servers: where.map(({ name, address, port }) => ({ name, route: `${address}:${routePortOf(port)}` })),
      access: accessOf(hosts),
      call,
      random: deps.random,
      progress: deps.progress,
    })
    log({ at: 'bus-grown' })
    await settle()
  }
  /** The host that grew says where the servers are, until every one of them and the record know. */
  const settle = async (): Promise<void> => {
    const mode = keeper?.mode()
    if (keeper === undefined || mode?.kind !== 'clustered') return
    await finishGrowth({ keeper, call })
    const hosts = neighbours.hosts()
    const where = mode.generation.servers.flatMap(
      ({ name }) => hosts.find((host) => host.name === name) ?? [],
    )
    if (where.length < mode.generation.servers.length) return
    const known = await readPlace(bus.store)
    if (known?.removed === undefined) await writePlace(bus.store, placeAt(where))
  }
  /**
   * A host with a server of its own uses that one: observers count the servers that beats came through, and
   * what dies with a host should be its own connections alone.
   */
  const goHome = async (): Promise<void> => {
    const own = keeper?.server()
    const kind = keeper?.mode().kind
    // One that is being filled takes nobody yet.
    if (kind !== 'alone' && kind !== 'clustered') return
    if (own === undefined || bus.connection.serverName() === cluster.name || !bus.connection.connected())
      return
    if (!(await answers({ address: '127.0.0.1', port: own.port }, cluster.name))) return
    log({ at: 'bus-home', from: bus.connection.serverName() })
    await bus.connection.goHome()
  }
  const look = async (): Promise<void> => {
    try {
      await settle()
      const next = await readPlace(bus.store)
      if (next !== undefined && keeper?.mode().kind !== 'alone' && place.moved(next)) {
        bus.connection.setUrls(place.file().urls)
        writeBusFile(deps.paths, place.file())
      }
      await goHome()
      await refill()
      const servers = keeper?.mode().kind === 'alone' && clock.now() > notBefore ? chosen() : undefined
      if (servers !== undefined) {
        notBefore = clock.now() + growAgainMs
        await become(servers)
      }
    } catch (error) {
      log({ at: 'bus-look-failed', reason: error instanceof Error ? error.message : 'unknown' })
    }
    if (!closed) timer = clock.after(lookEveryMs, () => void look())
  }
  /** A place that stood empty is filled once somebody is there to fill it. */
  const refill = async (): Promise<void> => {
    if (keeper?.mode().kind !== 'clustered' || clock.now() < notBefore) return
    const { members } = neighbours.members.view()
    const vacancy = vacancyOf(place.now(), members, cluster.name, clock.now(), steadyMs)
    if (vacancy === undefined) return
    notBefore = clock.now() + growAgainMs
    await replace(vacancy)
  }
  const release = async (dead: string): Promise<boolean> => {
    const now = place.now()
    if (keeper?.mode().kind !== 'clustered' || !now.servers.some(({ name }) => name === dead)) return true
    const spare = spareOf(now, neighbours.members.view().members, clock.now(), 0)
    if (spare !== undefined && (await replace({ dead, spare }))) return true
    log({ at: 'bus-server-not-replaced', host: dead, why: 'no other control host' })
    await writePlace(bus.store, withVacancy(now, dead))
    return false
  }
  const replace = async ({ dead, spare }: Vacancy): Promise<boolean> => {
    const { servers, removed } = place.now()
    const fresh = neighbours.hosts().find((host) => host.name === spare)
    if (keeper === undefined || fresh === undefined) return false
    const { name, address, port } = fresh
    const route = `${address}:${routePortOf(port)}`
    await replaceServer({
      keeper,
      name: cluster.name,
      connection: bus.connection,
      dead,
      fresh: { name, route },
      call,
      random: deps.random,
      progress: deps.progress,
    })
    const where = [...servers.filter((server) => server.name !== dead), { name, address, port }]
    const empty = (removed ?? []).filter((host) => host !== dead)
    await writePlace(bus.store, { ...placeAt(where), ...(empty.length > 0 && { removed: empty }) })
    log({ at: 'bus-server-replaced', host: dead, by: name })
    return true
  }
  void look()
  return {
    release,
    close: () => {
      closed = true
      timer?.cancel()
    },
  }
}
