/**
 * Tail: `GET /logs/<token>`, a log session as Server-Sent Events or as plain text, whichever the client
 * accepts.
 *
 * A client that reconnects says the last event it has, and goes on after it. An end is always a clean one,
 * because the stock client takes a reset for a failure: after it, it comes back, and ends with its own words
 * once the session is over (404). One that takes nothing for minutes is let go of the same way, so that it
 * may come back too.
 */
import type { ServerResponse } from 'node:http'
import type { Clock, Timer } from '../../../src/ports/clock.ts'
import { sessionMsMax, type LogSession, type LogSessions } from '../log-sessions.ts'
import { sayText, type Mount } from './mount.ts'

/** What actors/logplex gives: history, then live lines without gap or double. */
export type Tails = {
  readonly open: (
    wanted: Pick<LogSession, 'appId' | 'lines' | 'tail' | 'filter'> & {
      readonly form: 'events' | 'text'
      readonly lastId?: string | undefined
    },
    /** `write` answers false: no more until `ready` is called. */
    sink: { readonly write: (bytes: Uint8Array) => boolean; readonly end: () => void },
  ) => { readonly ready: () => void; readonly finish: () => void; readonly close: () => void }
}

const path = /^\/logs\/([A-Za-z0-9_-]{16,4096}\.[A-Za-z0-9_-]{43})$/
// Twice that is below the 300 s that the client's own fetch waits for a byte, and proxies' usual minute.
const heartbeatMs = 20_000
/** Nothing of a piece was taken for so long: the reader is let go of; and after as much again cut off. */
const deadMs = 5 * 60_000
/** How soon a client comes back after an end. */
const retryMs = 1_000
/** The same after the end of this host: it may be back by then, and a client that finds nobody gives up. */
const retryAfterStopMs = 30_000
const retryWhenFull = 10

type Reader = {
  /** Every so often: what is to be said, and whether it is to go. */
  readonly beat: () => void
  /** Ends cleanly, as this host ends. */
  readonly stop: () => void
}

/** With `close`, which ends every stream cleanly: their clients come back on their own. */
export const tailMount = (
  sessions: LogSessions,
  tails: Tails,
  clock: Clock,
): Mount & { readonly close: () => void } => {
  const readers = new Set<Reader>()
  let timer: Timer | undefined
  const beat = (): void => {
    timer = readers.size === 0 ? undefined : clock.after(heartbeatMs, beat)
    for (const reader of readers) reader.beat()
  }
  const at: Mount['at'] = (method, pathname) => {
    const token = path.exec(pathname)?.[1]
    if (token === undefined || method !== 'GET') return undefined
    return (req, res) => {
      const lastId = req.headers['last-event-id']
      const session = sessions.open(token, lastId !== undefined)
      if (session === undefined) {
        sayText(res, 404, 'Log session not found or expired.\n')
        return
      }
      const place = sessions.enter()
      if (place === undefined) {
        const text = 'Too many readers of logs on this host. Please try again later.\n'
        sayText(res, 503, text, { 'retry-after': String(retryWhenFull) })
        return
      }
      const form = /\btext\/event-stream\b/.test(req.headers.accept ?? '') ? 'events' : 'text'
      const reader = send(res, session, { form, lastId: lastId?.toString(), clock }, tails)
      readers.add(reader)
      res.once('close', () => {
        readers.delete(reader)
        place.leave()
      })
      timer ??= clock.after(heartbeatMs, beat)
    }
  }
  return {
    at,
    close() {
      timer?.cancel()
      for (const reader of readers) reader.stop()
    },
  }
}

type Options = {
  readonly form: 'events' | 'text'
  readonly lastId: string | undefined
  readonly clock: Clock
}

const send = (
  res: ServerResponse,
  session: LogSession,
  { form, lastId, clock }: Options,
  tails: Tails,
): Reader => {
  const isEvents = form === 'events'
  /** Since when it waits for the reader. */
  let blockedAt: number | undefined
  let hasSpoken = true
  const write = (bytes: Uint8Array | string): boolean => {
    if (res.writableEnded || res.destroyed) return false
    hasSpoken = true
    if (res.write(bytes)) return true
    blockedAt ??= clock.now()
    return false
  }
  const comeBackAfter = (ms: number): void => void (isEvents && write(`retry: ${ms}\n\n`))

  res.writeHead(200, {
    'content-type': isEvents ? 'text/event-stream; charset=utf-8' : 'text/plain; charset=utf-8',
    'cache-control': 'no-cache',
  })
  res.flushHeaders()
  comeBackAfter(retryMs)
  const { appId, lines, filter } = session
  const tail = tails.open(
    { appId, lines, filter, tail: session.tail, form, lastId },
    { write, end: () => void res.end() },
  )
  res.on('drain', () => {
    blockedAt = undefined
    tail.ready()
  })
  res.once('close', () => tail.close())
  return {
    beat() {
      const now = clock.now()
      const deadForMs = blockedAt === undefined ? 0 : now - blockedAt
      if (deadForMs >= 2 * deadMs) res.destroy()
      else if (deadForMs >= deadMs) {
        tail.close()
        res.end()
      } else if (now - session.createdAt >= sessionMsMax) tail.finish()
      else if (isEvents && !hasSpoken && blockedAt === undefined) write(':\n\n')
      hasSpoken = false
    },
    stop() {
      comeBackAfter(retryAfterStopMs)
      tail.finish()
    },
  }
}
