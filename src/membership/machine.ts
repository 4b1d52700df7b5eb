/**
 * One host's part in the membership. Pure: what happens goes in with its time, what is to be done comes out
 * as data. It says that it lives, follows the view, holds its lease, and observes if its roles say so.
 */
import type { Member, MemberInfo, Membership, MembershipTimes } from './contract.ts'
import type { Emit } from './effects.ts'
import { Follower } from './follower.ts'
import { Lease } from './lease.ts'
import { Observer } from './observer.ts'
import type { Moment } from './roll.ts'
import { beatsAFull } from './times.ts'
import { ageMsMax, type Said, type Told } from './wire.ts'

/** What is new of a host is said in so many beats, in case one is lost. */
const fullsAChange = 3
const removeTries = 10

export type MachineOptions = {
  readonly self: MemberInfo
  readonly times: MembershipTimes
  readonly serversMin: () => number
  readonly isConnected: boolean
  readonly emit: Emit
}

export class Machine {
  readonly #options: MachineOptions
  readonly #times: MembershipTimes
  readonly #emit: Emit
  readonly #follower = new Follower()
  readonly #lease: Lease
  readonly #removing = new Map<string, number>()
  #self: MemberInfo
  #observer: Observer | undefined
  #seq = 0
  #fulls = fullsAChange
  #tickMs: number
  #staleUntilMs = 0
  /** Where this host stands in the view's order. */
  #index = -1
  /** No other host is known that could end its lease. */
  #isAlone = false
  #hasLeft = false
  /** As it was last said. */
  #heldUntilMs = 0

  constructor(options: MachineOptions, at: Moment) {
    this.#options = options
    this.#times = options.times
    this.#emit = options.emit
    this.#self = options.self
    this.#lease = new Lease(options.times.fenceMs, at.ms)
    this.#tickMs = at.ms
    this.#observe(options.isConnected)
  }

  get view(): Membership {
    return this.#follower.view
  }
  get isObserver(): boolean {
    return this.#observer !== undefined
  }

  start(at: Moment): void {
    this.#want(at)
    this.#beat(at)
  }

  /** Every beat. */
  tick(at: Moment): void {
    this.#awake(at)
    this.#tickMs = at.ms
    this.#observer?.tick(at)
    for (const [host, tries] of this.#removing) {
      const isKnown = this.view.members.some(({ name }) => name === host)
      if (!isKnown || tries === 0) this.#removing.delete(host)
      else this.#removing.set(host, tries - 1)
      if (isKnown) this.#emit({ do: 'tell', told: { op: 'remove', host } })
    }
    this.#beat(at)
    this.#hold(at)
  }

  told(told: Told, from: string, at: Moment): void {
    this.#awake(at)
    switch (told.op) {
      case 'beat':
        return this.#observer?.beat(from, told, at)
      case 'bye':
        return this.#observer?.bye(from, told.incarnation, at)
      case 'remove':
        return this.#observer?.remove(from, told.host, at)
      case 'want':
        return this.#observer?.want(from, told.number, at)
    }
  }

  said(said: Said, from: string, at: Moment): void {
    this.#awake(at)
    const wasFresh = this.#hearsLeader(at)
    const number = said.op === 'view' ? said.view.number : said.number
    const followed =
      said.op === 'view'
        ? this.#follower.takes(said.view, said.leads, at.ms)
        : this.#follower.pulse(number, from, at.ms)
    if (followed === 'want') this.#want(at)
    if (followed === 'changed')
      this.#changed(at, said.op === 'view' ? said.view.leader !== this.#self.name : true)
    if (followed === 'same' && said.op === 'pulse') this.#acknowledged(said.heard)
    const isOthers = from !== this.#self.name
    if (isOthers && (said.op === 'pulse' || said.leads)) this.#observer?.heardLeader(from, number, at)
    this.#hold(at)
    // Who has just heard its leader says so at once: its lease begins with that.
    if (!wasFresh && this.#hearsLeader(at)) this.#beat(at)
  }

  connection(isUp: boolean, at: Moment): void {
    this.#awake(at)
    this.#observer?.connection(isUp, at)
    if (!isUp) return
    this.#fulls = fullsAChange
    this.#want(at)
    this.#beat(at)
  }

  hint(host: string, at: Moment): void {
    this.#awake(at)
    this.#observer?.hint(host)
  }
  absent(host: string, at: Moment): void {
    this.#awake(at)
    this.#observer?.absent(host, at)
  }

  change(self: Partial<MemberInfo>, isConnected: boolean, at: Moment): void {
    this.#self = { ...this.#self, ...self }
    this.#fulls = fullsAChange
    this.#observe(isConnected)
    this.#beat(at)
  }

  known(hosts: readonly MemberInfo[], at: Moment): void {
    this.#awake(at)
    this.#observer?.known(hosts, at)
  }

  remove(host: string, at: Moment): void {
    this.#removing.set(host, removeTries)
    this.tick(at)
  }

  leave(): void {
    this.#hasLeft = true
    this.#observer = undefined
    this.#emit({ do: 'tell', told: { op: 'bye', incarnation: this.#self.incarnation } })
  }

  #observe(isConnected: boolean): void {
    const is = this.#self.roles.includes('control') && !this.#hasLeft
    if (is === this.isObserver) return
    this.#observer = is ? this.#makeObserver(isConnected) : undefined
  }

