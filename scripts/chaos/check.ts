/**
 * The history checker: reads what clients and observers saw, and says which promises were broken. Pure; knows
 * neither world nor runner.
 */
import { checkBuilds } from './check/builds.ts'
import { checkLines } from './check/lines.ts'
import { checkLives } from './check/lives.ts'
import { checkRequests } from './check/requests.ts'
import { checkWrites } from './check/writes.ts'
import type { Violation } from './check/finding.ts'
import type { History } from './history.ts'
import type { Bounds } from './language.ts'

export type { Rule, Violation } from './check/finding.ts'

export type Verdict = {
  readonly violations: readonly Violation[]
  /** From the first trouble to `serving`; null: never, or nothing to recover from. */
  readonly recoverMs: number | null
  readonly requests: number
  readonly requestsFailed: number
  readonly linesLost: number
  readonly linesCounted: number
  readonly linesInFlight: number
  readonly linesTwice: number
  readonly acksLost: number
}

export const check = (history: History, bounds: Bounds): Verdict => {
  const writes = checkWrites(history)
  const requests = checkRequests(history, bounds)
  const lines = checkLines(history, bounds)
  return {
    violations: [
      ...writes.violations,
      ...checkWaits(history),
      ...checkEnd(history),
      ...checkLives(history, bounds),
      ...requests.violations,
      ...lines.violations,
      ...checkBuilds(history),
    ],
    recoverMs: recoverMs(history),
    requests: requests.requests,
    requestsFailed: requests.failed,
    linesLost: lines.lost,
    linesCounted: lines.counted,
    linesInFlight: lines.inFlight,
    linesTwice: lines.twice,
    acksLost: writes.acksLost,
  }
}

const checkWaits = (history: History): Violation[] =>
  history.waits
    .filter((wait) => wait.heldAt === null)
    .map((wait) => ({
      rule: 'recovery',
      text: `not ${wait.condition} in time (waited from ${Math.round(wait.fromAt)})`,
    }))

const recoverMs = (history: History): number | null => {
  const serving = history.waits.find((wait) => wait.condition === 'serving')
  return serving === undefined || serving.heldAt === null ? null : Math.round(serving.heldAt - serving.fromAt)
}

/** When all is over each wanted slot has one dyno, up, of the newest release, and one process: that one. */
const checkEnd = (history: History): Violation[] =>
  (history.final ?? []).flatMap((final) => {
    const newest = Math.max(...final.releases.map((release) => release.version))
    const live = history.lives.filter((life) => life.app === final.app && life.toAt === null)
    const wanted = Object.entries(final.quantities).flatMap(([type, quantity]) =>
      Array.from({ length: quantity }, (_, at) => `${type}.${at + 1}`),
    )
    const texts = wanted.flatMap((name) => {
      const dyno = final.dynos.find((one) => one.name === name)
      const runs = live.filter((life) => life.dyno === name)
      if (dyno === undefined) return [`${name} is missing`]
      if (dyno.state !== 'up') return [`${name} is ${dyno.state}`]
      if (dyno.releaseVersion !== newest) return [`${name} is of v${dyno.releaseVersion}, not v${newest}`]
      if (runs.length !== 1) return [`${name} has ${runs.length} processes`]
      return runs[0]?.run === dyno.run ? [] : [`${name} is another process than the one on record`]
    })
    const surplus = live
      .filter((life) => !wanted.includes(life.dyno))
      .map((life) => `${life.dyno} runs unasked`)
    return [...texts, ...surplus].map((text) => ({ rule: 'recovery', text: `${final.app} ${text}` }))
  })
