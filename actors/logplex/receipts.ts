/**
 * Receipts: who is to be told once their lines are stored. Pure.
 *
 * Lines are counted as they come in and as they are settled (stored, or dropped and reported), both in order;
 * a caller is answered when everything up to its own last line is settled. A source's repeat is known by its
 * number.
 */
import type { Caller } from '../../src/runtime/index.ts'

export type Receipts = {
  /** Lines that came in. */
  readonly accepted: number
  /** Lines that are settled. */
  readonly settled: number
  readonly waiting: readonly { readonly caller: Caller; readonly at: number }[]
  /** By source: its newest number, and the count at which its last line stands. Oldest source first. */
  readonly sources: ReadonlyMap<string, { readonly seq: number; readonly at: number }>
}

const sourcesMax = 1_000

export const noReceipts: Receipts = { accepted: 0, settled: 0, waiting: [], sources: new Map() }

export const isRepeat = (r: Receipts, source: string, seq: number): boolean =>
  seq <= (r.sources.get(source)?.seq ?? -1)

/** Lines that nobody waits for. */
export const countIn = (r: Receipts, lines: number): Receipts => ({ ...r, accepted: r.accepted + lines })

/** Lines of a source that waits. */
export const receive = (
  r: Receipts,
  source: string,
  seq: number,
  lines: number,
  caller: Caller,
): Receipts => {
  const accepted = r.accepted + lines
  const sources = new Map(r.sources)
  sources.delete(source)
  sources.set(source, { seq, at: accepted })
  const [oldest] = sources.keys()
  if (sources.size > sourcesMax && oldest !== undefined) sources.delete(oldest)
  return { ...r, accepted, sources, waiting: [...r.waiting, { caller, at: accepted }] }
}

/** A repeat waits for the first copy's lines. */
export const receiveAgain = (r: Receipts, source: string, caller: Caller): Receipts => ({
  ...r,
  waiting: [...r.waiting, { caller, at: r.sources.get(source)?.at ?? 0 }],
})

/** Settles that many lines, the oldest first. @returns whom to answer */
export const settle = (
  r: Receipts,
  lines: number,
): { readonly receipts: Receipts; readonly answered: readonly Caller[] } => {
  const settled = r.settled + lines
  const answered = r.waiting.filter(({ at }) => at <= settled).map(({ caller }) => caller)
  const waiting = r.waiting.filter(({ at }) => at > settled)
  return { receipts: { ...r, settled, waiting }, answered }
}
