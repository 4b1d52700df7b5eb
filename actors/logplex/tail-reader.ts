/**
 * Tail reader: one reader's way through a window, as fast as it takes the lines.
 *
 * Nothing is queued for it but the piece that it has not taken yet. What leaves the window before it was its
 * turn is counted, line by line of its filter, and told where it was missed (L11), as an event with an id: a
 * reader that resumes behind it is not given those lines, so what it got and what it was told add up.
 */
import { tailOverflowLine } from './codes.ts'
import type { LineFilter } from './line.ts'
import { told, type Cursor, type Form } from './tail-line.ts'
import type { Missed, TailWindow } from './tail-window.ts'

/** What takes the bytes. */
export type TailSink = {
  /** False: it wants no more until it says so (`ready`). */
  readonly write: (bytes: Uint8Array) => boolean
  /** Nothing comes after this. */
  readonly end: () => void
}

export type TailReader = {
  /** Gives what there is, until the sink has enough. */
  readonly pump: () => void
  /** The sink takes more. */
  readonly ready: () => void
  /** The window lets go of what is before that place. */
  readonly skip: (to: number) => void
  /** Ends at that place, once it is there. */
  readonly endAt: (place: number) => void
}

export type ReaderOptions = {
  readonly filter: LineFilter
  readonly form: Form
  /** Where it begins. */
  readonly place: number
  /** Lines up to this one it has already, from another host that was ahead. */
  readonly after: Cursor | undefined
  readonly missed: Missed | undefined
  readonly nowUs: () => number
}

export const tailReader = (window: TailWindow, sink: TailSink, options: ReaderOptions): TailReader => {
  const { filter, form, nowUs } = options
  let { place, after, missed } = options
  let until: number | undefined
  let isBlocked = false
  let hasEnded = false

  const lose = (more: Missed | undefined): void => {
    if (more === undefined) return
    const { count, sinceUs, isExact } = missed ?? { count: 0, sinceUs: more.sinceUs, isExact: true }
    missed = { count: count + more.count, sinceUs, isExact: isExact && more.isExact, last: more.last }
  }
  const write = (bytes: Uint8Array): void => {
    if (bytes.length > 0 && !sink.write(bytes)) isBlocked = true
  }
  /** Past what it has already. */
  const catchUp = (): void => {
    if (after === undefined) return
    const found = window.behind(after, filter)
    if (found.place >= window.end()) return
    after = undefined
    lose(found.missed)
    place = Math.max(place, found.place)
  }
  /** Whether something could be done. */
  const step = (end: number): boolean => {
    if (isBlocked) return false
    catchUp()
    if (missed !== undefined) {
      const { last, ...loss } = missed
      missed = undefined
      write(told(tailOverflowLine(loss, nowUs()), last)[form])
      return true
    }
    if (after !== undefined || place >= end) return false
    const piece = window.piece(place, end, filter, form)
    if (piece.next === place) {
      lose(window.missed(place, place + 1, filter))
      place += 1
    } else place = piece.next
    write(piece.bytes)
    return true
  }
  const pump = (): void => {
    if (hasEnded) return
    const end = Math.min(until ?? Number.POSITIVE_INFINITY, window.end())
    while (step(end));
    if (until === undefined || missed !== undefined || (place < until && after === undefined)) return
    hasEnded = true
    sink.end()
  }
  return {
    pump,
    ready() {
      isBlocked = false
      pump()
    },
    skip(to) {
      catchUp()
      if (hasEnded || to <= place) return
      const end = Math.min(to, until ?? to)
      if (end > place) lose(window.missed(place, end, filter))
      place = to
    },
    endAt(at) {
      until = Math.min(at, until ?? at)
      pump()
    },
  }
}
