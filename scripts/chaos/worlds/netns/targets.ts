/** Whom a target means, at the moment when a fault strikes. */
import { join } from 'node:path'
import type { Target } from '../../language.ts'
import type { Host as HostBody } from '../../../../src/client/answers/host.ts'
import { hostsOf, type Cluster } from './cluster.ts'
import { command } from './command.ts'
import type { Lab } from './lab.ts'

export type Targets = {
  readonly hosts: () => Promise<readonly HostBody[]>
  readonly named: (target: Target, last: readonly string[]) => Promise<readonly string[]>
}

/** @param dynosOn how many dynos run on a host now; `builder` the host of the last build, if any */
export const targetsOf = (
  lab: Lab,
  cluster: Cluster,
  reachable: () => readonly string[],
  dynosOn: (host: string) => number,
  builder: () => string | undefined,
): Targets => {
  const { names } = cluster
  const asked = (): readonly string[] =>
    reachable().filter((name) => cluster.control.includes(name) && cluster.host(name).isUp())
  const hosts = async (): Promise<readonly HostBody[]> => {
    for (const name of asked()) {
      const rows = await hostsOf(cluster.host(name))
      if (rows !== undefined) return rows
    }
    return []
  }
  const viewLeader = async (): Promise<string> =>
    (await hosts()).find(({ leader }) => leader)?.name ?? names[0]!
  const storeLeader = async (): Promise<string> => {
    const [name = names[0]!] = asked()
    const machine = lab.machine(name)
    if (machine === undefined) return name
    const program = join(import.meta.dirname, 'store-leader.ts')
    const words = [process.execPath, program, cluster.host(name).home, name]
    return (await command(machine.inside(words))).trim()
  }
  const named = async (the: Exclude<Target, string>['the'], last: readonly string[]) => {
    switch (the) {
      case 'all':
        return names
      case 'same':
        return last
      case 'rest':
        return names.filter((name) => !last.includes(name))
      case 'placement-leader':
        return [await viewLeader()]
      case 'store-leader':
        return [await storeLeader()]
      case 'busiest':
        return [names.toSorted((a, b) => dynosOn(b) - dynosOn(a))[0]!]
      case 'bystander': {
        const leaders = [await viewLeader(), await storeLeader()]
        const others = names.filter((name) => !leaders.includes(name))
        return [others.find((name) => dynosOn(name) > 0) ?? others.at(-1) ?? names.at(-1)!]
      }
      case 'builder':
        return [builder() ?? names.at(-1)!]
      case 'half-and-more':
        return names.slice(-(Math.floor(names.length / 2) + 1))
      case 'minority': {
        const leader = await storeLeader()
        const count = Math.ceil(names.length / 2) - 1
        return [leader, ...names.filter((name) => name !== leader).slice(0, count - 1)]
      }
    }
  }
  return {
    hosts,
    named: async (target, last) => (typeof target === 'string' ? [target] : named(target.the, last)),
  }
}
