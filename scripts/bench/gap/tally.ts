/** Counts what became of requests, by the change that was going on meanwhile. Pure. */
import type { Outcome } from './load.ts'

/** One change and when it went on, by `performance.now`. */
export type Span = { readonly what: string; readonly beganMs: number; readonly endedMs: number }

export type Count = {
  readonly what: string
  readonly changes: number
  readonly requests: number
  readonly lost: readonly Outcome[]
  /** Of quick requests; NaN: there were none. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** What requests are counted under that no change touched: those between changes. */
export const noChange = 'between'

/** A request under way in several spans counts for the one that began last. One count a kind of change. */
export const tally = (outcomes: readonly Outcome[], spans: readonly Span[]): readonly Count[] => {
  const byWhat = new Map<string, Outcome[]>(spans.map(({ what }) => [what, []]))
  byWhat.set(noChange, [])
  const latestFirst = spans.toSorted((a, b) => b.beganMs - a.beganMs)
  for (const outcome of outcomes) {
    const span = latestFirst.find(
      ({ beganMs, endedMs }) => outcome.endedMs >= beganMs && outcome.beganMs <= endedMs,
    )
    byWhat.get(span?.what ?? noChange)?.push(outcome)
  }
  return [...byWhat].map(([what, held]) => ({
    what,
    changes: spans.filter((span) => span.what === what).length,
    ...countOf(held),
  }))
}

/** Of all of them together. */
export const countOf = (outcomes: readonly Outcome[]): Omit<Count, 'what' | 'changes'> => {
  const times = outcomes.filter(({ isQuick }) => isQuick).map(({ beganMs, endedMs }) => endedMs - beganMs)
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  const lost = outcomes.filter((outcome) => outcome.lost !== null)
  return { requests: outcomes.length, lost, p50Ms: at(0.5), p99Ms: at(0.99) }
}
