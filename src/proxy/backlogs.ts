/**
 * Which requests their target has not even read: a new connection waits in the backlog of its listening
 * socket, or a connection's bytes wait in its receive buffer, while it does something else. Looked for now
 * and then, and only among those that nothing was heard of: what a target has read and lets wait itself,
 * nobody sees from outside.
 *
 * A backlog is first in, first out. Who was the n-th to arrive waits until n were taken. Others connect to
 * the same target too, and some of ours are there before we hear of it: so a connection counts as the first
 * that it can have been, behind those of the last look before it was begun. Where that says too little, what
 * was not read says the rest.
 */
import type { Upstream } from './contract.ts'
import type { Link } from './link.ts'
import type { TargetLoad } from './load.ts'

export type Backlog = {
  /** Connections that reached the target since it began, and those of them that it has not taken. */
  readonly arrived: number
  readonly waiting: number
  /** Undefined: it was not looked for lately. */
  readonly unread?: Unread
}

/** Connections whose bytes the target has not read, by the end that is not its own (`10.0.0.1:4711`). */
export type Unread = { readonly atMs: number; readonly ends: ReadonlySet<string> }

/** @param wantsUnread it costs more, and need not be there at once */
export type BacklogOf = (upstream: Upstream, wantsUnread: boolean) => Backlog | undefined

/** A look costs about a tenth of a millisecond a target. */
const targetsPerLookMax = 20
/** When it cannot be told how many wait: it may be known the next time. */
const vainLooksMax = 5
/** Most requests are answered by then. */
const unreadAfterMs = 200

export class Backlogs {
  readonly #backlogOf: BacklogOf | null
  #links = new Set<Link>()

  /** @param backlogOf null: it cannot be told for any */
  constructor(backlogOf: BacklogOf | null) {
    this.#backlogOf = backlogOf
  }

  /** A request goes to a target. */
  began(link: Link): void {
    if (this.#backlogOf === null) return
    this.#links.add(link)
    const { queued, arrivals } = link
    if (arrivals === null || queued.isTaken) return
    arrivals.ours += 1
    queued.ordinal = arrivals.before + arrivals.ours
  }

  look(nowMs: number): void {
    if (this.#links.size === 0 || this.#backlogOf === null) return
    const byTarget = new Map<TargetLoad<Link>, Link[]>()
    for (const link of this.#links) {
      if (link.heard || !link.usable) continue
      const links = byTarget.get(link.target)
      if (links === undefined) byTarget.set(link.target, [link])
      else links.push(link)
    }
    this.#links.clear()
    let looked = 0
    for (const [target, links] of byTarget) {
      looked += 1
      let left: readonly Link[] = links
      if (looked <= targetsPerLookMax) {
        const wantsUnread = links.some((link) => link.queued.isTaken && nowMs - link.beganMs >= unreadAfterMs)
        const backlog = this.#backlogOf(target.upstream, wantsUnread)
        left = stillWaiting(links, backlog, nowMs)
        if (backlog !== undefined) target.arrivals = { before: backlog.arrived, ours: 0 }
      }
      for (const link of left) this.#links.add(link)
    }
  }
}

/** In the order in which they began. */
function stillWaiting(links: readonly Link[], backlog: Backlog | undefined, nowMs: number): readonly Link[] {
  if (backlog === undefined) return links.filter(({ queued }) => ++queued.looks < vainLooksMax)
  const { arrived, waiting, unread } = backlog
  return links.filter((link) => {
    const { queued, beganMs } = link
    if (!queued.isTaken && queued.ordinal > arrived - waiting) {
      queued.queue ??= queued.ordinal - (arrived - waiting) - 1
      queued.waitMs = nowMs - beganMs
      return true
    }
    queued.isTaken = true
    if (unread === undefined || unread.atMs <= beganMs) return true
    if (!unread.ends.has(link.wire.localEnd)) return false
    queued.queue ??= unread.ends.size - 1
    queued.waitMs = Math.max(queued.waitMs ?? 0, unread.atMs - beganMs)
    return true
  })
}
