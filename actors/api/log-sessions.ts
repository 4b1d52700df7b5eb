/**
 * Log sessions: addresses at which an app's log may be read for a while, without credentials.
 *
 * All that a session is stands in its address, signed, so any control host serves it, also one that has just
 * started; nothing is kept but which ones were used here lately, and how many readers there are.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Random } from '../../src/ports/random.ts'
import { ApiError } from './errors.ts'

export type LogSession = {
  readonly id: string
  readonly appId: string
  readonly lines: number
  readonly tail: boolean
  /** `source`: `app` or `heroku`. `process`: `web.1`, or `web` for all of its dynos. */
  readonly filter: { readonly source?: string; readonly process?: string }
  readonly createdAt: number
}

export type LogSessions = {
  /** @throws ApiError when this host has no room for one more reader */
  readonly create: (session: Omit<LogSession, 'id' | 'createdAt'>) => LogSession & { readonly token: string }
  /**
   * Undefined when it is none, or over. A reader that comes keeps an unused session from expiring.
   * @param resumes the reader says what it has already
   */
  readonly open: (token: string, resumes: boolean) => LogSession | undefined
  /** One more reader, until it leaves; undefined: there are too many. */
  readonly enter: () => { readonly leave: () => void } | undefined
}

/** Heroku's times: about 5 min until it is used, about an hour then. */
const unusedMs = 5 * 60_000
/** The longest a session lasts, used or not; the reader gets a clean end and then a 404. */
export const sessionMsMax = 60 * 60_000
/** Half of the connections that the API has. */
const readersMaxDefault = 2_000
const usedMax = 10_000

/** @param keys the first signs; what any of them signed holds */
export const createLogSessions = (
  keys: () => readonly Uint8Array[],
  random: Random,
  now: () => number,
  readersMax = readersMaxDefault,
): LogSessions => {
  /** Ids of sessions that were used here, oldest first. */
  const used = new Set<string>()
  let readers = 0
  const sign = (payload: string): readonly Buffer[] =>
    keys().map((key) => createHmac('sha256', key).update(`log session\0${payload}`).digest())
  return {
    create(wanted) {
      if (readers >= readersMax)
        throw new ApiError(
          'service_unavailable',
          `This host has ${readersMax} readers of logs, which is all it takes. Please try again later.`,
        )
      const session = { ...wanted, id: random.uuid(), createdAt: now() }
      const payload = Buffer.from(JSON.stringify(session)).toString('base64url')
      return { ...session, token: `${payload}.${sign(payload)[0]?.toString('base64url') ?? ''}` }
    },
    open(token, resumes) {
      const [payload = '', signature = ''] = token.split('.')
      const given = Buffer.from(signature, 'base64url')
      const isSigned = sign(payload).some(
        (right) => given.length === right.length && timingSafeEqual(given, right),
      )
      if (!isSigned) return undefined
      const session = JSON.parse(Buffer.from(payload, 'base64url').toString()) as LogSession
      const { id, createdAt } = session
      const lastsMs = resumes || used.has(id) ? sessionMsMax : unusedMs
      if (now() - createdAt >= lastsMs) return undefined
      used.add(id)
      const [oldest] = used
      if (used.size > usedMax && oldest !== undefined) used.delete(oldest)
      return session
    },
    enter() {
      if (readers >= readersMax) return undefined
      readers += 1
      return { leave: () => void (readers -= 1) }
    },
  }
}
