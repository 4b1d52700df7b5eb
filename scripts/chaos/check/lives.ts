/** Processes: singletons never twice, no older decision after a newer one, nothing started needlessly. */
import type { History, Life } from '../history.ts'
import type { Bounds } from '../language.ts'
import { troubles, type Violation } from './finding.ts'

const slotsOf = (lives: readonly Life[]): Map<string, Life[]> => {
  const slots = new Map<string, Life[]>()
  for (const life of [...lives].sort((a, b) => a.fromAt - b.fromAt)) {
    const slot = `${life.app} ${life.dyno}`
    slots.set(slot, [...(slots.get(slot) ?? []), life])
  }
  return slots
}

export const checkLives = (history: History, bounds: Bounds): readonly Violation[] => {
  const perSlot = [...slotsOf(history.lives)].flatMap(([slot, lives]) => [
    ...doubles(slot, lives),
    ...staleStarts(slot, lives),
  ])
  return [...perSlot, ...needless(history, bounds)]
}

const doubles = (slot: string, lives: readonly Life[]): Violation[] =>
  lives
    .filter((life) => life.singleton)
    .flatMap((life, at, all) =>
      all.slice(at + 1).flatMap((later) => {
        const until = Math.min(life.toAt ?? Infinity, later.toAt ?? Infinity)
        if (later.fromAt >= (life.toAt ?? Infinity)) return []
        const text = `${slot} ran twice from ${later.fromAt} to ${until}: on ${life.host} and ${later.host}`
        return [{ rule: 'epochs' as const, text }]
      }),
    )

/** One host heard of the newer decision, and then obeyed the older one. */
const staleStarts = (slot: string, lives: readonly Life[]): Violation[] =>
  lives.flatMap((life, at) => {
    if (life.epoch === undefined) return []
    const newer = lives
      .slice(0, at)
      .find((earlier) => earlier.host === life.host && (earlier.epoch ?? 0) > (life.epoch ?? 0))
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
