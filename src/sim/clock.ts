/**
 * Virtual time: a queue of what happens next. Nothing happens between two events, so hours pass in
 * milliseconds and the order is the same each time. Starts above zero: caches that treat 0 as "no time" must
 * not be fooled. And shortly before a month ends, so that every run crosses that.
 */
import type { Clock, Timer } from '../ports/clock.ts'
import { createGate, type Gate } from './gate.ts'

type Event = { readonly atMs: number; readonly order: number; run: (() => void) | undefined }

const startMs = Date.UTC(2027, 0, 31, 23, 59, 30)

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

export type VirtualClock = Clock & {
  /** Runs the next event; false when there is none at or before `limitMs` of virtual wall-clock time. */
  step(limitMs: number): boolean
  /** Moves to that time without running anything: only when no event is due before. */
  advanceTo(atMs: number): void
  pending(): number
  /**
   * The same time, for one host's life: what is due passes its gate. `skewMs`: how far its wall clock is
   * ahead.
   */
  forHost(gate?: Gate, skewMs?: () => number): Clock & { end(): void }
}

export const virtualClock = (): VirtualClock => {
  const heap: Event[] = []
  let nowMs = startMs
  let order = 0

  const push = (event: Event): void => {
    let i = heap.push(event) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      const above = heap[parent] as Event
      if (!before(event, above)) break
      heap[i] = above
      i = parent
    }
    heap[i] = event
  }

  const pop = (): Event | undefined => {
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[i] = heap[child] as Event
      i = child
    }
    heap[i] = last
    return top
  }

  const schedule = (ms: number, run: () => void): Timer => {
    const event: Event = { atMs: nowMs + Math.max(0, ms), order: order++, run }
    push(event)
    return {
      cancel: () => {
        event.run = undefined
      },
    }
  }

  return {
    now: () => Math.floor(nowMs),
    monotonicMs: () => nowMs - startMs + 1,
    after: schedule,
    soon: (run) => void schedule(0, run),
    pending: () => heap.length,
    advanceTo: (atMs) => {
      nowMs = Math.max(nowMs, atMs)
    },
    step: (limitMs) => {
      for (;;) {
        const next = heap[0]
        if (next === undefined || next.atMs > limitMs) return false
        pop()
        if (next.run === undefined) continue
        nowMs = next.atMs
        next.run()
        return true
      }
    },
    forHost: (gate = createGate(), skewMs = () => 0) => {
      /** One that is due while the host stands still can be called off until it goes on. */
      const later = (ms: number, run: () => void): Timer => {
        let isOff = false
        const timer = schedule(ms, () => gate.pass(() => !isOff && run()))
        return {
          cancel: () => {
            isOff = true
            timer.cancel()
          },
        }
      }
      return {
        now: () => Math.floor(nowMs + skewMs()),
        monotonicMs: () => nowMs - startMs + 1,
        after: later,
        soon: (run) => void schedule(0, () => gate.pass(run)),
        end: gate.end,
      }
    },
  }
}
