/**
 * The other hosts, as this host meets them: who is alive (membership), who is on record (whom the bus and the
 * peers' listener admit), and what is asked of each other over HTTPS.
 */
import type { Duplex } from 'node:stream'
import type { Member, MemberInfo, Members, Membership } from '../../src/membership/contract.ts'
import { openMembership } from '../../src/membership/membership.ts'
import type { Keeper } from '../../src/nats/keeper.ts'
import type { ApiUser } from '../../src/nats/permissions.ts'
import { openSystem, type System } from '../../src/nats/system.ts'
import { openPeers, type Peers } from '../../src/peers/client.ts'
import { PeerRefusal, type Peer, type PeerHandlers } from '../../src/peers/contract.ts'
import { openPeerServer } from '../../src/peers/server.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import type { Bus } from './bus.ts'
import { accessOf } from './bus-conf.ts'
import { listBusUsers } from './bus-users.ts'
import { registerHost } from './cluster.ts'
import { followHosts, hostsTopic } from './follow-hosts.ts'
import { listHosts, type HostRecord } from './host-record.ts'
import { acceptJoin } from './join.ts'
import type { BusPlace, Cluster } from './members-file.ts'
import { acceptRenewal, renewPath } from './renew.ts'

export type Neighbours = {
  readonly members: Members
  readonly peers: Peers
  /** Hosts on record, as last read; this one among them. */
  hosts(): readonly HostRecord[]
  /**
   * Its lease is over, or it went, or nobody knows of it: what it had not finished it never will. False until
   * this host has heard who is there.
   */
  isGone(host: string): boolean
  onHosts(changed: (hosts: readonly HostRecord[]) => void): void
  /** Users who have a key for the bus, as last read by a control host of a bus of our own. */
  busUsers(): readonly ApiUser[]
  /** The record of a host changed here: everybody looks again. */
  hostChanged(name: string): void
  /** Who may use the bus changed here: everybody looks again. Resolves when this host has. */
  accessChanged(): Promise<void>
  close(): Promise<void>
}

export type NeighboursDeps = {
  readonly cluster: Cluster
  readonly bus: Bus
  readonly keeper: Keeper | undefined
  readonly busPlace: () => BusPlace
  readonly incarnation: number
  readonly version: string
  readonly clock: Clock
  readonly log: Log
  readonly packedSlug: (sha256: string) => string | undefined
  /** The client that waits here for a token. */
  readonly attach: (token: string) => Promise<Duplex>
  /** A client that came in at another host, for whom a process may wait here. */
  readonly client: PeerHandlers['client']
  /** A call that came in at another host. */
  readonly api: PeerHandlers['api']
  /** What else hosts ask of each other, by path. */
  readonly calls: Readonly<Record<string, (body: unknown, peer: Peer) => Promise<unknown>>>
  /** A host joined through this one. */
  readonly joined: (host: HostRecord) => void
  /** An operator took this host out. */
  readonly removed: () => void
}

/** Of what hosts say to each other; another number does not mix. */
const wireProtocol = 1
const retryMs = 1_000

