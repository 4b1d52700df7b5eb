/**
 * What dynos cost in a month, as of now: days that are on record, and what the formations still hold.
 *
 * Formations are read first: a day that one hands over meanwhile is then seen twice and counted once, never
 * missed.
 */
import { heroku } from '../../config/heroku.ts'
import type { Entry, Store } from '../../src/ports/store.ts'
import { recordKey, unescapeName } from '../../src/runtime/record.ts'
import { formationFormat } from '../formation/kept.ts'
import { unentered } from '../formation/meter.ts'
import type { Formed } from '../formation/record.ts'
import type { AppUsage, EcoUse, Spent, UsageReports } from '../protocols/usage.ts'
import { dayOf, monthOf } from './days.ts'
import { byMonth, decodeUsage, usageKey, usagePrefix, type UsageRecord } from './record.ts'
import { plus } from './spent.ts'

const formationPrefix = recordKey('formation', '')

const eco = 'Eco'

/** @param now wall-clock milliseconds */
export const usageReports = (store: Pick<Store, 'get' | 'list'>, now: () => number): UsageReports => {
  const read = async (appId: string | undefined, key: string, prefix: string): Promise<readonly Entry[]> => {
    if (appId === undefined) return store.list(prefix)
    const entry = await store.get(key)
    return entry === undefined ? [] : [entry]
  }
  const month: UsageReports['month'] = async (which = monthOf(dayOf(now())), appId) => {
    const formations = await read(appId, recordKey('formation', appId ?? ''), formationPrefix)
    const records = await read(appId, usageKey(which, appId ?? ''), usagePrefix(which))
    return { month: which, apps: monthOfAll(formations, records, which, now()) }
  }
  return {
    month,
    eco: async () => {
      const used = (await month(undefined)).apps.map(({ appId, spent }) => ({ appId, usedMs: ecoOf(spent) }))
      const apps = used.filter(({ usedMs }) => usedMs > 0)
      const usedMs = apps.reduce((sum, app) => sum + app.usedMs, 0)
      return { limitMs: heroku.ecoPoolMs, usedMs, apps } satisfies EcoUse
    },
  }
}

const ecoOf = (spent: Spent): number =>
  spent.reduce((sum, [, size, ms]) => (size === eco ? sum + ms : sum), 0)

/** The same from the entries themselves. Pure. */
export const monthOfAll = (
  formations: readonly Entry[],
  records: readonly Entry[],
  month: string,
  now: number,
): readonly AppUsage[] => {
  const open = new Map<string, { readonly appName: string; readonly days: UsageRecord['days'] }>()
  for (const { key, value } of formations) {
    const f = formationFormat.decode(value, key).state as Formed
    const days = byMonth(unentered(f, now)).get(month) ?? {}
    open.set(unescapeName(key.slice(formationPrefix.length)), { appName: f.appName, days })
  }
  const kept = new Map(
    records.map(({ key, value }) => [key.slice(usagePrefix(month).length), decodeUsage(value)]),
  )
  return [...new Set([...open.keys(), ...kept.keys()])].map((appId) => {
    const [formation, record] = [open.get(appId), kept.get(appId)]
    const days = { ...formation?.days, ...record?.days }
    return {
      appId,
      appName: formation?.appName ?? record?.appName ?? '',
      isThere: formation !== undefined,
      spent: Object.values(days).reduce<Spent>((sum, spent) => plus(sum, spent), []),
    }
  })
}
