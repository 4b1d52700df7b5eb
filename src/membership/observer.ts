/**
 * The observer: what a control host makes of the beats it hears. Pure: inputs with their time in, effects as
 * data out.
 *
 * Every observer watches all the time; the one that leads judges (roll.ts) and publishes what it judged. It
 * judges nobody while it cannot prove its own connection; who has just begun to lead, stood still or was cut
 * off gives everybody a whole new lease; and when most fall silent at once nobody's lease ends (brake.ts).
 */
import type { MemberInfo, Membership, MembershipTimes } from './contract.ts'
import type { Emit } from './effects.ts'
import { Election } from './election.ts'
import { Proof } from './proof.ts'
import { Roll, type Moment } from './roll.ts'
import { isGone } from './seen.ts'
import { beatsAPulse } from './times.ts'
import type { Beat } from './wire.ts'

const never = Number.NEGATIVE_INFINITY
/** Views of large clusters are large: they wait a moment for each other. */
const largeMembers = 20
const gapMsAMember = 0.5
/** Even when nothing changes the whole view goes out now and then, for those who may not ask. */
const againMs = 2_000
const againMsAMember = 20
/** A disconnect that the bus reports counts when nobody is there and, a moment later, still nobody is. */
const probeAgainBeats = 0.5

export type ObserverOptions = {
  readonly self: () => MemberInfo
  readonly times: MembershipTimes
  /** Of how many of the bus's servers it must hear. */
  readonly serversMin: () => number
  readonly emit: Emit
  /** The view that this host follows. */
  readonly view: () => Membership
  /** This host follows what its own observer publishes, at once. */
  readonly follow: (view: Membership, at: Moment) => void
}

export class Observer {
  readonly #options: ObserverOptions
  readonly #times: MembershipTimes
  readonly #name: string
  readonly #election: Election
  readonly #proof = new Proof()
  readonly #roll: Roll
  #connected: boolean
  #provenMs: number | undefined
  #leadingMs: number | undefined
  #mayLeadMs = Number.POSITIVE_INFINITY
  /** Highest number that anybody has named. */
  #number = 0
  /** A judgement may come out differently now. */
  #unjudged = false
  /** The view is behind what is judged, or its number behind others: the next one has a higher number. */
  #behind = false
  /** Somebody lacks the view as it is. */
  #again = false
  #publishedMs = never
  #pulsedMs = never

  constructor(options: ObserverOptions, isConnected: boolean) {
    this.#options = options
    this.#times = options.times
    this.#name = options.self().name
    this.#connected = isConnected
    this.#election = new Election(this.#name, options.times.suspectMs)
    this.#roll = new Roll(this.#name, options.times, options.emit)
    this.#number = options.view().number
  }

  get isProven(): boolean {
    return this.#provenMs !== undefined
  }
  get isLeading(): boolean {
    return this.#leadingMs !== undefined
  }

  /** This host's own beat leaves. */
  sent(seq: number, at: Moment): void {
    this.#proof.sent(seq, at.ms)
  }

  beat(from: string, beat: Beat, at: Moment): void {
    if (from === this.#name && beat.incarnation === this.#options.self().incarnation) {
      this.#proof.echo(beat.seq, at.ms)
      if (!this.isProven) this.#unjudged = true
    }
    const heard = this.#roll.beat(from, beat, at)
    if (heard === 'ignored') return
    if (heard === 'new') this.#behind = true
    if (heard !== 'heard') this.#unjudged = true
    if (beat.leaderAgeMs <= this.#times.suspectMs) {
      this.#election.leads(beat.leader, at.ms - beat.leaderAgeMs)
    }
    if (beat.leading) this.#election.leads(from, at.ms)
    this.#numbered(beat.number, beat.leader)
    this.#settle(at)
  }

