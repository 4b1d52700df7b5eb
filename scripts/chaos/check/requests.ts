/** Requests: answered by whom they were meant for, and failing only where and while a fault explains it. */
import type { History, RequestOp, Struck } from '../history.ts'
import type { Bounds } from '../language.ts'
import { repairedAt, troubles, type Violation } from './finding.ts'

export type RequestFindings = {
  readonly violations: readonly Violation[]
  readonly requests: number
  readonly failed: number
}

/** One text for each kind of failure of each app says enough. */
const textsMax = 5

export const checkRequests = (history: History, bounds: Bounds): RequestFindings => {
  const requests = history.ops.filter((op) => op.kind === 'request')
  const failed = requests.filter((op) => op.outcome !== 'ok')
  const harmful = troubles(history)
  const unexplained = failed.filter(
    (op) => bounds.detectionMs === 0 || !harmful.some((struck) => explains(history, bounds, struck, op)),
  )
  const texts = unexplained.map((op) => {
    const when = op.returnedAt === null ? 'never answered' : `failed at ${Math.round(op.returnedAt)}`
    const what = `${op.app} through ${op.via ?? 'no router'}: ${op.error ?? op.status ?? 'no answer'}`
    return `${what}, asked at ${Math.round(op.invokedAt)}, ${when}`
  })
  const more = texts.length > textsMax ? [`and ${texts.length - textsMax} more requests failed`] : []
  return {
    requests: requests.length,
    failed: failed.length,
    violations: [
      ...wrongAnswers(history, requests),
      ...[...texts.slice(0, textsMax), ...more].map((text) => ({ rule: 'requests' as const, text })),
    ],
  }
}

/** It was on its way while the fault was not yet known of, and touched a host that it hit. */
const explains = (history: History, bounds: Bounds, struck: Struck, op: RequestOp): boolean => {
  const hurtUntil = bounds.hurtsUntilRepaired === true ? repairedAt(history, struck) : struck.at
  const inTime = op.invokedAt <= hurtUntil + bounds.detectionMs && (op.returnedAt ?? Infinity) >= struck.at
  if (!inTime) return false
  if (op.via === undefined || struck.hosts.includes(op.via)) return true
  return history.lives.some(
    (life) =>
      life.app === op.app &&
      struck.hosts.includes(life.host) &&
      life.fromAt <= hurtUntil + bounds.detectionMs &&
      (life.goneAt ?? life.toAt ?? Infinity) >= struck.at,
  )
}

const wrongAnswers = (history: History, requests: readonly RequestOp[]): Violation[] => {
  const lives = new Map(history.lives.map((life) => [life.run, life]))
  const texts = requests.flatMap((op) => {
    if (op.outcome !== 'ok' || op.answered === undefined) return []
    const { app, dyno, life: run } = op.answered
    if (app !== op.app) return [`${op.app} was asked, ${app} answered (${dyno})`]
    const life = lives.get(run)
    // Observers see a process a little later than it begins; what matters is that it had not ended.
    const goneAt = life?.goneAt ?? life?.toAt ?? Infinity
    const over = goneAt < op.invokedAt
    return over ? [`${op.app} was answered by ${dyno} of a life that had ended`] : []
  })
  return texts.slice(0, textsMax).map((text) => ({ rule: 'wrong-answer', text }))
}
