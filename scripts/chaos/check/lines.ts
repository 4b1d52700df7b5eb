/**
 * Log lines: each is delivered, or counted as lost in the log itself, or was in the pipe of a hit machine.
 */
import type { History } from '../history.ts'
import type { Bounds } from '../language.ts'
import { troubles, type Violation } from './finding.ts'

export type LineFindings = {
  readonly violations: readonly Violation[]
  /** Said, and neither delivered nor counted. */
  readonly lost: number
  /** Said to be lost, in the log. */
  readonly counted: number
}

export const checkLines = (history: History, bounds: Bounds): LineFindings => {
  const hit = new Set(troubles(history).flatMap((struck) => struck.hosts))
  const delivered = new Map<string, Set<number>>()
  const counted = new Map<string, number>()
  for (const event of history.log) {
    if ('lost' in event) counted.set(event.app, (counted.get(event.app) ?? 0) + event.lost)
    else delivered.set(event.life, (delivered.get(event.life) ?? new Set()).add(event.n))
  }
  const apps = [...new Set(history.said.map((said) => said.app))]
  let lost = 0
  const texts = apps.flatMap((app) => {
    let missing = 0
    let allowed = counted.get(app) ?? 0
    for (const { life, lines, host } of history.said.filter((said) => said.app === app)) {
      const got = [...(delivered.get(life) ?? [])].filter((n) => n < lines).length
      missing += lines - got
      if (hit.has(host)) allowed += bounds.linesInFlightMax ?? 0
    }
    lost += Math.max(0, missing - (counted.get(app) ?? 0))
    return missing > allowed ? [`${app}: ${missing} lines are missing, ${allowed} are accounted for`] : []
  })
  return {
    violations: texts.map((text) => ({ rule: 'lines', text })),
    lost,
    counted: [...counted.values()].reduce((sum, one) => sum + one, 0),
  }
}