export const openNeighbours = async (deps: NeighboursDeps): Promise<Neighbours> => {
  const { cluster, bus, keeper, clock, log } = deps
  const { connection, store, transport } = bus
  let hosts: readonly HostRecord[] = []
  let users: readonly ApiUser[] = []
  const watchers: ((hosts: readonly HostRecord[]) => void)[] = []

  const read = async (): Promise<void> => {
    hosts = await listHosts(store)
    const mode = keeper?.mode()
    if (keeper !== undefined) users = await listBusUsers(store)
    if (mode?.kind === 'alone' || mode?.kind === 'clustered') await keeper?.allow(accessOf(hosts, users))
    for (const watcher of watchers) watcher(hosts)
  }
  /** One reading at a time; what changes meanwhile is read after it. */
  let reading = Promise.resolve()
  const readAgain = (): Promise<void> => {
    reading = reading.then(read).catch((error: unknown) => {
      log({ at: 'hosts-unread', reason: error instanceof Error ? error.message : 'unknown' })
      if (error instanceof StoreUnavailable) clock.after(retryMs, () => void readAgain())
    })
    return reading
  }
  await readAgain()

  const self: MemberInfo = {
    name: cluster.name,
    incarnation: deps.incarnation,
    roles: cluster.roles,
    address: cluster.address,
    labels: cluster.labels,
    version: deps.version,
    protocol: wireProtocol,
    draining: false,
    server: connection.serverName(),
  }
  const members = openMembership({ clock, transport, log }, self, {
    serversMin: () => Math.floor(Math.max(1, deps.busPlace().servers.length) / 2) + 1,
  })
  connection.onEvent((event) => {
    if (event === 'up') members.change({ server: connection.serverName() })
  })
  // Those that were there before: whoever comes later is heard when it comes.
  const others = (): readonly MemberInfo[] =>
    hosts.filter(({ name }) => name !== cluster.name).map((host) => memberOf(host))
  if (hosts.length > 0) members.known(others())
  else {
    const told = watchers.push(() => {
      watchers.splice(told - 1, 1)
      members.known(others())
    })
  }
  const system = watchDisconnects(deps, (client) => members.disconnected(client))

  const peers = openPeers({
    authority: cluster.authorityPem,
    certificate: cluster.certificate,
    key: cluster.key,
    addressOf: (name) => hosts.find((host) => host.name === name),
  })
  const hostChanged = (name: string): void => {
    transport.publish(hostsTopic, Buffer.from(name))
    void readAgain()
  }
  const admitted = async (host: HostRecord): Promise<void> => {
    transport.publish(hostsTopic, Buffer.from(host.name))
    // It is told when the bus here knows it; the other servers follow within a moment.
    await readAgain()
  }
  const listener = await openPeerServer({
    listen: { host: '0.0.0.0', port: cluster.port },
    certificate: cluster.certificate,
    key: cluster.key,
    authority: cluster.authorityPem,
    handlers: {
      // Until the record could be read, the authority's word is all there is.
      admits: ({ name, key }) => hosts.length === 0 || hosts.some((h) => h.name === name && h.tlsKey === key),
      join: async (token, body) => {
        const asked = { token, body, nowMs: clock.now(), bus: deps.busPlace() }
        const { grant, host } = await acceptJoin(store, cluster, asked)
        await admitted(host)
        log({ at: 'joined', host: host.name, address: host.address, roles: host.roles.join(',') })
        deps.joined(host)
        return grant
      },
      slug: deps.packedSlug,
      attach: (token) => deps.attach(token),
      client: deps.client,
      api: deps.api,
      call: async (path, body, peer) => {
        if (path === renewPath) {
          const asked = { peer, body, nowMs: clock.now(), bus: deps.busPlace() }
          const { renewed, host } = await acceptRenewal(store, cluster, asked)
          await admitted(host)
          return renewed
        }
        const handle = deps.calls[path]
        if (handle === undefined) throw new PeerRefusal('not_found', `nothing is served at ${path}`)
        return handle(body, peer)
      },
      failed: (path, error) =>
        log({ at: 'peer-call-failed', path, reason: error instanceof Error ? error.message : 'unknown' }),
    },
  })
  let wasDraining: boolean | undefined
  const following = followHosts({
    self: cluster.name,
    store,
    transport,
    clock,
    log,
    nkey: cluster.nkey,
    removed: deps.removed,
    lost: async () => {
      log({ at: 'host-record-lost' })
      if (!cluster.roles.includes('control')) return
      await registerHost(store, cluster)
      hostChanged(cluster.name)
    },
    own: (record) => {
      if (record.draining === wasDraining) return
      wasDraining = record.draining
      members.change({ draining: record.draining })
    },
    changed: () => void readAgain(),
  })

  return {
    members,
    peers,
    hosts: () => hosts,
    busUsers: () => users,
    isGone: (name) => {
      const { number, members: seen } = members.view()
      if (number === 0) return false
      const member = seen.find((one) => one.name === name)
      if (member === undefined) return !hosts.some((host) => host.name === name)
      return member.state === 'dead' || member.state === 'left'
    },
    onHosts: (changed) => {
      watchers.push(changed)
      changed(hosts)
    },
    hostChanged,
    accessChanged: () => {
      transport.publish(hostsTopic, Buffer.from(''))
      return readAgain()
    },
    close: async () => {
      following.close()
      await listener.close(peersGraceMs)
      await peers.close()
      members.close()
      await system.close()
    },
  }
}

const peersGraceMs = 2_000

/** As the record has it: its life is older than any that it can begin. */
const memberOf = ({ name, roles, address, labels, draining }: HostRecord): MemberInfo => ({
  name,
  incarnation: 0,
  roles,
  address,
  labels,
  version: '',
  protocol: wireProtocol,
  draining,
  server: '',
})

/** Hosts that could run something now. */
export const placeable = ({ members }: Membership): readonly Member[] =>
  members.filter(({ state, roles }) => state === 'up' && roles.includes('dyno'))

const systemRetryMs = 2_000

/** From this host's own server, once it has one: it may get one, or another one, while the host runs. */
const watchDisconnects = (
  { keeper, cluster, clock, log }: NeighboursDeps,
  onGone: (client: string) => void,
): { readonly close: () => Promise<void> } => {
  let closed = false
  let system: System | undefined
  let timer: Timer | undefined
  let pid = 0
  const look = async (): Promise<void> => {
    const server = keeper?.server()
    try {
      if (server !== undefined && server.pid !== pid) {
        await system?.close()
        system = await openSystem({ url: server.url, login: server.logins.system, name: cluster.name })
        system.watchDisconnects(onGone)
        pid = server.pid
      }
    } catch (error) {
      log({ at: 'disconnects-unwatched', reason: error instanceof Error ? error.message : 'unknown' })
    }
    if (!closed) timer = clock.after(systemRetryMs, () => void look())
  }
  if (keeper !== undefined) void look()
  return {
    close: async () => {
      closed = true
      timer?.cancel()
      await system?.close()
    },
  }
}
