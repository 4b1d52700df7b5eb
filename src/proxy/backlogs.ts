/**
 * Which requests their target has not even taken: the kernel has connected them, and they wait in the backlog
 * of its listening socket while it does something else. Looked for now and then, and only among those that
 * nothing was heard of: what a target has taken and lets wait itself, nobody sees from outside.
 *
 * A backlog is first in, first out. Who was the n-th to arrive waits until n were taken.
 */
import type { Upstream } from './contract.ts'
import type { Link } from './link.ts'
import type { TargetLoad } from './load.ts'

/** Connections that reached a target since it began, and those of them that it has not taken. */
export type Backlog = { readonly arrived: number; readonly waiting: number }

export type BacklogOf = (upstream: Upstream) => Backlog | undefined

/** A look costs about a tenth of a millisecond a target. */
const targetsPerLookMax = 20
/** When it cannot be told how many wait: it may be known the next time. */
const vainLooksMax = 2

export class Backlogs {
  readonly #backlogOf: BacklogOf | null
  #links: Link[] = []

  /** @param backlogOf null: it cannot be told for any */
  constructor(backlogOf: BacklogOf | null) {
    this.#backlogOf = backlogOf
  }

  /** A new connection, the last to arrive. */
  began(link: Link): void {
    if (this.#backlogOf !== null) this.#links.push(link)
  }

  look(nowMs: number): void {
    if (this.#links.length === 0 || this.#backlogOf === null) return
    const byTarget = new Map<TargetLoad<Link>, Link[]>()
    for (const link of this.#links) {
      if (link.heard || !link.usable) continue
      const links = byTarget.get(link.target)
      if (links === undefined) byTarget.set(link.target, [link])
      else links.push(link)
    }
    this.#links = []
    let looked = 0
    for (const [target, links] of byTarget) {
      looked += 1
      if (looked > targetsPerLookMax) this.#links.push(...links)
      else this.#links.push(...stillWaiting(links, this.#backlogOf(target.upstream), nowMs))
    }
  }
}

/** In the order in which they were connected. */
function stillWaiting(links: readonly Link[], backlog: Backlog | undefined, nowMs: number): readonly Link[] {
  if (backlog === undefined) return links.filter(({ queued }) => ++queued.looks < vainLooksMax)
  const taken = backlog.arrived - backlog.waiting
  let last = backlog.arrived
  // The last of ours was no later than the last of all.
  for (const { queued } of links.toReversed()) if (queued.ordinal < 0) queued.ordinal = last--
  return links.filter(({ queued, connectedMs }) => {
    if (queued.ordinal <= taken) return false
    queued.queue ??= queued.ordinal - taken - 1
    queued.waitMs = nowMs - connectedMs
    return true
  })
}
