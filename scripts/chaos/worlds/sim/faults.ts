/** What each fault does to the simulated machines, links and bus servers; and whom a target means. */
import { endpointsOf } from '../../../sim/bus.ts'
import { calmNetwork } from '../../../../src/sim/network.ts'
import type { Fault, Target } from '../../language.ts'
import { liveOf } from '../../../sim/engine.ts'
import type { Site } from './site.ts'

/** Peers notice a frozen or cut off server when its pings are due. */
const pingsMs = 2_500
const bootMs = 1_500
const viewMsMax = 10_000
const pollMs = 50

export type Faults = {
  readonly strike: (fault: Fault) => Promise<readonly string[]>
  readonly heal: () => Promise<void>
}

export const faultsOf = (site: Site, sleep: (ms: number) => Promise<void>): Faults => {
  const { cluster, names, off, frozen, cuts, apart } = site
  const { world, bus, machines } = cluster
  let last: readonly string[] = []

  const leaderOfView = (): string | undefined => cluster.view()?.leader
  const dynosOn = (host: string): number => liveOf(machines.get(host)!).length
  const bystanders = (): readonly string[] =>
    names.filter((name) => name !== leaderOfView() && name !== bus.leader() && !off.has(name))
  const named = (the: Exclude<Target, string>['the']): readonly string[] => {
    switch (the) {
      case 'all':
        return names
      case 'same':
        return last
      case 'rest':
        return names.filter((name) => !last.includes(name))
      case 'placement-leader':
        return [leaderOfView() ?? names[0]!]
      case 'store-leader':
        return [bus.leader() ?? names[0]!]
      case 'busiest':
        return [[...names].sort((a, b) => dynosOn(b) - dynosOn(a))[0]!]
      case 'bystander': {
        const found = bystanders()
        return [found.findLast((name) => dynosOn(name) > 0) ?? found.at(-1) ?? names.at(-1)!]
      }
      case 'builder':
        throw new RangeError('nothing is compiled in this world')
      case 'half-and-more':
        return names.slice(-(Math.floor(names.length / 2) + 1))
      case 'minority': {
        const leader = bus.leader() ?? names[0]!
        const others = names.filter((name) => name !== leader)
        const count = Math.ceil(names.length / 2) - 1
        return [leader, ...(count > 1 ? others.slice(1 - count) : [])]
      }
    }
  }
  const hostsOf = (target: Target): readonly string[] =>
    typeof target === 'string' ? [target] : named(target.the)

  const powerOff = (hosts: readonly string[]): void => {
    for (const host of hosts) {
      off.add(host)
      frozen.delete(host)
      world.crash(host)
      machines.get(host)?.powerOff()
      site.closeRouter(host)
      bus.kill(host)
    }
  }
  const start = (host: string): void => {
    if (off.delete(host)) {
      bus.start(host)
      site.openRouter(host)
    }
    world.restart(host)
  }
  const freeze = (host: string): void => {
    frozen.add(host)
    world.freeze(host)
    machines.get(host)?.freeze()
    site.routers.get(host)?.gate.freeze()
    world.clock.after(pingsMs, () => frozen.has(host) && bus.kill(host))
  }
  const thaw = (host: string): void => {
    if (!frozen.delete(host)) return
    bus.start(host)
    machines.get(host)?.thaw()
    site.routers.get(host)?.gate.thaw()
    world.thaw(host)
  }
  const cut = (hosts: readonly string[], way: 'both' | 'out' | 'in'): void => {
    for (const inside of hosts) {
      apart.add(inside)
      for (const outside of names.filter((name) => !hosts.includes(name))) {
        if (way !== 'in') sever(inside, outside)
        if (way !== 'out') sever(outside, inside)
      }
    }
    world.clock.after(pingsMs, () => bus.cutOff(new Set(apart)))
  }
  const sever = (from: string, to: string): void => {
    cuts.add(`${from}>${to}`)
    for (const one of endpointsOf(from)) for (const other of endpointsOf(to)) world.network.cut(one, other)
  }
  const mend = (): void => {
    world.network.heal()
    for (const name of names) {
      for (const endpoint of endpointsOf(name)) world.network.worsen(endpoint, undefined)
    }
    cuts.clear()
    apart.clear()
    bus.cutOff(new Set())
  }
  const upgrade = async (host: string): Promise<void> => {
    await site.drainRouter(host)
    await cluster.stop(host)
    bus.stop(host)
    await sleep(bootMs)
    bus.start(host)
    world.restart(host)
    // A host's routers start when it is in the view: a fresh one knows nothing, and has to ask.
    for (let waitedMs = 0; waitedMs < viewMsMax && !isInView(host); waitedMs += pollMs) await sleep(pollMs)
    site.openRouter(host)
  }
  const isInView = (host: string): boolean => {
    const seen = world.alive().includes(host) ? cluster.members.get(host)?.directory.view().hosts : undefined
    return seen?.some((one) => one.name === host) === true
  }

  const act = async (fault: Fault, hosts: readonly string[]): Promise<void> => {
    switch (fault.do) {
      case 'kill':
        for (const host of hosts) world.crash(host)
        return
      case 'power-off':
        return powerOff(hosts)
      case 'rollback':
        powerOff(names)
        world.store.rollback(fault.undoneMs)
        cluster.outside.stream.rollback(fault.undoneMs)
        cluster.outside.events.rollback(fault.undoneMs)
        await sleep(bootMs)
        for (const name of names) start(name)
        return
      case 'start':
        for (const host of hosts) start(host)
        return
      case 'freeze':
        for (const host of hosts) freeze(host)
        return
      case 'thaw':
        for (const host of hosts) thaw(host)
        return
      case 'cut':
        return cut(hosts, fault.way)
      case 'slow-link':
        for (const endpoint of hosts.flatMap(endpointsOf)) {
          // Late on average by that; a later message may well overtake an earlier one.
          const [delayMsMin, delayMsMax] = [fault.delayMs * 0.1, fault.delayMs * 1.9]
          world.network.worsen(endpoint, { ...calmNetwork, loss: fault.loss, delayMsMin, delayMsMax })
        }
        return
      case 'replay':
        for (const endpoint of hosts.flatMap(endpointsOf)) {
          world.network.worsen(endpoint, { ...calmNetwork, replayMs: fault.afterMs })
        }
        return
      case 'mend':
        return mend()
      case 'bus-kill':
        for (const host of hosts) bus.kill(host)
        return
      case 'bus-start':
        for (const host of hosts) if (!off.has(host) && !frozen.has(host)) bus.start(host)
        return
      case 'router-kill':
        for (const host of hosts.filter((name) => !off.has(name) && !frozen.has(name))) {
          site.closeRouter(host)
          site.openRouter(host)
        }
        return
      case 'clock-jump':
        for (const host of hosts) world.skew(host, world.skewOf(host) + fault.byMs)
        return
      case 'drain':
      case 'undrain':
        for (const host of hosts) cluster.drain(host, fault.do === 'drain')
        return
      case 'upgrade':
        for (const host of hosts) await upgrade(host)
        return
      case 'receiver-kill':
      case 'receiver-freeze':
      case 'receiver-cut':
      case 'receiver-mend':
      case 'disk-full':
      case 'disk-free':
      case 'disk-slow':
      case 'disk-fast':
      case 'router-freeze':
      case 'router-thaw':
      case 'bus-freeze':
      case 'bus-thaw':
        throw new Error(`this is no fault of the simulation: ${fault.do}`)
    }
  }

  return {
    strike: async (fault) => {
      const hosts =
        fault.do === 'rollback' ? names : fault.do === 'mend' ? last : 'on' in fault ? hostsOf(fault.on) : []
      last = hosts
      await act(fault, hosts)
      return hosts
    },
    heal: async () => {
      mend()
      for (const name of names) {
        thaw(name)
        start(name)
        bus.start(name)
        world.skew(name, 0)
      }
    },
  }
}