  bye(from: string, incarnation: number, at: Moment): void {
    if (!this.#roll.left(from, incarnation, at)) return
    this.#election.gone(from, at.ms)
    this.#behind = true
    this.#settle(at)
  }

  /** Somebody has none newer than that. */
  want(from: string, number: number, at: Moment): void {
    if (number >= this.#number) this.#numbered(number, '')
    else if (this.isLeading) this.#again = true
    else this.#passOn(from, number, at)
    this.#settle(at)
  }

  /** An observer that has just begun needs to know who is there, all the more when there is no leader. */
  #passOn(to: string, number: number, at: Moment): void {
    const view = this.#options.view()
    const isObserver = this.#roll.get(to)?.info.roles.includes('control') === true
    if (to === this.#name || !isObserver || view.number <= number) return
    if (at.ms - this.#publishedMs < this.#times.beatMs) return
    this.#publishedMs = at.ms
    this.#options.emit({ do: 'say', said: { op: 'view', leads: false, view } })
  }

  known(hosts: readonly MemberInfo[], at: Moment): void {
    for (const info of hosts) if (this.#roll.known(info, at)) this.#behind = true
    this.#unjudged = true
    this.#settle(at)
  }

  remove(from: string, host: string, at: Moment): void {
    if (this.#roll.get(from)?.info.roles.includes('control') !== true || !this.#roll.remove(host)) return
    this.#behind = true
    this.#settle(at)
  }

  /** The bus says that its connection ended: ask at once whether anybody is there. */
  hint(host: string): void {
    const seen = this.#roll.get(host)
    if (seen === undefined || host === this.#name || isGone(seen)) return
    seen.absentMs = never
    this.#options.emit({ do: 'probe', host, afterMs: 0 })
  }

  /** Nobody took the probe. */
  absent(host: string, at: Moment): void {
    const seen = this.#roll.get(host)
    if (seen === undefined || isGone(seen)) return
    if (seen.absentMs <= seen.heardMs) {
      seen.absentMs = at.ms
      this.#options.emit({ do: 'probe', host, afterMs: this.#times.beatMs * probeAgainBeats })
      return
    }
    if (!this.isProven) return
    seen.goneMs = at.ms
    this.#election.gone(host, at.ms)
    this.#unjudged = true
    this.#settle(at)
  }

  connection(isUp: boolean, at: Moment): void {
    this.#connected = isUp
    if (!isUp) this.gap(at)
  }

  /** This process stood still, or was cut off: what it did not hear in between means nothing. */
  gap(at: Moment): void {
    this.#proof.void(at.ms)
    this.#prove(at)
  }

  /** A view or a pulse of another leader. */
  heardLeader(leader: string, number: number, at: Moment): void {
    this.#election.leads(leader, at.ms)
    this.#numbered(number, leader)
    this.#settle(at)
  }

  /** This host follows another leader's view from now on. */
  adopt(view: Membership, at: Moment): void {
    this.#roll.adopt(view, at)
  }

  tick(at: Moment): void {
    this.#unjudged = true
    const { members } = this.#options.view()
    if (at.ms - this.#publishedMs > againMs + members.length * againMsAMember) this.#again = true
    this.#settle(at)
    if (!this.isLeading) return
    if (at.ms - this.#pulsedMs < (beatsAPulse - 0.5) * this.#times.beatMs) return
    this.#pulsedMs = at.ms
    const view = this.#options.view()
    const heard = this.#roll.receipt(view)
    this.#options.emit({ do: 'say', said: { op: 'pulse', number: view.number, heard } })
  }

  /** What follows from what was heard: proof, lead, judgement, and what others must know of it. */
  #settle(at: Moment): void {
    if (this.#unjudged) this.#prove(at)
    this.#elect(at)
    if (this.#unjudged && this.#leadingMs !== undefined && this.#provenMs !== undefined) {
      const standing = { leadingMs: this.#leadingMs, observingMs: this.#provenMs }
      if (this.#roll.judge(standing, at)) this.#behind = true
    }
    this.#unjudged = false
    const { size } = this.#roll
    const gapMs = size > largeMembers ? Math.min(this.#times.beatMs, size * gapMsAMember) : 0
    if (this.isLeading && at.ms - this.#publishedMs >= gapMs) this.#publish(at)
  }

  #prove(at: Moment): void {
    const { suspectMs, beatMs } = this.#times
    const isProven = this.#connected && this.#proof.hasEcho(at.ms, suspectMs) && this.#hearsEnough(at.ms)
    if (isProven === this.isProven) return
    this.#provenMs = isProven ? at.ms : undefined
    this.#log({ at: isProven ? 'proven' : 'unproven', leading: this.isLeading })
    // Somebody may lead whom it has not heard yet.
    if (isProven) this.#mayLeadMs = at.ms + (this.#number === 0 ? beatMs : suspectMs)
    else this.#leadingMs = undefined
  }

  /** Of enough of the bus's servers: no two parts of a broken bus have a majority of them. */
  #hearsEnough(nowMs: number): boolean {
    const serversMin = this.#options.serversMin()
    if (serversMin <= 1) return true
    const { server } = this.#options.self()
    const servers = this.#roll.servers(Math.max(nowMs - this.#times.suspectMs, this.#proof.sinceMs))
    if (server !== '') servers.add(server)
    return servers.size >= serversMin
  }

  #elect(at: Moment): void {
    if (!this.isProven) return
    const other = this.#election.leader(at.ms)
    if (this.isLeading) {
      if (other === undefined || other > this.#name) return
      this.#log({ at: 'yields', to: other })
      this.#leadingMs = undefined
      return
    }
    if (other !== undefined || at.ms < this.#mayLeadMs) return
    // Those that begin at the same time need a moment more to know of each other's proof.
    const isEarly = at.ms < this.#mayLeadMs + 2 * this.#times.beatMs
    if (this.#roll.hasBetterThan(this.#name, isEarly, at.ms)) return
    this.#leadingMs = at.ms
    this.#publishedMs = never
    this.#pulsedMs = never
    this.#behind = true
    this.#unjudged = true
    this.#log({ at: 'leads', number: this.#number + 1 })
  }

  /** Others follow a view with that number: this leader's must be higher to be followed. */
  #numbered(number: number, leader: string): void {
    if (number > this.#number || (number === this.#number && leader !== this.#name)) this.#behind = true
    this.#number = Math.max(this.#number, number)
  }

  #publish(at: Moment): void {
    if (!this.#behind && !this.#again) return
    if (this.#behind) {
      this.#number = Math.max(this.#number, this.#options.view().number) + 1
      const members = this.#roll.members()
      const braked = this.#roll.braked
      this.#options.follow({ number: this.#number, leader: this.#name, braked, members }, at)
    }
    this.#behind = false
    this.#again = false
    this.#publishedMs = at.ms
    this.#options.emit({ do: 'say', said: { op: 'view', leads: true, view: this.#options.view() } })
  }

  #log(fields: { readonly at: string } & Readonly<Record<string, string | number | boolean>>): void {
    this.#options.emit({ do: 'log', fields })
  }
}
