/**
 * Log sessions: unguessable addresses at which an app's log may be read for a while, without credentials.
 *
 * In memory: a session that is lost with the process answers 404, and the client asks for a new one.
 */
import type { Random } from '../../src/ports/random.ts'

export type LogSession = {
  readonly id: string
  readonly token: string
  readonly appId: string
  readonly lines: number
  readonly tail: boolean
  /** `source`: `app` or `heroku`. `process`: `web.1`, or `web` for all of its dynos. */
  readonly filter: { readonly source?: string; readonly process?: string }
  readonly createdAt: number
}

export type LogSessions = {
  readonly create: (session: Omit<LogSession, 'id' | 'token' | 'createdAt'>) => LogSession
  /** Undefined when it is unknown or over. A reader that comes keeps an unused session from expiring. */
  readonly open: (token: string) => LogSession | undefined
}

const unusedMs = 5 * 60_000
/** The longest a session lasts, used or not; the reader gets a clean end and then a 404. */
export const sessionMsMax = 60 * 60_000
const sessionsMax = 10_000

export const createLogSessions = (random: Random, now: () => number): LogSessions => {
  const sessions = new Map<string, { session: LogSession; used: boolean }>()
  const live = (entry: { session: LogSession; used: boolean }): boolean =>
    now() - entry.session.createdAt < (entry.used ? sessionMsMax : unusedMs)
  /** Oldest first, as a Map keeps them; past the bound the oldest gives way. */
  const sweep = (): void => {
    for (const [token, entry] of sessions) {
      if (!live(entry) || sessions.size >= sessionsMax) sessions.delete(token)
    }
  }
  return {
    create(wanted) {
      sweep()
      const session = { ...wanted, id: random.uuid(), token: random.token(40), createdAt: now() }
      sessions.set(session.token, { session, used: false })
      return session
    },
    open(token) {
      const entry = sessions.get(token)
      if (entry === undefined || !live(entry)) return undefined
      entry.used = true
      return entry.session
    },
  }
}
