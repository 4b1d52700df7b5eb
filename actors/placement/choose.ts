/**
 * Where one run of a process type goes: to the zone with the fewest of that type, there to the host with the
 * fewest, and of those to the one with the most memory free. Pure over the fleet.
 */
import type { Fleet, Needs } from './fleet.ts'
import type { Shelf } from './shelf.ts'

/** How many runs of the type each host holds, and each zone: grows with each choice. */
export class Spread {
  readonly hosts = new Map<string, number>()
  readonly zones = new Map<string, number>()
  readonly #fleet: Fleet

  /** @param hosts those of the type's other runs, each as often as it holds one */
  constructor(fleet: Fleet, hosts: readonly string[]) {
    this.#fleet = fleet
    for (const host of hosts) this.add(host)
  }

  add(host: string): void {
    this.hosts.set(host, (this.hosts.get(host) ?? 0) + 1)
    const zone = this.#fleet.machine(host)?.zone
    if (zone !== undefined) this.zones.set(zone, (this.zones.get(zone) ?? 0) + 1)
  }

  /** The same with one run less on that host. */
  without(host: string): Spread {
    const hosts = [...this.hosts].flatMap(([name, count]) =>
      Array.from({ length: name === host ? count - 1 : count }, () => name),
    )
    return new Spread(this.#fleet, hosts)
  }
}

type Candidate = { readonly host: string; readonly same: number; readonly free: number }

/** Undefined: no host that is as it has to be has the room. */
export const choose = (fleet: Fleet, spread: Spread, needs: Needs): string | undefined => {
  let best: (Candidate & { readonly zone: number }) | undefined
  for (const [name, shelf] of fleet.zones()) {
    const zone = spread.zones.get(name) ?? 0
    if (best !== undefined && zone > best.zone) continue
    const found = inZone(fleet, shelf, spread, needs)
    if (found === undefined) continue
    if (best === undefined || zone < best.zone || isBetter(found, best)) best = { ...found, zone }
  }
  return best?.host
}

/** Fewest of the type, then most free, then by name so that equals fall alike. */
const isBetter = (a: Candidate, b: Candidate): boolean =>
  a.same !== b.same ? a.same < b.same : a.free !== b.free ? a.free > b.free : a.host < b.host

/** Hosts without any of the type first; only when they are all full or taken are the others compared. */
const inZone = (fleet: Fleet, shelf: Shelf, spread: Spread, needs: Needs): Candidate | undefined => {
  const freeOf = (host: string): number => fleet.freeOf(host)
  const host = shelf.find(needs.bytes, (one) => !spread.hosts.has(one) && fleet.fits(one, needs))
  if (host !== undefined) return { host, same: 0, free: freeOf(host) }
  let best: Candidate | undefined
  for (const [held, same] of spread.hosts) {
    if (!shelf.has(held) || !fleet.fits(held, needs)) continue
    const found = { host: held, same, free: freeOf(held) }
    if (best === undefined || isBetter(found, best)) best = found
  }
  return best
}
