/**
 * The simulated machines of a scenario, with the state that faults put them in: who has power, stands still,
 * is cut off; and the routers, which live apart from the host processes.
 */
import type { Upstream } from '../../../../src/proxy/contract.ts'
import { createGate, type Gate } from '../../../../src/sim/gate.ts'
import { createCluster, type Cluster, type Life, type SimHost } from '../../../sim/cluster.ts'
import { liveOf, type Process } from '../../../sim/engine.ts'
import type { Plant } from '../../../sim/plant.ts'
import { openRouter, type SimRouter } from '../../../sim/router.ts'
import type { HostSpec } from '../../language.ts'

export type Site = {
  readonly cluster: Cluster
  readonly names: readonly string[]
  /** Machines without power. */
  readonly off: Set<string>
  readonly frozen: Set<string>
  /** `a>b`: nothing gets from a to b. */
  readonly cuts: Set<string>
  /** Hosts that are cut off from most others, one way or both. */
  readonly apart: Set<string>
  readonly routers: Map<string, { readonly router: SimRouter; readonly gate: Gate }>
  openRouter(host: string): void
  closeRouter(host: string): void
  /** Takes nothing new, and closes when what is in flight has ended. */
  drainRouter(host: string): Promise<void>
  /** Hosts that somebody outside reaches now. */
  reachable(): readonly string[]
  /** The hosts whose API answers, perhaps. */
  apis(): readonly string[]
}

const everything = ['control', 'dyno', 'router', 'logplex']

/** A scenario's hosts, by the names that it knows them by. */
export const hostsOf = (specs: readonly HostSpec[]): readonly SimHost[] =>
  specs.map((spec, at) => ({
    name: `h${at + 1}`,
    roles: spec.roles ?? everything,
    labels: spec.zone === undefined ? {} : { zone: spec.zone },
  }))

export const openSite = (
  seed: number,
  hosts: readonly SimHost[],
  plant: Plant,
  onLife: (life: Life) => void = () => undefined,
): Site => {
  const cluster = createCluster(seed, hosts, { plant, onLife })
  const names = hosts.map((host) => host.name)
  const controls = hosts.filter(({ roles }) => roles.includes('control')).map(({ name }) => name)
  const [off, frozen, cuts, apart] = [
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
  ]
  const routers: Site['routers'] = new Map()
  const random = cluster.world.random.fork('site')

  const machineAt = (from: string, address: string): string | undefined => {
    const at = Number(address.split('.').at(-1)) - 1
    const name = names[at]
    // Inner addresses mean the own machine, whichever it is.
    return address.startsWith('10.') ? from : name
  }
  const reach = (from: string, target: Upstream): Process | 'refused' | 'silent' | 'lost' => {
    const host = machineAt(from, target.address)
    const machine = host === undefined ? undefined : cluster.machines.get(host)
    if (host === undefined || machine === undefined || off.has(host)) return 'lost'
    if (cuts.has(`${from}>${host}`) || cuts.has(`${host}>${from}`)) return 'lost'
    const process = liveOf(machine).find((one) => one.port === target.port && one.bound)
    if (process === undefined) return 'refused'
    return frozen.has(host) ? 'silent' : process
  }
  const reachable = (): readonly string[] =>
    names.filter((name) => !off.has(name) && !frozen.has(name) && !apart.has(name))

  const site: Site = {
    cluster,
    names,
    off,
    frozen,
    cuts,
    apart,
    routers,
    reachable,
    openRouter: (host) => {
      if (routers.has(host) || hosts.find((one) => one.name === host)?.roles.includes('router') !== true)
        return
      const gate = createGate()
      routers.set(host, { gate, router: openRouter(cluster, host, gate, random.fork(host), reach) })
    },
    closeRouter: (host) => {
      routers.get(host)?.router.end()
      routers.delete(host)
    },
    drainRouter: async (host) => {
      const open = routers.get(host)
      routers.delete(host)
      await open?.router.drain()
      open?.router.end()
    },
    apis: () => {
      const alive = cluster.world.alive()
      return reachable().filter((name) => controls.includes(name) && alive.includes(name))
    },
  }
  for (const name of names) site.openRouter(name)
  return site
}
