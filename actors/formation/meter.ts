/**
 * What an app's dynos cost, as dyno-milliseconds: counted in the same write that changes what is billed, so
 * no crash loses or doubles any of it.
 *
 * Heroku bills wall-clock time from one change to the next (spec/dyno.md §1.15): a slot costs from when it
 * appears until it is gone, crashed or not, whatever runs in it; one that sleeps does not, and a one-off from
 * its start to its end. A day that is over waits here until the usage record has it (effects/usage.ts). Time
 * never goes back here: what a wall clock repeats is not counted again. Pure.
 */
import { dayMs, dayOf, dayStart } from '../usage/days.ts'
import type { Meter, Over, Spent } from '../protocols/usage.ts'
import { plus } from '../usage/spent.ts'
import type { Formed, Slot } from './record.ts'

const isBilled = ({ oneOff, state, run }: Slot): boolean => {
  if (oneOff === null) return state !== 'idle'
  return state !== 'complete' && run !== null && run.phase !== 'placing'
}

/** What one millisecond costs. */
const rateOf = (f: Pick<Formed, 'slots'> | null): Spent =>
  plus(
    [],
    (f?.slots ?? []).filter(isBilled).map(({ type, size }) => [type, size, 1]),
  )

const times = (rate: Spent, ms: number): Spent => rate.map(([type, size, count]) => [type, size, count * ms])

/** Counted on to `now`; days that ended on the way are over. */
const countTo = (meter: Meter, rate: Spent, now: number): Meter => {
  const [from, to] = [meter.at, Math.max(meter.at, now)]
  const [first, last] = [dayOf(from), dayOf(to)]
  if (first === last) return { ...meter, at: to, today: plus(meter.today, times(rate, to - from)) }
  const over = [
    { day: first, days: 1, spent: plus(meter.today, times(rate, dayStart(first + 1) - from)) },
    { day: first + 1, days: last - first - 1, spent: plus([], times(rate, dayMs)) },
  ].filter(({ days, spent }) => days > 0 && spent.length > 0)
  const today = plus([], times(rate, to - dayStart(last)))
  return { at: to, today, over: [...meter.over, ...over] }
}

const begun = (now: number): Meter => ({ at: now, today: [], over: [] })

/** The record that follows one, with everything until now counted; as it is while nothing else is billed. */
export const metered = (before: Formed | null, after: Formed, now: number): Formed => {
  if (before?.slots === after.slots && before.destroying === after.destroying) return after
  const [rate, next] = [rateOf(before), rateOf(after)]
  const known = after.meter ?? begun(now)
  const isLast = after.destroying && next.length === 0 && known.today.length > 0
  const isNew = after.meter === undefined && next.length > 0
  if (!isNew && !isLast && isSame(rate, next) && dayOf(now) <= dayOf(known.at)) return after
  const counted = countTo(known, rate, now)
  return { ...after, meter: after.destroying && next.length === 0 ? closed(counted) : counted }
}

/** Of an app that is going: its last day is over now. */
const closed = ({ at, today, over }: Meter): Meter =>
  today.length === 0
    ? { at, today, over }
    : { at, today: [], over: [...over, { day: dayOf(at), days: 1, spent: [...today] }] }

const isSame = (a: Spent, b: Spent): boolean =>
  a.length === b.length &&
  a.every(([type, size, count]) =>
    b.some((other) => other[0] === type && other[1] === size && other[2] === count),
  )

/** Of a record of before anything was counted: counted from now on. */
export const meteredFrom = (f: Formed, now: number): Formed =>
  f.meter === undefined && f.slots.some(isBilled) ? { ...f, meter: begun(now) } : f

/** The usage record has everything up to this day. */
export const entered = (f: Formed, through: number): Formed => {
  if (f.meter === undefined) return f
  const over = f.meter.over.filter(({ day, days }) => day + days - 1 > through)
  return over.length === f.meter.over.length ? f : { ...f, meter: { ...f.meter, over } }
}

/** The last day that waits for the usage record; undefined: none does. */
export const lastOver = (f: Formed): number | undefined => {
  const last = f.meter?.over.at(-1)
  return last && last.day + last.days - 1
}

/** Everything that the usage record does not surely have, as of now: the last day is still open. */
export const unentered = (f: Formed, now: number): readonly Over[] => {
  if (f.meter === undefined) return []
  const { at, today, over } = countTo(f.meter, rateOf(f), now)
  // The last day of an app that is going is over, and empty here.
  return today.length === 0 ? over : [...over, { day: dayOf(at), days: 1, spent: today }]
}
