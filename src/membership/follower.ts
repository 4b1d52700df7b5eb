/**
 * The view as one process follows it: the highest that it heard, and how lately its leader was heard. Pure.
 *
 * Two leaders at once are possible for a moment: the higher number wins, and of equal numbers the later name.
 * Whoever holds a higher number than a leader says so by asking for the view, and the leader counts on from
 * there: a follower that outlived all observers is not left behind.
 */
import type { Membership } from './contract.ts'

export const noView: Membership = { number: 0, leader: '', braked: false, members: [] }

export type Followed = 'changed' | 'same' | 'want'

const supersedes = (number: number, leader: string, over: Membership): boolean =>
  number > over.number || (number === over.number && leader > over.leader)

export class Follower {
  #view = noView
  #heardMs = Number.NEGATIVE_INFINITY
  #wantedMs = Number.NEGATIVE_INFINITY

  get view(): Membership {
    return this.#view
  }
  /** When its leader was last heard. */
  get heardMs(): number {
    return this.#heardMs
  }

  /** A whole view, by its leader or passed on. */
  takes(view: Membership, byLeader: boolean, nowMs: number): Followed {
    const isCurrent = this.#isCurrent(view.number, view.leader)
    if (!isCurrent && !supersedes(view.number, view.leader, this.#view)) return byLeader ? 'want' : 'same'
    // What is passed on says nothing of its leader's life.
    if (byLeader) this.#heardMs = nowMs
    else if (view.leader !== this.#view.leader) this.#heardMs = Number.NEGATIVE_INFINITY
    if (isCurrent) return 'same'
    this.#view = view
    return 'changed'
  }

  /** A leader says which view stands. */
  pulse(number: number, leader: string, nowMs: number): Followed {
    if (!this.#isCurrent(number, leader)) return 'want'
    this.#heardMs = nowMs
    return 'same'
  }

  /** Asks are few, however much there is to ask for. */
  mayWant(nowMs: number, everyMs: number): boolean {
    if (nowMs - this.#wantedMs < everyMs) return false
    this.#wantedMs = nowMs
    return true
  }

  #isCurrent(number: number, leader: string): boolean {
    return number === this.#view.number && leader === this.#view.leader
  }
}
