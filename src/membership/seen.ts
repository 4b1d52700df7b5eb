/**
 * What one observer knows of one host, and what state follows from it. Pure.
 *
 * Beats are heard, or they *renew* the lease: those of a host that itself hears the leader. A host that
 * speaks and hears nothing cannot be told anything, and its own lease runs out: it is as good as silent.
 */
import type { Member, MemberInfo, MemberState } from './contract.ts'

const never = Number.NEGATIVE_INFINITY

export type Seen = {
  info: MemberInfo
  state: MemberState
  /** Wall-clock ms. */
  since: number
  /** Highest beat of this life. */
  seq: number
  heardMs: number
  /** Last beat that renewed the lease, and when it came. */
  heardSeq: number
  renewedMs: number
  /** It says that its own connection is proven. */
  proven: boolean
  /** When the bus said that nobody is there: first, and again after a moment without a beat. */
  absentMs: number
  goneMs: number
  /** When it was declared dead, or learned to be. */
  deadMs: number
  /** When this observer first knew of this life, or of its return. */
  joinedMs: number
}

export const newcomer = (info: MemberInfo, sinceMs: number, nowMs: number): Seen => ({
  info,
  state: 'joining',
  since: sinceMs,
  seq: 0,
  heardMs: never,
  heardSeq: 0,
  renewedMs: never,
  proven: false,
  absentMs: never,
  goneMs: never,
  deadMs: never,
  joinedMs: nowMs,
})

/** As somebody else's view has it. */
export const fromView = (member: Member, nowMs: number): Seen => {
  const { state, since, ...info } = member
  return { ...newcomer(info, since, nowMs), state, deadMs: state === 'dead' ? nowMs : never }
}

export const memberOf = ({ info, state, since }: Seen): Member => ({ ...info, state, since })

export const isUp = ({ state }: { readonly state: MemberState }): boolean =>
  state === 'up' || state === 'draining'

/** From when on this observer's silence counts. */
export type Floors = {
  /** It has listened without a gap, over a proven connection, since then. */
  readonly observingMs: number
  /** It leads since then. */
  readonly leadingMs: number
  /** No lease ends that has not run its whole time since then. */
  readonly leaseMs: number
}

/** Since when it is silent. */
export const silentSince = (seen: Seen, floors: Floors): number => Math.max(seen.heardMs, floors.observingMs)

export const isGone = (seen: Seen): boolean => seen.goneMs > seen.heardMs

export type Judgement = {
  readonly nowMs: number
  readonly suspectMs: number
  readonly deafMs: number
  readonly leaseMs: number
  readonly isBraked: boolean
  readonly floors: Floors
}

/** It does not speak, or does not hear. */
export const isLost = (seen: Seen, by: Judgement): boolean =>
  isGone(seen) ||
  by.nowMs - silentSince(seen, by.floors) > by.suspectMs ||
  by.nowMs - Math.max(seen.renewedMs, seen.joinedMs, by.floors.leadingMs) > by.deafMs

const leaseIsOver = (seen: Seen, by: Judgement): boolean =>
  by.nowMs - Math.max(seen.renewedMs, seen.joinedMs, by.floors.leaseMs) > by.leaseMs

/** The state that follows for another host, as its leader judges it. */
export const judge = (seen: Seen, by: Judgement): MemberState => {
  const { state } = seen
  if (state === 'left') return 'left'
  if (state === 'dead' && seen.heardMs <= seen.deadMs) return 'dead'
  if (state === 'dead' && seen.renewedMs <= seen.deadMs) return 'joining'
  // On record and never heard: it may just be slower than we are.
  if (state === 'joining' && seen.heardMs === never)
    return leaseIsOver(seen, by) && !by.isBraked ? 'dead' : 'joining'
  if (isLost(seen, by)) {
    if (state !== 'suspect') return 'suspect'
    return leaseIsOver(seen, by) && !by.isBraked ? 'dead' : 'suspect'
  }
  const isWell = isUp(seen) || seen.renewedMs > by.nowMs - by.suspectMs
  if (!isWell) return state
  return seen.info.draining ? 'draining' : 'up'
}

export const sameInfo = (a: MemberInfo, b: MemberInfo): boolean =>
  a.incarnation === b.incarnation &&
  a.draining === b.draining &&
  a.server === b.server &&
  a.address === b.address &&
  a.version === b.version &&
  a.protocol === b.protocol &&
  a.roles.join() === b.roles.join() &&
  labelsText(a.labels) === labelsText(b.labels)

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join()
