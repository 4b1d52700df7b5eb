/**
 * Ways in: another host reaches a container through a port of this one that leads to that container and to no
 * other. The port follows from the container's index, so it is not met again soon either.
 *
 * A table of its own, since the network's is replaced as a whole now and then. What should be in it is known
 * here; a change is one element, and whatever the kernel refuses is answered by writing all of it again.
 */
import { isIPv4 } from 'node:net'

import { bridgeName, outerPortOf } from './addresses.ts'
import { command } from './command.ts'
import { OciError } from './errors.ts'
import type { ContainerRecord } from './record.ts'

/** `port` of this host leads to `inner` of the container's `address`. */
export type Way = { port: number; address: string; inner: number }

export type Ways = {
  /**
   * Who may come in: these source addresses and nobody else, from the next `ensure` on. Connections that are
   * made already stay.
   */
  admit(hosts: readonly string[]): void
  /** Notes a way that is thought to be in place, such as one of an earlier life of this process. */
  note(way: Way): void
  /** Resolves when it leads there. */
  open(way: Way): Promise<void>
  shut(port: number): Promise<void>
  /** Writes everything again, should somebody have flushed it. */
  ensure(): Promise<void>
  teardown(): Promise<void>
}

/** How to come in to a container, if it is exposed. With the network of the host, the host's own ports do. */
export const wayOf = ({ network, index, address, expose }: ContainerRecord): Way | undefined =>
  network === 'own' && expose !== undefined ? { port: outerPortOf(index), address, inner: expose } : undefined

/** The ways of the state directory named by `hash`. */
export const openWays = (hash: string): Ways => {
  const table = `manifold_${hash}_ways`
  const wanted = new Map<number, Way>()
  let admitted: readonly string[] = []
  let changes: string[] = []
  let inPlace = false
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined

  const writeAll = async (): Promise<void> => {
    inPlace = false
    await command(['nft', '-f', '-'], tableText(table, bridgeName(hash), admitted, [...wanted.values()]))
    inPlace = true
  }

  const write = async (): Promise<void> => {
    const text = changes.join('')
    changes = []
    if (!inPlace) return writeAll()
    try {
      await command(['nft', '-f', '-'], text)
    } catch (error) {
      if (!(error instanceof OciError)) throw error
      // The table is not what we took it for: its whole text says what is right.
      await writeAll()
    }
  }

  /** One writer at a time; what comes meanwhile goes together, since each costs a process. */
  const written = (): Promise<void> => {
    next ??= last.then(() => {
      next = undefined
      return write()
    })
    last = next.catch(() => undefined)
    return next
  }

  return {
    admit: (hosts) => void (admitted = hosts.filter((host) => isIPv4(host))),
    note: (way) => void wanted.set(way.port, way),
    open: (way) => {
      wanted.set(way.port, way)
      changes.push(`add element ip ${table} ways { ${element(way)} }\n`)
      return written()
    },
    shut: async (port) => {
      if (!wanted.delete(port)) return
      changes.push(`delete element ip ${table} ways { ${port} }\n`)
      await written()
    },
    ensure: () => {
      inPlace = false
      return written()
    },
    teardown: async () => {
      inPlace = false
      await last
      await command(['nft', '-f', '-'], `table ip ${table}\ndelete table ip ${table}\n`)
    },
  }
}

const element = ({ port, address, inner }: Way): string => `${port} : ${address} . ${inner}`

const elements = (all: readonly string[]): string =>
  all.length === 0 ? '' : `elements = { ${all.join(', ')} }`

/** The whole table, replaced in one transaction: there is no moment without it. */
const tableText = (
  table: string,
  bridge: string,
  admitted: readonly string[],
  ways: readonly Way[],
): string => `
table ip ${table}
delete table ip ${table}
table ip ${table} {
  set hosts {
    type ipv4_addr
    ${elements([...new Set(admitted)])}
  }
  map ways {
    type inet_service : ipv4_addr . inet_service
    ${elements(ways.map(element))}
  }
  chain coming {
    type nat hook prerouting priority -101; policy accept;
    iifname != "${bridge}" fib daddr type local ip saddr @hosts dnat ip to tcp dport map @ways
  }
}
`
