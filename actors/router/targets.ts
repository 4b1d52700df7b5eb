/**
 * Which dynos of a route a shard uses, and at which address. Pure.
 *
 * A dyno of this host is reached where it listens; one elsewhere through its own host, or not at all. Those
 * on hosts that are well come first; a suspect's are used when there is no other, for nothing is taken away
 * on suspicion, and even a dead one's when all else is gone: it may be the observers who are cut off.
 */
import type { Upstream } from '../../src/proxy/contract.ts'
import type { MemberState } from '../../src/membership/contract.ts'
import type { Route } from '../protocols/shapes.ts'

/** Where this shard stands, and what it knows of the others; undefined: of that host nothing. */
export type Standpoint = {
  readonly host: string
  readonly hostState: (name: string) => MemberState | undefined
  /** Undefined: that host is in no zone, or not known. */
  readonly zoneOf: (name: string) => string | undefined
}

/** Lower is better. Who was never heard of has just joined, or is older than this shard's view. */
const rankOf = (state: MemberState | undefined): number => {
  if (state === 'suspect') return 1
  return state === 'dead' || state === 'left' ? 2 : 0
}

/** Those in the zone of this host come first, `near` of them. */
export const targetsOf = (
  route: Route,
  { host, hostState, zoneOf }: Standpoint,
): { readonly targets: readonly Upstream[]; readonly near: number } => {
  const zone = zoneOf(host)
  let near: Upstream[] = []
  let far: Upstream[] = []
  let bestRank = Number.POSITIVE_INFINITY
  for (const { dyno: id, epoch, outer, ...inner } of route.targets) {
    const isHere = inner.host === host
    const at = isHere ? inner : outer
    if (at === null) continue
    const rank = isHere ? 0 : rankOf(hostState(inner.host))
    if (rank > bestRank) continue
    if (rank < bestRank) [near, far, bestRank] = [[], [], rank]
    const isNear = isHere || zoneOf(inner.host) === zone
    const list = isNear ? near : far
    list.push({ id, address: at.address, port: at.port, epoch })
  }
  // Not by spread: what it grows an array by would stay with each of many routes.
  return { targets: near.concat(far), near: near.length }
}
