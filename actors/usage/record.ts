/**
 * The usage record: under `usage/<month>/<app id>` what each day of that month cost. Days are only ever
 * added, and one that is there is never changed.
 *
 * It stands in the same store as the formations that count: whatever the store loses of its end, a day that
 * it lost is one that its formation still holds (config/decisions/014-usage.md).
 */
import { checker, is, type Static } from '../../src/runtime/index.ts'
import { dayText, monthOf } from './days.ts'
import { spentRow, type Over } from '../protocols/usage.ts'

const recordShape = is.obj({
  /** As it was called last. */
  appName: is.str,
  /** By date. */
  days: is.map(is.arr(spentRow)),
})
export type UsageRecord = Static<typeof recordShape>

const misfit = checker(recordShape)
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const usagePrefix = (month: string): string => `usage/${month}/`
export const usageKey = (month: string, appId: string): string => usagePrefix(month) + appId

export const encodeUsage = (record: UsageRecord): Uint8Array => encoder.encode(JSON.stringify(record))

/** @throws SyntaxError or RangeError when it is none */
export const decodeUsage = (value: Uint8Array): UsageRecord => {
  const record: unknown = JSON.parse(decoder.decode(value))
  const fault = misfit(record)
  if (fault !== undefined) throw new RangeError(`a usage record's ${fault.path} ${fault.want}`)
  return record as UsageRecord
}

/** Single days by month. */
export const byMonth = (over: readonly Over[]): ReadonlyMap<string, UsageRecord['days']> => {
  const months = new Map<string, UsageRecord['days']>()
  for (const { day: first, days, spent } of over) {
    for (let day = first; day < first + days; day++) {
      const month = monthOf(day)
      const known = months.get(month) ?? {}
      known[dayText(day)] = spent
      months.set(month, known)
    }
  }
  return months
}

/** Undefined: every one of these days is there. */
export const withDays = (
  known: UsageRecord | undefined,
  appName: string,
  days: UsageRecord['days'],
): UsageRecord | undefined => {
  const isThere = Object.keys(days).every((day) => known?.days[day] !== undefined)
  return isThere ? undefined : { appName, days: { ...days, ...known?.days } }
}
