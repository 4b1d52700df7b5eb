/**
 * Tail: `GET /logs/<token>`, a log session as Server-Sent Events or as plain text, whichever the client
 * accepts.
 *
 * A client that reconnects says the last event it has, and goes on after it. One that reads too slowly
 * loses lines and is told how many (L11); an end is always a clean one, because the stock client takes a
 * reset for a failure.
 */
import type { ServerResponse } from 'node:http'
import type { Clock } from '../../../src/ports/clock.ts'
import type { Line } from '../../protocols/channel.ts'
import type { LogSession, LogSessions } from '../log-sessions.ts'
import { sessionMsMax } from '../log-sessions.ts'
import { sayText, type Mount } from './mount.ts'

export type TailReader = {
  readonly onLine: (id: number, line: Line) => void
  readonly onEnd: () => void
  /** The history cannot be read now. */
  readonly onFailure: (reason: string) => void
}

/** What actors/logplex gives: history, then live lines without gap or double. */
export type Tails = {
  readonly open: (
    wanted: {
      readonly appId: string
      readonly lines: number
      readonly tail: boolean
      readonly filter: { readonly source?: string; readonly process?: string }
      readonly afterId?: number
    },
    reader: TailReader,
  ) => { readonly close: () => void }
  /** `2026-11-23T02:53:10.425123+00:00 app[web.1]: text` */
  readonly format: (line: Line) => string
}

const path = /^\/logs\/([A-Za-z0-9_-]{16,128})$/
// Below the 300 s that the client's own fetch waits for the next byte, and proxies' usual minute.
const heartbeatMs = 25_000
/** How far a reader of live lines may fall behind; the history before them has its own bound of lines. */
const bufferBytesMax = 1024 * 1024
const historyLinesMax = 1500

/** With `close`, which ends every stream cleanly: their clients come back on their own. */
export const tailMount = (
  sessions: LogSessions,
  tails: Tails,
  clock: Clock,
): Mount & { readonly close: () => void } => {
  const live = new Set<ServerResponse>()
  const at: Mount['at'] = (method, pathname) => {
    const token = path.exec(pathname)?.[1]
    if (token === undefined || method !== 'GET') return undefined
    return (req, res) => {
      const session = sessions.open(token)
      if (session === undefined) {
        sayText(res, 404, 'Log session not found or expired.\n')
        return
      }
      const events = /\btext\/event-stream\b/.test(req.headers.accept ?? '')
      const last = Number(req.headers['last-event-id'])
      const afterId = Number.isSafeInteger(last) && last > 0 ? last : undefined
      live.add(res)
      res.once('close', () => live.delete(res))
      stream(res, session, { events, afterId, endAt: session.createdAt + sessionMsMax, clock }, tails)
    }
  }
  return {
    at,
    close() {
      for (const res of live) res.end()
    },
  }
}

type Options = {
  readonly events: boolean
  readonly afterId: number | undefined
  readonly endAt: number
  readonly clock: Clock
}

const stream = (res: ServerResponse, session: LogSession, options: Options, tails: Tails): void => {
  const { events, afterId, clock } = options
  res.writeHead(200, {
    'content-type': events ? 'text/event-stream; charset=utf-8' : 'text/plain; charset=utf-8',
    'cache-control': 'no-cache',
  })
  res.flushHeaders()
  let dropped = { count: 0, since: 0 }
  let given = 0
  const send = (id: number | undefined, text: string): void => {
    if (res.writableEnded) return
    const head = id === undefined ? '' : `id: ${id}\n`
    res.write(events ? `${head}data: ${text}\n\n` : `${text}\n`)
  }
  const onLine = (id: number, line: Line): void => {
    given += 1
    if (given > historyLinesMax && res.writableLength > bufferBytesMax) {
      if (dropped.count === 0) dropped = { count: 0, since: line.atUs }
      dropped.count += 1
      return
    }
    send(id, tails.format(line))
  }
  const wanted = {
    appId: session.appId,
    lines: session.lines,
    tail: session.tail,
    filter: session.filter,
    ...(afterId === undefined ? {} : { afterId }),
  }
  const onEnd = (): void => void res.end()
  const onFailure = (): void => {
    send(undefined, tails.format(lineOf(unavailable, clock.now())))
    res.end()
  }
  const tail = tails.open(wanted, { onLine, onEnd, onFailure })
  res.on('drain', () => {
    if (dropped.count === 0) return
    send(undefined, tails.format(overflow(dropped, clock.now())))
    dropped = { count: 0, since: 0 }
  })
  let beat = clock.after(heartbeatMs, heartbeat)
  function heartbeat(): void {
    if (clock.now() >= options.endAt) res.end()
    else if (events && !res.writableEnded && res.writableLength === 0) res.write(':\n\n')
    beat = clock.after(heartbeatMs, heartbeat)
  }
  res.once('close', () => {
    beat.cancel()
    tail.close()
  })
}

const unavailable =
  'Error L15 (Tail buffer temporarily unavailable): The tail buffer that holds the last 1500 lines of logs ' +
  'is temporarily unavailable. Run `heroku logs` again.'

const lineOf = (text: string, nowMs: number): Line => ({
  atUs: nowMs * 1000,
  source: 'heroku',
  process: 'logplex',
  text: Buffer.from(text),
})

const overflow = ({ count, since }: { count: number; since: number }, nowMs: number): Line => {
  const sinceText = new Date(since / 1000).toISOString()
  return lineOf(`Error L11 (Tail buffer overflow): ${count} messages dropped since ${sinceText}.`, nowMs)
}
