/**
 * The roll of one observer: every host it knows of, and the judgement over them. Pure.
 *
 * Every observer keeps it; only the one that leads judges. The others take the states of the view that they
 * follow, so that whoever leads next begins from there.
 */
import { isBraked, type Silence } from './brake.ts'
import type { Member, MemberInfo, Membership, MembershipTimes } from './contract.ts'
import type { Emit } from './effects.ts'
import {
  fromView,
  isGone,
  isLost,
  isUp,
  judge,
  memberOf,
  newcomer,
  sameInfo,
  silentSince,
  type Judgement,
  type Seen,
} from './seen.ts'
import { deafSuspects } from './times.ts'
import { membersMax, type Beat } from './wire.ts'

/** A moment: monotonic for lapses, wall clock for people. */
export type Moment = { readonly ms: number; readonly wallMs: number }
/** Since when an observer listens without a gap, and leads. */
export type Standing = { readonly observingMs: number; readonly leadingMs: number }

const never = Number.NEGATIVE_INFINITY
/** The dead and those who left stay in sight of the operator for so long. */
const keptMs = 3_600_000
const removedMax = 1_000

/** `new`: what it says of itself differs; `unsettled`: what is said of it may have to. */
export type Heard = 'ignored' | 'heard' | 'unsettled' | 'new'

export class Roll {
  readonly #self: string
  readonly #times: MembershipTimes
  readonly #emit: Emit
  readonly #table = new Map<string, Seen>()
  /** Lives that an operator took out: they are not heard any more. */
  readonly #removed = new Map<string, number>()
  /** Since when the reason for the brake is gone. */
  #looseMs: number | undefined
  #brakeEndMs = never
  #braked = false

  constructor(self: string, times: MembershipTimes, emit: Emit) {
    this.#self = self
    this.#times = times
    this.#emit = emit
  }

  get size(): number {
    return this.#table.size
  }
  get braked(): boolean {
    return this.#braked
  }
  get(host: string): Seen | undefined {
    return this.#table.get(host)
  }

