/**
 * A lab: machines on one bridge, each with a home of its own, and clients beside them. It lies in a namespace
 * of its own; the machine it runs on gets no interface, address, rule or name from it.
 */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { openDialer, type Dial, type Exchange, type Listen } from './dial.ts'
import { mountDisk, type Disk } from './disk.ts'
import { homeOf, makeFolder, removeControlGroups, removeFolder } from './folder.ts'
import { bootMachine, type Machine } from './machine.ts'
import { openNetwork, type Network } from './network.ts'
import { openReceiver, type Receiver } from './receiver.ts'

export type LabOptions = {
  readonly machines: readonly string[]
  /** Homes on small disks of their own, so that they can be full or slow. */
  readonly diskBytes?: number
  readonly hasReceiver?: boolean
}

export type Lab = {
  /** Absolute folder of everything that the lab writes. */
  readonly folder: string
  readonly network: Network
  /** The machine of that name; undefined without power. */
  readonly machine: (name: string) => Machine | undefined
  readonly home: (name: string) => string
  /** What the path of a machine is called here. */
  readonly seen: (path: string) => string
  /** The cable goes first: who has no power says no goodbye. All of them lose it together. */
  readonly powerOff: (names: readonly string[]) => Promise<void>
  readonly powerOn: (name: string) => Promise<void>
  /** Of a lab whose machines have disks of their own. */
  readonly disk: (name: string) => Disk
  /** Words that run a command where the clients are. */
  readonly inside: Machine['inside']
  readonly exchange: Exchange
  readonly listen: Listen
  readonly dial: Dial
  /** Of drains, where the clients are, when there is to be one. */
  readonly receiver: Receiver | undefined
  readonly close: () => Promise<void>
}

/** Why no lab can be made here; undefined when one can. */
export const whyNoLab = (): string | undefined => {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'making network namespaces needs root'
  const shared = join(homedir(), '.manifold')
  for (const name of ['bin/nats-server', 'stacks/heroku-24'])
    if (!existsSync(join(shared, name))) return `setup did not bring ${name}`
  const needed = ['setpriv', 'unshare', 'nsenter', 'ip', 'nft', 'tc', 'runc', 'conmon']
  const folders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']
  const missing = needed.filter((name) => !folders.some((folder) => existsSync(join(folder, name))))
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`
}

/** @throws Error; nothing is left then */
export const openLab = async (options: LabOptions): Promise<Lab> => {
  const folder = makeFolder()
  const machines = new Map<string, Machine>()
  let hub: Machine | undefined
  const close = async (): Promise<void> => {
    await Promise.all([...machines.values(), ...(hub ? [hub] : [])].map((machine) => machine.powerOff()))
    machines.clear()
    removeFolder(folder)
  }
  try {
    hub = await bootMachine('lab')
    return await furnish(options, folder, machines, hub, close)
  } catch (error) {
    await close()
    throw error
  }
}

const furnish = async (
  { machines: names, diskBytes, hasReceiver }: LabOptions,
  folder: string,
  machines: Map<string, Machine>,
  hub: Machine,
  close: () => Promise<void>,
): Promise<Lab> => {
  const network = await openNetwork(hub)
  const disks = new Map<string, Disk>()
  const home = (name: string): string => homeOf(folder, name)
  const seen = (path: string): string => `/proc/${hub.init}/root${path}`
  for (const name of names) {
    mkdirSync(home(name), { recursive: true })
    if (diskBytes !== undefined)
      disks.set(name, await mountDisk(hub, home(name), join(folder, name, 'disk'), diskBytes))
    borrow(seen(home(name)))
  }
  const powerOn = async (name: string): Promise<void> => {
    const machine = await bootMachine(name, hub)
    machines.set(name, machine)
    await network.plug(machine, names.indexOf(name) + 1)
  }
  for (const name of names) await powerOn(name)
  const dialer = await openDialer(hub, join(folder, 'dial.sock'))
  const { exchange, listen, dial } = dialer
  const receiver = hasReceiver === true ? await openReceiver(hub, join(folder, 'received')) : undefined
  return {
    folder,
    network,
    machine: (name) => machines.get(name),
    home,
    seen,
    powerOn,
    powerOff: async (lost) => {
      await network.cable(lost, 'down')
      await Promise.all(
        lost.map(async (name) => {
          const machine = machines.get(name)
          machines.delete(name)
          await machine?.powerOff()
          await network.unplug(name)
          removeControlGroups(home(name))
        }),
      )
    },
    disk: (name) => {
      const disk = disks.get(name)
      if (disk === undefined) throw new Error(`${name} has no disk of its own`)
      return disk
    },
    inside: hub.inside,
    exchange,
    listen,
    dial,
    receiver,
    close: async () => {
      // Processes that wait for a disk cannot be ended.
      await Promise.all([...disks.values()].map((disk) => disk.stall(undefined)))
      dialer.close()
      receiver?.close()
      await close()
    },
  }
}

/** What setup fetched once for this machine; the server by a link of its own, which can be taken away. */
const borrow = (home: string): void => {
  const shared = join(homedir(), '.manifold')
  symlinkSync(join(shared, 'stacks'), join(home, 'stacks'))
  mkdirSync(join(home, 'bin'))
  symlinkSync(join(shared, 'bin/nats-server'), join(home, 'bin/nats-server'))
}
