/** What the checker's rules share: a broken promise, and where faults lie in time. */
import type { History, Struck } from '../history.ts'
import { repairs } from '../language.ts'

export const rules = [
  /** An acknowledged write is gone, or took effect out of order. */
  'acks',
  /** Release versions have a gap or come twice. */
  'versions',
  /** A wanted dyno is not up within its bound, or something runs that nobody wants. */
  'recovery',
  /** Two lives of a singleton at once, or a life that an older decision started after a newer one. */
  'epochs',
  /** Another app, or an older life, answered. */
  'wrong-answer',
  /** A request failed that no fault explains. */
  'requests',
  /** A line was neither delivered nor counted. */
  'lines',
  /** A build's sender was told other than what became of it, or nobody ever ends it. */
  'builds',
  /** More was started than the faults asked for. */
  'needless',
] as const
export type Rule = (typeof rules)[number]
export type Violation = { readonly rule: Rule; readonly text: string }

/** Faults that make trouble, without those that repair it. */
export const troubles = (history: History): readonly Struck[] =>
  history.faults.filter((struck) => !repairs.has(struck.fault.do))

/** When trouble on these hosts was repaired: the first repair afterwards that names one of them, or all. */
export const repairedAt = (history: History, trouble: Struck): number => {
  const repair = history.faults.find(
    (struck) =>
      struck.at >= trouble.at &&
      repairs.has(struck.fault.do) &&
      (struck.fault.do === 'mend' || struck.hosts.some((host) => trouble.hosts.includes(host))),
  )
  return repair?.at ?? Infinity
}

/** Whether a write acknowledged then may be gone: it was among those that a rollback undid. */
export const undone = (history: History, invokedAt: number, returnedAt: number | null): boolean =>
  history.faults.some(
    ({ at, fault }) =>
      fault.do === 'rollback' && (returnedAt ?? Infinity) >= at - fault.undoneMs && invokedAt <= at,
  )
