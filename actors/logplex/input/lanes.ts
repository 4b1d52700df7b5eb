/**
 * Lanes: what came in from outside, on its way to its apps' channels. An app has one lane, and one batch of
 * it is under way at a time, so that order is kept and a batch that is said again is known; lanes do not
 * wait for each other.
 *
 * What is here is bounded, for each app and together: who brings more is told so, and may wait or go. No app
 * has more than is left for all others, so that there is room for one more however many are stuck. Lines
 * whose sender could not be told are counted, and said in the app's log where they are missing.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../../src/ports/clock.ts'
import type { Line } from '../../protocols/channel.ts'
import { lostLine } from '../codes.ts'
import type { Deliver } from '../deliver.ts'
import { createNumbering, type Numbers } from '../numbers.ts'

export type LaneLimits = {
  /** Of lines that are not stored yet, with what they cost beside their text. */
  readonly appBytesMax: number
  readonly bytesMax: number
}
export const laneLimits: LaneLimits = { appBytesMax: 8 * 1024 * 1024, bytesMax: 64 * 1024 * 1024 }
assert(2 * laneLimits.appBytesMax <= laneLimits.bytesMax)

export type Lanes = {
  /** Makes room; false: there is none now. */
  reserve(appId: string, bytes: number): boolean
  /** Gives room back that nothing was put into. */
  release(appId: string, bytes: number): void
  /** Lines for which `bytes` are reserved. Resolves once they are stored. */
  push(appId: string, lines: readonly Line[], bytes: number): Promise<void>
  /** There were more, which nobody has any more. */
  lose(appId: string, count: number, sinceUs: number): void
  /** How long an app's channel has not taken anything that is here for it. */
  stuckMs(appId: string): number
  /** Resolves when room has been given back, or after that time. */
  room(withinMs: number): Promise<void>
  /** Resolves when nothing is here any more, or after that time. @returns lines that are here still */
  empty(withinMs: number): Promise<number>
}

type Load = { readonly lines: readonly Line[]; readonly bytes: number; readonly done: () => void; at: number }
type Lane = {
  readonly numbers: Numbers
  readonly loads: Load[]
  /** Lines of the batch that is on its way, and since when it is. */
  underWay: number
  sinceMs: number
  lost: number
  lostSinceUs: number
}

const batchLinesMax = 500
const batchBytesMax = 256 * 1024

/** @param source names this process' life */
export const createLanes = (
  deps: { readonly deliver: Deliver; readonly source: string; readonly clock: Clock },
  limits = laneLimits,
): Lanes => {
  const { deliver, source, clock } = deps
  const numbering = createNumbering(source, () => clock.monotonicMs())
  const lanes = new Map<string, Lane>()
  const reserved = new Map<string, number>()
  const waiting = new Set<() => void>()
  let bytes = 0

  const release = (appId: string, count: number): void => {
    bytes -= count
    const left = (reserved.get(appId) ?? 0) - count
    assert(bytes >= 0 && left >= 0, 'no more is given back than was taken')
    if (left === 0) reserved.delete(appId)
    else reserved.set(appId, left)
    for (const wake of waiting) wake()
  }

  const send = (appId: string, lane: Lane): void => {
    const lines: Line[] = []
    if (lane.lost > 0) {
      const loss = { count: lane.lost, sinceUs: lane.lostSinceUs }
      lines.push(lostLine(loss, Math.round(clock.now() * 1000)))
      lane.lost = 0
    }
    const ended = take(lane.loads, lines)
    if (lines.length === 0 && ended.length === 0) {
      lanes.delete(appId)
      numbering.giveBack(appId, lane.numbers)
      for (const wake of waiting) wake()
      return
    }
    lane.underWay = lines.length
    lane.sinceMs = clock.monotonicMs()
    const { numbers } = lane
    const part = { source: numbers.source, first: numbers.next, lines }
    numbers.next += lines.length
    void deliver(appId, part).then(() => {
      for (const load of ended) {
        release(appId, load.bytes)
        load.done()
      }
      send(appId, lane)
    })
  }

  /** With what `add` puts into it. */
  const laneOf = (appId: string, add: (lane: Lane) => void): void => {
    const found = lanes.get(appId)
    const lane = found ?? {
      numbers: numbering.take(appId),
      loads: [],
      underWay: 0,
      sinceMs: clock.monotonicMs(),
      lost: 0,
      lostSinceUs: 0,
    }
    add(lane)
    if (found !== undefined) return
    lanes.set(appId, lane)
    send(appId, lane)
  }

  const until = (isTrue: () => boolean, withinMs: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = (): void => {
      if (isTrue()) resolve()
    }
    const late = clock.after(withinMs, resolve)
    waiting.add(look)
    return promise.finally(() => {
      waiting.delete(look)
      late.cancel()
    })
  }

  return {
    reserve(appId, count) {
      const own = (reserved.get(appId) ?? 0) + count
      const left = limits.bytesMax - bytes - count
      if (own > limits.appBytesMax || own > left) return false
      reserved.set(appId, own)
      bytes += count
      return true
    },
    release,
    push: (appId, lines, count) =>
      new Promise((done) => {
        assert((reserved.get(appId) ?? 0) >= count, 'there is room for it')
        laneOf(appId, ({ loads }) => loads.push({ lines, bytes: count, done, at: 0 }))
      }),
    lose: (appId, count, sinceUs) =>
      laneOf(appId, (lane) => {
        if (lane.lost === 0) lane.lostSinceUs = sinceUs
        lane.lost += count
      }),
    stuckMs(appId) {
      const lane = lanes.get(appId)
      return lane === undefined ? 0 : clock.monotonicMs() - lane.sinceMs
    },
    room: (withinMs) => until(() => true, withinMs),
    async empty(withinMs) {
      if (lanes.size > 0) await until(() => lanes.size === 0, withinMs)
      return [...lanes.values()]
        .flatMap(({ loads, underWay, lost }) => [underWay, lost, ...loads.map(linesLeft)])
        .reduce((sum, count) => sum + count, 0)
    },
  }
}

const linesLeft = ({ lines, at }: Load): number => lines.length - at

/** Moves the first lines to `lines`, as many as a batch takes. @returns the loads that are wholly in it */
const take = (loads: Load[], lines: Line[]): readonly Load[] => {
  let bytes = 0
  const isFull = (): boolean => lines.length >= batchLinesMax || bytes >= batchBytesMax
  const ended: Load[] = []
  for (let load = loads[0]; load !== undefined; load = loads[0]) {
    for (; load.at < load.lines.length && !isFull(); load.at += 1) {
      const line = load.lines[load.at] as Line
      lines.push(line)
      bytes += line.text.length
    }
    if (load.at < load.lines.length) break
    ended.push(load)
    loads.shift()
  }
  return ended
}
