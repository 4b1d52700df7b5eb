/** What dynos cost, as it travels and is kept: dyno-milliseconds by process type and dyno size. */
import { is, type Static } from '../../src/runtime/index.ts'

/** Process type, dyno size, milliseconds that dynos of them were there, added up. */
export const spentRow = is.row(is.str, is.str, is.int)
export type Spent = readonly Static<typeof spentRow>[]

/** So many days from one on (UTC, since the epoch), each with what it cost. */
export const overSchema = is.obj({ day: is.int, days: is.int, spent: is.arr(spentRow) })
export type Over = Static<typeof overSchema>

/** What a formation has counted that the usage record does not surely have. */
export const meterSchema = is.obj({
  /** Everything up to then is counted. */
  at: is.int,
  /** Of the day of `at`. */
  today: is.arr(spentRow),
  /** Whole days that are over, oldest first. */
  over: is.arr(overSchema),
})
export type Meter = Static<typeof meterSchema>

export type AppUsage = {
  readonly appId: string
  readonly appName: string
  /** Its formation is there: it was not destroyed. */
  readonly isThere: boolean
  readonly spent: Spent
}

/** The account's pool of Eco dyno hours. */
export type EcoUse = {
  readonly limitMs: number
  readonly usedMs: number
  /** Those that used any. */
  readonly apps: readonly { readonly appId: string; readonly usedMs: number }[]
}

/** As of now. @throws StoreUnavailable */
export type UsageReports = {
  /** @param month `2026-11`; this one when left out. @param appId of every app when left out */
  readonly month: (
    month: string | undefined,
    appId?: string,
  ) => Promise<{ readonly month: string; readonly apps: readonly AppUsage[] }>
  /** This month's. */
  readonly eco: () => Promise<EcoUse>
}
