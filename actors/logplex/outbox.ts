/**
 * Outbox: lines of a process for the logs of many apps. They are brought to each app's channel, one part at a
 * time, and kept here until they are stored. While nobody takes them they wait, bounded: what is too much is
 * dropped, the oldest first, and said in-band, as log-shuttle says it (L12).
 *
 * Lost with the process: what waits here, of an app no more lines than it may have, and the counts.
 */
import type { Clock } from '../../src/ports/clock.ts'
import type { Line, Loss } from '../protocols/channel.ts'
import type { Deliver } from './deliver.ts'
import { createNumbering, type Numbers } from './numbers.ts'

export type Outbox<T> = {
  add(appId: string, item: T): void
  /** Sends what was collected, for that app or for each that has nothing under way. */
  flush(appId?: string): void
  /** Lines that are not stored yet, and those dropped and not told. */
  pending(): number
}

export type OutboxLimits = {
  readonly linesPerApp: number
  /** Apps with lines that wait. Of those beyond it lines are counted: no more counts than there are apps. */
  readonly apps: number
  /** Of all lines; beyond it an app that has more than its share drops its oldest: twice that at most. */
  readonly bytes: number
  /** Apps whose lines are on their way at once: each tries again and again while nobody takes them. */
  readonly sending: number
}
export const outboxLimits: OutboxLimits = {
  linesPerApp: 2_000,
  apps: 100_000,
  bytes: 64 * 1024 * 1024,
  sending: 2_000,
}

export type OutboxDeps<T> = {
  /** Names this process' life. */
  readonly source: string
  readonly nowUs: () => number
  readonly deliver: Deliver
  /** A line of each, in order. */
  readonly linesOf: (items: readonly T[], atUs: readonly number[]) => readonly Line[]
  readonly bytesOf: (item: T) => number
  /** As many lines of an app that wait once it has nothing under way do not wait for the next flush. */
  readonly gathered: number
  readonly limits?: OutboxLimits
}

const batchLinesMax = 500
const lookMs = 50
/** What an item takes besides its text. */
const itemBytes = 64

/** An item is at its time's place: a line costs no object here. */
type Pending<T> = {
  readonly items: T[]
  readonly atUs: number[]
  readonly numbers: Numbers
  /** Of the items. */
  bytes: number
  underWay: number
  dropped: Loss | undefined
}

export const createOutbox = <T>(deps: OutboxDeps<T>): Outbox<T> => {
  const { nowUs, deliver, linesOf, bytesOf, gathered, limits = outboxLimits } = deps
  const apps = new Map<string, Pending<T>>()
  const numbering = createNumbering(deps.source, () => nowUs() / 1000)
  /** Lines dropped of apps that there was no room for. */
  const crowdedOut = new Map<string, Loss>()
  let sending = 0
  /** With what is under way. */
  let bytesAll = 0

  const sizeOf = (item: T): number => bytesOf(item) + itemBytes
  const isTooMuch = ({ items, bytes }: Pending<T>): boolean =>
    items.length > limits.linesPerApp || (bytesAll > limits.bytes && bytes > limits.bytes / apps.size)
  const dropOldest = (own: Pending<T>): void => {
    const oldest = own.items.shift()
    if (oldest === undefined) return
    own.bytes -= sizeOf(oldest)
    bytesAll -= sizeOf(oldest)
    own.dropped = oneMore(own.dropped, own.atUs.shift() ?? 0)
  }
  const send = (appId: string, own: Pending<T>): void => {
    const { numbers, dropped } = own
    const items = own.items.splice(0, batchLinesMax)
    const bytes = items.reduce((sum, item) => sum + sizeOf(item), 0)
    own.bytes -= bytes
    const lines = linesOf(items, own.atUs.splice(0, batchLinesMax))
    own.dropped = undefined
    own.underWay = lines.length + (dropped?.count ?? 0)
    sending++
    const first = numbers.next + (dropped?.count ?? 0)
    numbers.next = first + lines.length
    void deliver(appId, { source: numbers.source, first, lines, dropped }).then(() => {
      sending--
      bytesAll -= bytes
      own.underWay = 0
      if (own.items.length >= gathered) send(appId, own)
      else if (own.items.length === 0 && own.dropped === undefined) rest(appId, own)
    })
  }
  const rest = (appId: string, { numbers }: Pending<T>): void => {
    apps.delete(appId)
    numbering.giveBack(appId, numbers)
  }
  const pendingOf = (appId: string): Pending<T> | undefined => {
    const own = apps.get(appId)
    if (own !== undefined || apps.size >= limits.apps) return own
    const numbers = numbering.take(appId)
    const fresh = { items: [], atUs: [], numbers, bytes: 0, underWay: 0, dropped: crowdedOut.get(appId) }
    crowdedOut.delete(appId)
    apps.set(appId, fresh)
    return fresh
  }
  const canSend = ({ underWay, items, dropped }: Pending<T>): boolean =>
    sending < limits.sending && underWay === 0 && (items.length > 0 || dropped !== undefined)

  return {
    add: (appId, item) => {
      const own = pendingOf(appId)
      if (own === undefined) {
        crowdedOut.set(appId, oneMore(crowdedOut.get(appId), nowUs()))
        return
      }
      own.items.push(item)
      own.atUs.push(nowUs())
      own.bytes += sizeOf(item)
      bytesAll += sizeOf(item)
      while (isTooMuch(own)) dropOldest(own)
    },
    flush: (appId) => {
      if (appId !== undefined) {
        const own = apps.get(appId)
        if (own !== undefined && canSend(own)) send(appId, own)
        return
      }
      for (const waits of crowdedOut.keys()) if (pendingOf(waits) === undefined) break
      for (const [one, own] of apps) {
        if (sending >= limits.sending) return
        if (!canSend(own)) continue
        // Behind all others: when there are more than may be sent at once each has its turn.
        apps.delete(one)
        apps.set(one, own)
        send(one, own)
      }
    },
    pending: () => {
      const crowded = [...crowdedOut.values()].reduce((sum, { count }) => sum + count, 0)
      return [...apps.values()].reduce(
        (sum, { items, underWay, dropped }) => sum + items.length + underWay + (dropped?.count ?? 0),
        crowded,
      )
    },
  }
}

const oneMore = (loss: Loss | undefined, atUs: number): Loss =>
  loss === undefined ? { count: 1, sinceUs: atUs } : { ...loss, count: loss.count + 1 }

/** Flushes again and again, until closed. */
export const keepFlushing = (
  outbox: Pick<Outbox<never>, 'flush'>,
  clock: Clock,
  everyMs: number,
): { readonly close: () => void } => {
  let timer = clock.after(everyMs, () => again())
  const again = (): void => {
    outbox.flush()
    timer = clock.after(everyMs, again)
  }
  return { close: () => timer.cancel() }
}

/** Resolves when nothing waits any more, or after that time. */
export const emptied = async (
  outbox: Pick<Outbox<never>, 'flush' | 'pending'>,
  clock: Clock,
  withinMs: number,
): Promise<void> => {
  const endMs = clock.monotonicMs() + withinMs
  for (outbox.flush(); outbox.pending() > 0 && clock.monotonicMs() < endMs; outbox.flush())
    await new Promise<void>((resolve) => void clock.after(lookMs, resolve))
}
