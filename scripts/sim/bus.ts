/**
 * The bus servers of a simulated cluster: which of them are up, who is connected to which, and who leads the
 * record. What real ones do, as far as hosts notice: clients of a dead server find another one within seconds
 * or are offline; a record without its leader takes no writes until another one is elected (4 to 9 s); one
 * without a majority takes none at all; and a server on the small side of a cut knows that only by then.
 */
import type { SeededRandom } from '../../src/sim/random.ts'
import type { World } from '../../src/sim/world.ts'

export type Bus = {
  /** Hosts whose server is up. */
  readonly up: () => readonly string[]
  readonly leader: () => string | undefined
  /** The server that a host is connected to now; undefined: to none. */
  serverOf(host: string): string | undefined
  kill(server: string): void
  /** SIGTERM: hands over what it leads before it goes. */
  stop(server: string): void
  start(server: string): void
  /** Hosts that reach each other and nobody else for now; replaces the last such word. */
  cutOff(hosts: ReadonlySet<string>): void
  onServer(changed: (host: string, server: string) => void): void
}

const reconnectMs = [50, 1_500] as const
/** A host leaves another one's server for its own when that is back. */
const homeMs = 2_000
const electionMs = [4_000, 9_000] as const
/** What listens on a host besides its host process, each with a connection of its own. */
export const endpointsOf = (host: string): readonly string[] => [host, `${host}-router`]

const hostOf = (endpoint: string): string => endpoint.replace(/-router$/, '')

/** @param servers the hosts that have one */
export const simBus = (
  world: World,
  hosts: readonly string[],
  servers: readonly string[],
  random: SeededRandom,
): Bus => {
  const up = new Set(servers)
  const connected = new Map<string, string>(
    hosts.map((host) => [host, servers.includes(host) ? host : random.pick(servers)]),
  )
  const watchers: ((host: string, server: string) => void)[] = []
  let isolated: ReadonlySet<string> = new Set()
  let leader = servers[0]
  let elections = 0
  const majority = Math.floor(servers.length / 2) + 1

  /** Whether both are on the same side of the cut. */
  const near = (host: string, other: string): boolean => isolated.has(host) === isolated.has(other)
  const attach = (host: string): void => {
    if (connected.has(host)) return
    const found = up.has(host) ? [host] : [...up].filter((server) => near(host, server))
    if (found.length === 0) return
    const server = random.pick(found)
    connected.set(host, server)
    for (const endpoint of endpointsOf(host)) world.network.reconnect(endpoint)
    for (const changed of watchers) changed(host, server)
  }
  const detach = (host: string): void => {
    connected.delete(host)
    for (const endpoint of endpointsOf(host)) world.network.disconnect(endpoint)
    world.clock.after(random.between(...reconnectMs), () => attach(host))
  }

  /** The servers that could elect a leader: of either side of the cut that which has most of all. */
  const electorate = (): readonly string[] => {
    const sides = [true, false].map((side) => [...up].filter((server) => isolated.has(server) === side))
    return sides.find((side) => side.length >= majority) ?? []
  }
  /** Whether the record can be written now, and by whom it is not even reached. */
  const settle = (): void => {
    const able = electorate()
    world.store.away(up.size === 0)
    // Who is on the other side has a copy at best, and no leader.
    const [first] = able
    const lost = first === undefined ? [] : hosts.filter((host) => !near(host, first))
    world.store.cutOff(new Set(lost))
    if (leader !== undefined && able.includes(leader)) return
    leader = undefined
    world.store.writesAway(true)
    const election = ++elections
    if (able.length === 0) return
    world.clock.after(random.between(...electionMs), () => {
      if (election !== elections) return
      leader = random.pick(able)
      world.store.writesAway(false)
    })
  }

  const kill = (server: string): void => {
    if (!up.delete(server)) return
    for (const [host, its] of connected) if (its === server) detach(host)
    settle()
  }
  /** Home: the next time it connects, a host finds its own server first. */
  const comeHome = (server: string): void => {
    if (!up.has(server) || connected.get(server) === server) return
    connected.delete(server)
    attach(server)
  }
  // From a host to its server, to the other one's server, to the other one.
  world.network.route((from, to) => {
    const [host, other] = [hostOf(from), hostOf(to)]
    const [first, last] = [connected.get(host), connected.get(other)]
    return first === undefined || last === undefined ? undefined : [host, first, last, other]
  })

  return {
    up: () => [...up],
    leader: () => leader,
    serverOf: (host) => connected.get(host),
    kill,
    stop: (server) => {
      const heir = electorate().find((other) => other !== server)
      if (leader === server && heir !== undefined && electorate().length > majority) leader = heir
      kill(server)
    },
    start: (server) => {
      if (!servers.includes(server)) return
      up.add(server)
      settle()
      for (const host of hosts) world.clock.after(random.between(...reconnectMs), () => attach(host))
      world.clock.after(homeMs, () => comeHome(server))
    },
    cutOff: (cut) => {
      isolated = cut
      settle()
      for (const [host, server] of connected) if (!near(host, server)) detach(host)
      for (const host of hosts) world.clock.after(random.between(...reconnectMs), () => attach(host))
    },
    onServer: (changed) => void watchers.push(changed),
  }
}