  #makeObserver(isConnected: boolean): Observer {
    const { times, serversMin, emit } = this.#options
    const follow = (view: Membership, at: Moment): void => {
      this.#follower.takes(view, true, at.ms)
      this.#changed(at, false)
    }
    return new Observer(
      { self: () => this.#self, times, serversMin, emit, view: () => this.view, follow },
      isConnected,
    )
  }

  /** Standing still is being cut off: whatever comes first after it, nothing of before counts. */
  #awake(at: Moment): void {
    if (at.ms - this.#tickMs <= this.#times.suspectMs) return
    const pausedMs = Math.round(at.ms - this.#tickMs)
    this.#emit({ do: 'log', fields: { at: 'stood_still', paused_ms: pausedMs } })
    this.#tickMs = at.ms
    // What waited meanwhile is heard now, and is no sign of life.
    this.#staleUntilMs = at.ms + this.#times.beatMs
    this.#observer?.gap(at)
    this.#hold(at)
  }

  /** How long ago the leader was heard. */
  #leaderAgeMs(at: Moment): number {
    const { heardMs } = this.#follower
    if (this.#observer?.isLeading === true) return 0
    if (this.view.leader === this.#self.name || heardMs < this.#staleUntilMs) return ageMsMax
    return Math.min(ageMsMax, at.ms - heardMs)
  }

  #hearsLeader(at: Moment): boolean {
    return this.#leaderAgeMs(at) <= this.#times.suspectMs
  }

  #beat(at: Moment): void {
    if (this.#hasLeft) return
    const { leader, number } = this.view
    const isLeading = this.#observer?.isLeading === true
    const ageMs = this.#leaderAgeMs(at)
    this.#seq += 1
    const isFull = this.#fulls > 0 || this.#seq % beatsAFull === 0 || ageMs > this.#times.suspectMs
    if (this.#fulls > 0) this.#fulls -= 1
    this.#lease.sent(this.#seq, at.ms)
    this.#observer?.sent(this.#seq, at)
    const told = {
      op: 'beat',
      seq: this.#seq,
      incarnation: this.#self.incarnation,
      proven: this.#observer?.isProven === true,
      leading: isLeading,
      number,
      leader: isLeading ? this.#self.name : leader,
      leaderAgeMs: ageMs,
      info: isFull ? this.#self : undefined,
    } as const
    this.#emit({ do: 'tell', told })
  }

  #want(at: Moment): void {
    if (!this.#follower.mayWant(at.ms, this.#times.beatMs)) return
    this.#emit({ do: 'tell', told: { op: 'want', number: this.view.number } })
  }

  #changed(at: Moment, isOthers: boolean): void {
    const { view } = this
    this.#index = view.members.findIndex(({ name }) => name === this.#self.name)
    this.#isAlone = this.#index >= 0 && !view.members.some((one) => this.#couldEndIt(one))
    if (isOthers) this.#observer?.adopt(view, at)
    this.#mind(at)
    this.#emit({ do: 'follow' })
  }

  #couldEndIt(other: Member): boolean {
    return other.name !== this.#self.name && other.state !== 'left' && other.roles.includes('control')
  }

  /** What the view says of this host itself. */
  #mind(at: Moment): void {
    const own = this.view.members[this.#index]
    if (own === undefined || this.#hasLeft) return
    const { incarnation } = this.#self
    // Also of the life before this one: what it left running may run elsewhere by now.
    if (own.incarnation <= incarnation && own.state === 'dead') this.#lease.lost()
    if (own.incarnation < incarnation || (own.incarnation === incarnation && own.state !== 'left')) return
    // A clock that went back between two lives, or another machine of the same name: the later one is heard.
    const fields = { at: 'incarnation_behind', own: incarnation, known: own.incarnation, state: own.state }
    this.#emit({ do: 'log', fields })
    this.#self = { ...this.#self, incarnation: own.incarnation + 1 }
    this.#seq = 0
    this.#fulls = fullsAChange
    this.#hold(at)
  }

  #acknowledged(heard: Uint8Array): void {
    const own = this.view.members[this.#index]
    const offset = this.#index * 4
    if (own === undefined || own.incarnation !== this.#self.incarnation) return
    if (own.state === 'dead' || own.state === 'left' || heard.length < offset + 4) return
    const seq = new DataView(heard.buffer, heard.byteOffset, heard.byteLength).getUint32(offset)
    this.#lease.acknowledged(seq)
  }

  /** The lease, and what follows when it may be over. */
  #hold(at: Moment): void {
    if (this.#isAlone) this.#lease.alone(at.ms)
    const { heldUntilMs } = this.#lease
    if (heldUntilMs !== this.#heldUntilMs) this.#emit({ do: 'held', untilMs: heldUntilMs })
    this.#heldUntilMs = heldUntilMs
    const isFenced = this.#lease.check(at.ms)
    if (isFenced === undefined) return
    this.#emit({ do: 'log', fields: { at: isFenced ? 'fenced' : 'unfenced' } })
    this.#emit({ do: 'fence', isFenced })
  }
}
