/**
 * When a process that ended by itself is started again (spec/dyno.md §1.5; Dev Center "Dyno crash restart
 * policy").
 *
 * The first crash restarts at once, the next ones cool off for a random time under a growing bound. Pure.
 */
import { heroku } from '../../config/heroku.ts'

export type Crash = {
  /** Crashes in a row before this one. */
  readonly before: number
  /** How long it had been up; 0 when it never was. */
  readonly upMs: number
  /** R-code when the platform ended it or could not start it; null when the process ended by itself. */
  readonly error: string | null
  /** In [0, 1). */
  readonly chance: number
}
export type Verdict = { readonly crashes: number; readonly waitMs: number }

/** Codes that say nothing against the app. */
const platformFaults = new Set(['R17', 'R99'])

export const crashPolicy = ({ before, upMs, error, chance }: Crash): Verdict => {
  if (error !== null && platformFaults.has(error)) {
    const waitMs = upMs > 0 ? 0 : Math.ceil(heroku.platformRetryMs * (0.5 + chance))
    return { crashes: before, waitMs }
  }
  const crashes = (upMs > heroku.steadyMs ? 0 : before) + 1
  if (crashes === 1) return { crashes, waitMs: 0 }
  const bounds = heroku.coolOffMsMax
  return { crashes, waitMs: Math.ceil(bounds[Math.min(crashes - 2, bounds.length - 1)]! * chance) }
}
