/**
 * What the membership says, as bytes: msgpack arrays, small because they are said five times a second by
 * every host. Who says it is the bus's to vouch for, and is not repeated inside. What does not fit is
 * undefined and ignored.
 */
import { decode, encode } from '../runtime/codec.ts'
import { memberStates, type Member, type MemberInfo, type Membership } from './contract.ts'

/** What is told to the observers (topic `beat`). */
export type Told = Beat | Bye | Remove | Want
export type Beat = {
  readonly op: 'beat'
  /** Counts the beats of one life from 1. */
  readonly seq: number
  readonly incarnation: number
  /** An observer that could lead: its connection is proven. */
  readonly proven: boolean
  readonly leading: boolean
  /** Of the view that the host follows. */
  readonly number: number
  /** Whom it follows, and how long ago it last heard of it; `ageMsMax` when that is long ago or never was. */
  readonly leader: string
  readonly leaderAgeMs: number
  /** All of it now and then; and always when it changed, or nobody may know it. */
  readonly info: MemberInfo | undefined
}
/** Goes on purpose: this life says no more. */
export type Bye = { readonly op: 'bye'; readonly incarnation: number }
/** An operator takes a host out for good. */
export type Remove = { readonly op: 'remove'; readonly host: string }
/** Asks for the view: has none newer than this number. */
export type Want = { readonly op: 'want'; readonly number: number }

/** What the leader says to everybody (topic `view`). */
export type Said =
  /** Whole. `leads`: by the leader it names; else another observer passes it on to one that just began. */
  | { readonly op: 'view'; readonly leads: boolean; readonly view: Membership }
  | {
      readonly op: 'pulse'
      readonly number: number
      /** Four bytes for each member in the view's order: the last beat heard of it, the lease's receipt. */
      readonly heard: Uint8Array
    }

export const topics = { beat: 'beat', view: 'view' } as const
export const ageMsMax = 65_535

const [opBeat, opBye, opRemove, opWant] = [0, 1, 2, 3]
const [opView, opPulse] = [0, 1]
const textCharsMax = 255
const rolesMax = 16
const labelsMax = 32
export const membersMax = 4_000

export const encodeTold = (told: Told): Uint8Array => {
  switch (told.op) {
    case 'beat': {
      const { seq, incarnation, proven, leading, number, leader, leaderAgeMs, info } = told
      const flags = (proven ? 1 : 0) + (leading ? 2 : 0)
      const age = Math.min(ageMsMax, Math.round(leaderAgeMs))
      const light = [opBeat, seq, incarnation, flags, number, leader, age]
      return encode(info === undefined ? light : [...light, infoOut(info)])
    }
    case 'bye':
      return encode([opBye, told.incarnation])
    case 'remove':
      return encode([opRemove, told.host])
    case 'want':
      return encode([opWant, told.number])
  }
}

/** @param from the host that published it, as the bus says */
export const decodeTold = (bytes: Uint8Array, from: string): Told | undefined => {
  const raw = rowOf(bytes)
  switch (raw?.[0]) {
    case opBeat:
      return beatIn(raw, from)
    case opBye:
      return isCount(raw[1]) ? { op: 'bye', incarnation: raw[1] } : undefined
    case opRemove:
      return isText(raw[1]) ? { op: 'remove', host: raw[1] } : undefined
    case opWant:
      return isCount(raw[1]) ? { op: 'want', number: raw[1] } : undefined
    default:
      return undefined
  }
}

export const encodeSaid = (said: Said): Uint8Array => {
  if (said.op === 'pulse') return encode([opPulse, said.number, said.heard])
  const { view } = said
  const members = view.members.map((member) => [
    member.name,
    memberStates.indexOf(member.state),
    member.since,
    infoOut(member),
  ])
  return encode([opView, view.number, said.leads, view.braked, view.leader, members])
}

export const decodeSaid = (bytes: Uint8Array): Said | undefined => {
  const raw = rowOf(bytes)
  const number = raw?.[1]
  if (raw === undefined || !isCount(number)) return undefined
  if (raw[0] === opPulse) {
    const heard = raw[2]
    return heard instanceof Uint8Array ? { op: 'pulse', number, heard } : undefined
  }
  const [op, , leads, braked, leader, rows] = raw
  if (op !== opView || typeof leads !== 'boolean' || typeof braked !== 'boolean') return undefined
  if (!isText(leader)) return undefined
  if (!Array.isArray(rows) || rows.length > membersMax) return undefined
  const members: Member[] = []
  for (const row of rows as unknown[]) {
    const member = memberIn(row)
    if (member === undefined) return undefined
    members.push(member)
  }
  return { op: 'view', leads, view: { number, leader, braked, members } }
}

const rowOf = (bytes: Uint8Array): readonly unknown[] | undefined => {
  try {
    const raw = decode(bytes)
    return Array.isArray(raw) ? raw : undefined
  } catch {
    // Any process of the cluster may publish anything: what is not a message is none.
    return undefined
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= textCharsMax
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const beatIn = (raw: readonly unknown[], from: string): Beat | undefined => {
  const [, seq, incarnation, flags, number, leader, age, rawInfo] = raw
  if (!isCount(seq) || !isCount(incarnation) || !isCount(flags) || !isCount(number)) return undefined
  if (!isText(leader) || !isCount(age)) return undefined
  const info = rawInfo === undefined ? undefined : infoIn(rawInfo, from)
  if (rawInfo !== undefined && info?.incarnation !== incarnation) return undefined
  const [proven, leading] = [(flags & 1) !== 0, (flags & 2) !== 0]
  return { op: 'beat', seq, incarnation, proven, leading, number, leader, leaderAgeMs: age, info }
}

const memberIn = (row: unknown): Member | undefined => {
  if (!Array.isArray(row)) return undefined
  const [name, stateIndex, since, rawInfo] = row as unknown[]
  const state = isCount(stateIndex) ? memberStates[stateIndex] : undefined
  if (!isText(name) || state === undefined || !isCount(since)) return undefined
  const info = infoIn(rawInfo, name)
  return info === undefined ? undefined : { ...info, state, since }
}

const infoOut = (info: MemberInfo): readonly unknown[] => [
  info.incarnation,
  info.roles,
  info.address,
  info.labels,
  info.version,
  info.protocol,
  info.draining,
  info.server,
]

const infoIn = (raw: unknown, name: string): MemberInfo | undefined => {
  if (!Array.isArray(raw)) return undefined
  const [incarnation, roles, address, labels, version, protocol, draining, server] = raw as unknown[]
  if (!isCount(incarnation) || !isCount(protocol) || typeof draining !== 'boolean') return undefined
  if (!isText(address) || !isText(version) || !isText(server)) return undefined
  if (!Array.isArray(roles) || roles.length > rolesMax || !roles.every(isText)) return undefined
  if (!isLabels(labels)) return undefined
  return { name, incarnation, roles, address, labels, version, protocol, draining, server }
}

const isLabels = (value: unknown): value is Record<string, string> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return entries.length <= labelsMax && entries.every(([name, text]) => isText(name) && isText(text))
}