  beat(from: string, beat: Beat, at: Moment): Heard {
    const { info } = beat
    if (beat.incarnation <= (this.#removed.get(from) ?? -1)) return 'ignored'
    let seen = this.#table.get(from)
    let isNews = false
    if (seen === undefined || beat.incarnation > seen.info.incarnation) {
      // Its next beats say all of it: it is new, and hears of no view that has it.
      if (info === undefined || (seen === undefined && this.#table.size >= membersMax)) return 'ignored'
      seen = newcomer(info, at.wallMs, at.ms)
      this.#table.set(from, seen)
      isNews = true
    }
    if (beat.incarnation < seen.info.incarnation || beat.seq <= seen.seq || seen.state === 'left')
      return 'ignored'
    if (info !== undefined && !sameInfo(seen.info, info)) {
      seen.info = info
      isNews = true
    }
    seen.seq = beat.seq
    seen.heardMs = at.ms
    seen.proven = beat.proven
    if (beat.leaderAgeMs <= this.#times.suspectMs) {
      seen.renewedMs = at.ms
      seen.heardSeq = beat.seq
    }
    if (isNews) return 'new'
    return isUp(seen) ? 'heard' : 'unsettled'
  }

  /** A host that should be there. @returns whether that is news */
  known(info: MemberInfo, at: Moment): boolean {
    const isTaken = this.#table.has(info.name) || this.#table.size >= membersMax
    if (isTaken || info.incarnation <= (this.#removed.get(info.name) ?? -1)) return false
    this.#table.set(info.name, newcomer(info, at.wallMs, at.ms))
    return true
  }

  /** @returns whether that is news */
  left(host: string, incarnation: number, at: Moment): boolean {
    const seen = this.#table.get(host)
    if (seen === undefined || seen.info.incarnation > incarnation || seen.state === 'left') return false
    this.#turn(seen, 'left', at)
    return true
  }

  remove(host: string): boolean {
    const seen = this.#table.get(host)
    if (seen === undefined || host === this.#self) return false
    this.#table.delete(host)
    const [oldest] = this.#removed.keys()
    if (this.#removed.size >= removedMax && oldest !== undefined) this.#removed.delete(oldest)
    this.#removed.set(host, seen.info.incarnation)
    this.#emit({ do: 'log', fields: { at: 'member_removed', host } })
    return true
  }

  /** Another leader's view: its states are where we start from. */
  adopt(view: Membership, at: Moment): void {
    const named = new Set<string>()
    for (const member of view.members) {
      named.add(member.name)
      if (member.incarnation > (this.#removed.get(member.name) ?? -1)) this.#adoptOne(member, at)
    }
    for (const [name, seen] of this.#table) {
      if (named.has(name)) continue
      if (at.ms - seen.heardMs > this.#times.suspectMs) this.#table.delete(name)
      else if (seen.state !== 'left') seen.state = 'joining'
    }
    this.#braked = view.braked
  }

  #adoptOne(member: Member, at: Moment): void {
    const seen = this.#table.get(member.name)
    if (seen === undefined || seen.info.incarnation < member.incarnation) {
      this.#table.set(member.name, fromView(member, at.ms))
      return
    }
    if (seen.info.incarnation > member.incarnation || seen.state === 'left') return
    if (member.state === 'dead' && seen.state !== 'dead') seen.deadMs = at.ms
    seen.state = member.state
    seen.since = member.since
  }

  /** Servers that hosts heard since then are connected to. */
  servers(sinceMs: number): Set<string> {
    const servers = new Set<string>()
    for (const { info, heardMs } of this.#table.values())
      if (info.server !== '' && heardMs >= sinceMs) servers.add(info.server)
    return servers
  }

  /** Another observer, earlier by name, can lead: its connection is proven, or about to be. */
  hasBetterThan(self: string, maybe: boolean, nowMs: number): boolean {
    for (const [name, seen] of this.#table) {
      if (name >= self || !(seen.proven || maybe) || !seen.info.roles.includes('control')) continue
      if (seen.state === 'left' || isGone(seen)) continue
      if (nowMs - seen.heardMs <= this.#times.suspectMs) return true
    }
    return false
  }

  /** States follow from silence. @returns whether any changed, or the brake */
  judge(standing: Standing, at: Moment): boolean {
    let isNews = this.#brake(this.#judgement(standing, at))
    const by = this.#judgement(standing, at)
    for (const [name, seen] of this.#table) {
      if ((seen.state === 'left' || seen.state === 'dead') && at.wallMs - seen.since > keptMs) {
        this.#table.delete(name)
        isNews = true
        continue
      }
      const own = seen.info.draining ? 'draining' : 'up'
      const state = name === this.#self ? own : judge(seen, by)
      if (state === seen.state) continue
      this.#turn(seen, state, at, Math.round(at.ms - silentSince(seen, by.floors)))
      isNews = true
    }
    return isNews
  }

  #judgement(standing: Standing, at: Moment): Judgement {
    const { suspectMs, leaseMs } = this.#times
    const floorMs = Math.max(standing.observingMs, standing.leadingMs, this.#brakeEndMs)
    const floors = { ...standing, leaseMs: floorMs }
    return {
      nowMs: at.ms,
      suspectMs,
      deafMs: suspectMs * deafSuspects,
      leaseMs,
      isBraked: this.#braked,
      floors,
    }
  }

  #turn(seen: Seen, state: Seen['state'], at: Moment, silentMs?: number): void {
    const { name } = seen.info
    this.#emit({
      do: 'log',
      fields: { at: 'member', host: name, state, was: seen.state, silent_ms: silentMs },
    })
    if (state === 'dead') seen.deadMs = at.ms
    if (state === 'joining') seen.joinedMs = at.ms
    seen.state = state
    seen.since = at.wallMs
  }

  /** @returns whether it was pulled or let go */
  #brake(by: Judgement): boolean {
    const was = this.#braked
    const silences: Silence[] = []
    for (const [name, seen] of this.#table) {
      if (seen.state === 'left') continue
      const sinceMs = silentSince(seen, by.floors)
      const isOther = name !== this.#self
      const isSuspect = isOther && isLost(seen, by)
      const isQuiet = isOther && by.nowMs - sinceMs > by.suspectMs / 2
      silences.push({ isSuspect, isQuiet, isDead: seen.state === 'dead', sinceMs })
    }
    const holds = isBraked(silences, was, this.#times.brakeWindowMs)
    // The first one back is no reason to move the work of those that are a moment behind it.
    this.#looseMs = !was || holds ? undefined : (this.#looseMs ?? by.nowMs)
    this.#braked = holds || (this.#looseMs !== undefined && by.nowMs - this.#looseMs < by.suspectMs)
    if (this.#braked === was) return false
    if (was) this.#brakeEndMs = by.nowMs
    const what = this.#braked
      ? 'most hosts fell silent at once: nobody is moved until they are back or removed'
      : 'the hosts are back, or removed: work moves again'
    this.#emit({
      do: 'log',
      fields: { at: this.#braked ? 'braked' : 'brake_ends', members: silences.length, what },
    })
    return true
  }

  /** All of them, in the order of their names. */
  members(): readonly Member[] {
    return [...this.#table.values()].map(memberOf).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** The receipt for each member of the view: the last beat heard that renewed its lease. */
  receipt(view: Membership): Uint8Array {
    const bytes = new Uint8Array(view.members.length * 4)
    const data = new DataView(bytes.buffer)
    for (const [i, member] of view.members.entries()) {
      const seen = this.#table.get(member.name)
      if (seen === undefined || seen.info.incarnation !== member.incarnation) continue
      if (seen.state !== 'dead' && seen.state !== 'left') data.setUint32(i * 4, seen.heardSeq)
    }
    return bytes
  }
}
