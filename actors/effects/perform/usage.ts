/** Performs Usage over the store that holds the formations' own records. */
import type { Effects } from '../../../src/ports/effects.ts'
import { StoreConflict, type Store } from '../../../src/ports/store.ts'
import {
  byMonth,
  decodeUsage,
  encodeUsage,
  usageKey,
  withDays,
  type UsageRecord,
} from '../../usage/record.ts'
import { usageReports } from '../../usage/report.ts'
import type { Over } from '../../protocols/usage.ts'
import type { EcoQuota } from '../usage.ts'
import { asEffectFailure } from './names.ts'

/** One app's months are entered by its formation alone: whoever else was first is an earlier life of it. */
const triesMax = 4
/** Reading every app is much for each that asks. */
const quotaKeptMs = 10_000

/** @param now wall-clock milliseconds */
export const performUsage = (store: Store, now: () => number): Effects => {
  const reports = usageReports(store, now)
  let asked: { readonly at: number; readonly quota: Promise<EcoQuota> } | undefined

  const enter = async (key: string, appName: string, days: UsageRecord['days']): Promise<void> => {
    for (let tries = 1; ; tries++) {
      const entry = await store.get(key)
      const next = withDays(entry && decodeUsage(entry.value), appName, days)
      if (next === undefined) return
      try {
        const bytes = encodeUsage(next)
        await (entry === undefined ? store.create(key, bytes) : store.update(key, bytes, entry.revision))
        return
      } catch (error) {
        if (!(error instanceof StoreConflict) || tries === triesMax) throw error
      }
    }
  }
  const quotaNow = async (): Promise<EcoQuota> => {
    const { limitMs, usedMs } = await reports.eco()
    return { limitMs, usedMs, leftMs: Math.max(0, limitMs - usedMs) }
  }

  return {
    'usage.enter': async (m: { appId: string; appName: string; over: readonly Over[] }) => {
      try {
        for (const [month, days] of byMonth(m.over)) await enter(usageKey(month, m.appId), m.appName, days)
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
    'usage.quota': async () => {
      const at = now()
      // A wall clock that went back makes no answer last longer.
      if (asked === undefined || Math.abs(at - asked.at) > quotaKeptMs) asked = { at, quota: quotaNow() }
      const own = asked
      try {
        return await own.quota
      } catch (error) {
        if (asked === own) asked = undefined
        throw asEffectFailure(error)
      }
    },
  }
}
