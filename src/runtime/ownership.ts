/**
 * Who owns a keyed actor: rendezvous hashing over the live view. Pure.
 *
 * Every host computes the same from the same view, and a host that comes or goes moves only the keys it owns.
 * It is a routing hint: two hosts with different views may both think they own a key; the record's revision
 * makes that safe.
 */
import type { HostInfo, View } from '../ports/directory.ts'

/** FNV-1a, 32 bit. */
const hash = (text: string, seed: number): number => {
  let h = seed
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}

/** The finaliser of MurmurHash3: every bit of the input moves every bit of the output. */
const mix = (value: number): number => {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

const basis = 0x811c9dc5

type Scored = { readonly name: string; readonly hash: number }

export class Ownership {
  #hosts: ReadonlyMap<string, HostInfo> = new Map()
  readonly #byRole = new Map<string, readonly Scored[]>()

  setView(view: View): void {
    this.#hosts = new Map(view.hosts.map((host) => [host.name, host]))
    this.#byRole.clear()
  }

  isUp(host: string): boolean {
    return this.#hosts.has(host)
  }

  /** Undefined when no host has the role. */
  owner(role: string, type: string, key: string): string | undefined {
    const hosts = this.#byRole.get(role) ?? this.#withRole(role)
    if (hosts.length <= 1) return hosts[0]?.name
    const keyHash = hash(key, hash(type, basis))
    let best: Scored | undefined
    let bestScore = -1
    for (const host of hosts) {
      const score = mix(keyHash ^ host.hash)
      if (score > bestScore) [best, bestScore] = [host, score]
    }
    return best?.name
  }

  /** In the order of their names, so that equal scores fall the same way everywhere. */
  #withRole(role: string): readonly Scored[] {
    const hosts = [...this.#hosts.values()]
      .filter((host) => host.roles.includes(role))
      .map(({ name }) => ({ name, hash: hash(name, basis) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    this.#byRole.set(role, hosts)
    return hosts
  }
}
