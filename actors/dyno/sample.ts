/**
 * What a look at a running dyno says: how much memory it uses against its quota, what is logged of that, and
 * how its load develops. Pure (spec/dyno.md §1.7, §1.17).
 *
 * Used is what the kernel cannot take back: resident and swapped pages. The cache is left out of the verdict,
 * for it gives way by itself.
 */
import { memoryBytesOf } from '../../config/dyno-sizes.ts'
import { heroku } from '../../config/heroku.ts'
import type { Run } from '../protocols/shapes.ts'

export type Sample = {
  readonly rssBytes: number
  readonly cacheBytes: number
  readonly swapBytes: number
  /** Pages in and out since it started. */
  readonly pgpgin: number
  readonly pgpgout: number
  /** Tasks that run or wait for a processor. */
  readonly runnable: number
}

/** Averages of runnable tasks over 1, 5 and 15 minutes, as of `at`. */
export type Load = { readonly at: number; readonly averages: readonly [number, number, number] }

const mb = 1024 * 1024
const windowsMs = [60_000, 300_000, 900_000] as const
const windowNames = ['1m', '5m', '15m'] as const

/** `Process running mem=737M(144.0%)` */
export const memoryText = (usedBytes: number, quotaBytes: number): string =>
  `Process running mem=${Math.floor(usedBytes / mb)}M(${((usedBytes / quotaBytes) * 100).toFixed(1)}%)`

export type Verdict = { readonly lines: readonly string[]; readonly isFatal: boolean }

export const quotaText = 'Error R14 (Memory quota exceeded)'
export const killText = 'Error R15 (Memory quota vastly exceeded)'

/** What is said of that much memory; fatal: it must end now. */
export const judge = (size: string, { rssBytes, swapBytes }: Sample): Verdict => {
  const quotaBytes = memoryBytesOf(size)
  const usedBytes = rssBytes + swapBytes
  if (usedBytes <= quotaBytes) return { lines: [], isFatal: false }
  const isFatal = usedBytes > quotaBytes * heroku.memoryKillRatio
  return { lines: [memoryText(usedBytes, quotaBytes), isFatal ? killText : quotaText], isFatal }
}

/** The kernel was quicker than any look at it: it used all that it may. */
export const killedText = (size: string): string => {
  const quotaBytes = memoryBytesOf(size)
  return memoryText(quotaBytes * heroku.memoryKillRatio, quotaBytes)
}

/** Exponential averages, as Heroku computes them. */
export const loadOf = (before: Load | null, startedAt: number, sample: Sample, now: number): Load => {
  const { at, averages } = before ?? { at: startedAt, averages: [0, 0, 0] as const }
  const sinceMs = Math.max(0, now - at)
  const next = (average: number, windowMs: number): number => {
    const kept = Math.exp(-sinceMs / windowMs)
    return (1 - kept) * sample.runnable + kept * average
  }
  const [one, five, fifteen] = averages
  return {
    at: now,
    averages: [next(one, windowsMs[0]), next(five, windowsMs[1]), next(fifteen, windowsMs[2])],
  }
}

/** The two lines of log-runtime-metrics. A window that is longer than the dyno's life says nothing yet. */
export const metricLines = (run: Run, load: Load, ageMs: number, sample: Sample): readonly string[] => {
  const who = `source=${run.name} dyno=heroku.${appNumber(run.appId)}.${run.id}`
  const averages = load.averages.flatMap((average, n) =>
    n > 0 && ageMs < windowsMs[n]! ? [] : [`sample#load_avg_${windowNames[n]}=${average.toFixed(2)}`],
  )
  const { rssBytes, cacheBytes, swapBytes, pgpgin, pgpgout } = sample
  const inMb = (name: string, bytes: number): string => `sample#memory_${name}=${(bytes / mb).toFixed(2)}MB`
  const memory = [
    inMb('total', rssBytes + cacheBytes + swapBytes),
    inMb('rss', rssBytes),
    inMb('cache', cacheBytes),
    inMb('swap', swapBytes),
    `sample#memory_pgpgin=${pgpgin}pages`,
    `sample#memory_pgpgout=${pgpgout}pages`,
    inMb('quota', memoryBytesOf(run.size)),
  ]
  return [`${who} ${averages.join(' ')}`, `${who} ${memory.join(' ')}`]
}

/** Heroku's apps have a number, and parsers of these lines want one: it follows from the id. */
const appNumber = (appId: string): number => Number.parseInt(appId.replaceAll('-', '').slice(0, 7), 16) || 0
