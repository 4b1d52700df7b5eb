/** Days and months of usage: UTC, as Heroku's bills have them. Pure. */

export const dayMs = 24 * 3_600_000

/** Days since the epoch. */
export const dayOf = (at: number): number => Math.floor(at / dayMs)
export const dayStart = (day: number): number => day * dayMs
/** `2026-11-27` */
export const dayText = (day: number): string => new Date(dayStart(day)).toISOString().slice(0, 10)
/** `2026-11` */
export const monthOf = (day: number): string => dayText(day).slice(0, 7)
