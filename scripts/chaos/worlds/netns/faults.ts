/** What each fault does to the machines of the lab. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Fault } from '../../language.ts'
import type { Cluster } from './cluster.ts'
import type { Lab } from './lab.ts'
import type { Targets } from './targets.ts'

export type Faults = {
  readonly strike: (fault: Fault) => Promise<readonly string[]>
  readonly heal: () => Promise<void>
  /** A copy of every store as it is now, to go back to. */
  readonly keepStores: (atMs: number) => void
}
/** What is hurt now, by kind. */
export type Hurt = ReturnType<typeof unhurt>
export const unhurt = () => ({
  off: new Set<string>(),
  dead: new Set<string>(),
  frozen: new Set<string>(),
  apart: new Set<string>(),
  slow: new Set<string>(),
  full: new Set<string>(),
  stalled: new Set<string>(),
  bus: new Set<string>(),
  frozenRouters: new Set<string>(),
  frozenBus: new Set<string>(),
})

const copiesKept = 20

export const faultsOf = (
  lab: Lab,
  cluster: Cluster,
  hurt: Hurt,
  targets: Targets,
  now: () => number,
): Faults => {
  const { names, host } = cluster
  const copies: { readonly atMs: number; readonly folder: string }[] = []
  let last: readonly string[] = []
  let starting: Promise<unknown> = Promise.resolve()
  /** Being started now. */
  const coming = new Set<string>()
  const storeOf = (name: string): string => join(lab.seen(host(name).home), 'nats')

  const mend = async (): Promise<void> => {
    hurt.apart.clear()
    await lab.network.drop([])
    for (const name of hurt.slow) await lab.network.slow(name, undefined)
    hurt.slow.clear()
  }
  const cut = async (some: readonly string[], way: 'both' | 'out' | 'in'): Promise<void> => {
    const rest = names.filter((name) => !some.includes(name))
    const pairs = some.flatMap((name) =>
      rest.flatMap((other) => [
        ...(way === 'in' ? [] : [{ from: name, to: other }]),
        ...(way === 'out' ? [] : [{ from: other, to: name }]),
      ]),
    )
    for (const name of some) hurt.apart.add(name)
    await lab.network.drop(pairs)
  }
  const thaw = async (some: readonly string[]): Promise<void> => {
    for (const name of some) if (hurt.frozen.delete(name)) await lab.machine(name)?.signalAll('CONT')
  }
  /** SIGSTOP, or SIGCONT to those that it hit. */
  const freeze = (to: 'router' | 'bus', some: readonly string[]): void => {
    const frozen = to === 'router' ? hurt.frozenRouters : hurt.frozenBus
    for (const name of some) {
      frozen.add(name)
      host(name).signal(to, 'SIGSTOP')
    }
  }
  const unfreeze = (to: 'router' | 'bus', some: Iterable<string>): void => {
    const frozen = to === 'router' ? hurt.frozenRouters : hurt.frozenBus
    for (const name of some) if (frozen.delete(name)) host(name).signal(to, 'SIGCONT')
  }
  const start = async (some: readonly string[]): Promise<void> => {
    const down = some.filter((name) => !host(name).isUp() && !coming.has(name))
    for (const name of down) coming.add(name)
    for (const name of down) if (lab.machine(name) === undefined) await lab.powerOn(name)
    // Together: servers of a cluster wait for each other.
    await Promise.all(
      down.map((name) =>
        host(name)
          .start()
          .finally(() => coming.delete(name)),
      ),
    )
    // Its router answers nobody before.
    for (const name of down) {
      hurt.off.delete(name)
      hurt.dead.delete(name)
    }
  }
  /** One that starts alone may have to wait for others that are started later. */
  const begin = (some: readonly string[]): void => {
    starting = Promise.all([starting, start(some)])
    // Whoever heals is told.
    starting.catch(() => undefined)
  }
  const powerOff = async (some: readonly string[]): Promise<void> => {
    for (const name of some) {
      hurt.off.add(name)
      hurt.frozenRouters.delete(name)
      hurt.frozenBus.delete(name)
    }
    await lab.powerOff(some)
  }
  const busUp = async (some: readonly string[]): Promise<void> => {
    for (const name of some) if (hurt.bus.delete(name)) await host(name).bus('up')
  }
  const rollback = async (undoneMs: number): Promise<void> => {
    const atMs = now()
    await powerOff(names)
    const copy = copies.findLast((one) => one.atMs <= atMs - undoneMs) ?? copies[0]
    if (copy === undefined) throw new Error('no copy of the stores was kept')
    for (const name of names) {
      for (const entry of readdirSync(storeOf(name)))
        if (/^(?:store|cluster-)/.test(entry))
          rmSync(join(storeOf(name), entry), { recursive: true, force: true })
      cpSync(join(copy.folder, name), storeOf(name), { recursive: true })
    }
    await start(names)
  }
  const freeDisks = async (some: readonly string[]): Promise<void> => {
    for (const name of some) if (hurt.full.delete(name)) await lab.disk(name).fill(false)
  }
  const quickenDisks = async (some: readonly string[]): Promise<void> => {
    for (const name of some) if (hurt.stalled.delete(name)) await lab.disk(name).stall(undefined)
  }
  const hit = async (fault: Fault, some: readonly string[]): Promise<unknown> => {
    switch (fault.do) {
      case 'kill':
        for (const name of some) hurt.dead.add(name)
        return Promise.all(some.map((name) => host(name).kill()))
      case 'power-off':
        return powerOff(some)
      case 'rollback':
        return rollback(fault.undoneMs)
      case 'start':
        return begin(some)
      case 'freeze':
        for (const name of some) hurt.frozen.add(name)
        for (const name of some) await lab.machine(name)?.signalAll('STOP')
        return undefined
      case 'thaw':
        return thaw(some)
      case 'cut':
        return cut(some, fault.way)
      case 'slow-link':
        for (const name of some) {
          hurt.slow.add(name)
          await lab.network.slow(name, fault)
        }
        return undefined
      case 'mend':
        return mend()
      case 'bus-kill':
        for (const name of some) hurt.bus.add(name)
        return Promise.all(some.map((name) => host(name).bus('down')))
      case 'bus-start':
        return busUp(some)
      case 'router-kill':
        for (const name of some) host(name).signal('router', 'SIGKILL')
        return undefined
      case 'router-freeze':
        return freeze('router', some)
      case 'router-thaw':
        return unfreeze('router', some)
      case 'bus-freeze':
        return freeze('bus', some)
      case 'bus-thaw':
        return unfreeze('bus', some)
      case 'disk-full':
        for (const name of some) hurt.full.add(name)
        return Promise.all(some.map((name) => lab.disk(name).fill(true)))
      case 'disk-free':
        return freeDisks(some)
      case 'disk-slow':
        for (const name of some) hurt.stalled.add(name)
        return Promise.all(some.map((name) => lab.disk(name).stall(fault.stallMs)))
      case 'disk-fast':
        return quickenDisks(some)
      case 'drain':
      case 'undrain':
        return Promise.all(some.map((name) => say(fault.do, name)))
      case 'upgrade':
        for (const name of some) {
          hurt.dead.add(name)
          await host(name).stop()
          await start([name])
        }
        return undefined
      case 'receiver-kill':
      case 'receiver-freeze':
      case 'receiver-cut':
      case 'receiver-mend':
        return lab.receiver?.hurt(fault.do)
      case 'clock-jump':
      case 'replay':
        throw new RangeError(
          `${fault.do} is of the simulation: machines share a clock, and TCP repeats nothing`,
        )
    }
  }
  const say = async (what: 'drain' | 'undrain', name: string): Promise<void> => {
    const from = cluster.control.find((one) => host(one).isUp() && !hurt.frozen.has(one)) ?? names[0]!
    await host(from)
      .api()
      .call(`hosts.${what}`, { params: { host: name } })
  }
  return {
    strike: async (fault) => {
      const some =
        fault.do === 'rollback'
          ? names
          : fault.do === 'mend'
            ? [...hurt.apart, ...hurt.slow]
            : 'on' in fault
              ? await targets.named(fault.on, last)
              : []
      if (fault.do === 'rollback' || fault.do === 'mend' || 'on' in fault) last = some
      await hit(fault, some)
      return some
    },
    heal: async () => {
      await lab.receiver?.hurt('receiver-mend')
      await thaw([...hurt.frozen])
      unfreeze('router', hurt.frozenRouters)
      unfreeze('bus', hurt.frozenBus)
      await mend()
      await freeDisks([...hurt.full])
      await quickenDisks([...hurt.stalled])
      await busUp([...hurt.bus])
      await Promise.all([starting, start([...new Set([...hurt.off, ...hurt.dead])])])
    },
    keepStores: (atMs) => {
      const folder = join(lab.folder, 'stores', String(copies.length))
      for (const name of names) {
        mkdirSync(join(folder, name), { recursive: true })
        const from = storeOf(name)
        if (!existsSync(from)) continue
        for (const entry of readdirSync(from))
          if (/^(?:store|cluster-)/.test(entry))
            cpSync(join(from, entry), join(folder, name, entry), { recursive: true, filter: isKept })
      }
      copies.push({ atMs, folder })
      const old = copies.at(-copiesKept - 1)
      if (old !== undefined) rmSync(old.folder, { recursive: true, force: true })
    },
  }
}

/** What belongs to a running server is not of the store. */
const isKept = (path: string): boolean => !/\.(?:pid|lock|sock)$/.test(path)
