/** Processes: singletons never twice, no older decision after a newer one, nothing started needlessly. */
import type { History, Life } from '../history.ts'
import type { Bounds } from '../language.ts'
import { repairedAt, troubles, type Violation } from './finding.ts'

const slotsOf = (lives: readonly Life[]): Map<string, Life[]> => {
  const slots = new Map<string, Life[]>()
  for (const life of [...lives].sort((a, b) => a.fromAt - b.fromAt)) {
    const slot = `${life.app} ${life.dyno}`
    slots.set(slot, [...(slots.get(slot) ?? []), life])
  }
  return slots
}

export const checkLives = (history: History, bounds: Bounds): readonly Violation[] => {
  const stale = [...slotsOf(history.lives)].flatMap(([slot, lives]) => staleStarts(history, slot, lives))
  return [...doubles(history), ...stale, ...needless(history, bounds)]
}

/** A machine that stood still stops its singletons within this of going on: no lease can do more. */
const thawMs = 2_000

type Span = { readonly from: number; readonly to: number }

/** When a life could do anything: not while its machine stood still, nor in the moment afterwards. */
const activeSpans = (history: History, life: Life): Span[] => {
  let spans: Span[] = [{ from: life.fromAt, to: life.toAt ?? Infinity }]
  for (const struck of history.faults) {
    if (struck.fault.do !== 'freeze' || !struck.hosts.includes(life.host)) continue
    const still = { from: struck.at, to: repairedAt(history, struck) + thawMs }
    spans = spans.flatMap(({ from, to }) => [
      { from, to: Math.min(to, still.from) },
      { from: Math.max(from, still.to), to },
    ])
  }
  return spans.filter(({ from, to }) => from < to)
}

/** Singletons that ran twice at once. */
export const doubles = (history: History): Violation[] =>
  [...slotsOf(history.lives)].flatMap(([slot, lives]) => doublesOf(history, slot, lives))

const doublesOf = (history: History, slot: string, all: readonly Life[]): Violation[] => {
  const lives = all
    .filter((life) => life.singleton)
    .map((life) => ({ life, spans: activeSpans(history, life) }))
  return lives.flatMap(({ life, spans }, at) =>
    lives.slice(at + 1).flatMap((later) => {
      const both = spans.flatMap((one) =>
        later.spans.map((other) => ({
          from: Math.max(one.from, other.from),
          to: Math.min(one.to, other.to),
        })),
      )
      const span = both.find(({ from, to }) => from < to)
      if (span === undefined) return []
      const text = `${slot} ran twice from ${span.from} to ${span.to}: on ${life.host} and ${later.life.host}`
      return [{ rule: 'epochs' as const, text }]
    }),
  )
}

/**
 * One host heard of the newer decision, and then obeyed the older one. A record that lost its newest writes
 * counts on from an older one, so decisions before and after that are not compared.
 */
const staleStarts = (history: History, slot: string, lives: readonly Life[]): Violation[] =>
  lives.flatMap((life, at) => {
    if (life.epoch === undefined) return []
    const rollbacks = history.faults.filter(
      (struck) => struck.fault.do === 'rollback' && struck.at <= life.fromAt,
    )
    const sinceAt = rollbacks.at(-1)?.at ?? Number.NEGATIVE_INFINITY
    const newer = lives
      .slice(0, at)
      .find(
        (earlier) =>
          earlier.host === life.host && earlier.fromAt >= sinceAt && (earlier.epoch ?? 0) > (life.epoch ?? 0),
      )
    if (newer === undefined) return []
    const text = `${slot} of epoch ${life.epoch} was started on ${life.host} after that of ${newer.epoch}`
    return [{ rule: 'epochs', text }]
  })

const needless = (history: History, bounds: Bounds): Violation[] => {
  const first = troubles(history)[0]
  if (bounds.startsMax === undefined || first === undefined) return []
  const started = history.lives.filter((life) => life.fromAt > first.at).length
  if (started <= bounds.startsMax) return []
  return [
    { rule: 'needless', text: `${started} dynos were started, ${bounds.startsMax} at most were needed` },
  ]
}
