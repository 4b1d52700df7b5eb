/**
 * What a user reads of the apps' logs, who has `heroku logs --tail` open: history, then live, through any API
 * that answers, and through another one when no line has come for a while.
 *
 * Each goes on behind the last whole event of the one before, as an EventSource does, and is told what the
 * history has lost since (L11). So nothing is missing here that was not told, however many lines come in a
 * second.
 */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { ApiClient } from '../../../src/client/client.ts'
import type { LogEvent } from '../history.ts'

/** How a world's hosts are reached for their logs. */
export type LogReach = {
  /** Hosts whose API can be asked now. */
  readonly hosts: () => readonly string[]
  readonly api: (host: string) => ApiClient
  /** What does not end by itself, as it comes. Rejects when there is no answer. */
  readonly listen: (
    host: string,
    path: string,
    headers: Readonly<Record<string, string>>,
  ) => Promise<Readable>
}

export type LogSink = {
  readonly events: () => readonly LogEvent[]
  /** Resolves when nothing new has come for a while. */
  readonly quiet: () => Promise<void>
  readonly close: () => void
}

const historyLines = 1_500
/** Tickers say several lines a second. */
const silentMsMax = 3_000
const lookMs = 500
const quietMs = 6_000
const quietMsMax = 30_000
const linePattern = /app\[[\w.]+\]: chaos life=(\S+) n=(\d+)$/
const routerPattern = / heroku\[router\]: .* request_id=(\S+) /
const lossPattern = /Error (L1[0-5])[^:]*(?:: | session dropped (?:at most )?)(\d+) messages/

export const openLogSink = (apps: readonly string[], reach: LogReach, now: () => number): LogSink => {
  const events = new Map<string, LogEvent>()
  let newestAt = now()
  const add = (key: string, event: LogEvent): void => {
    if (events.has(key)) return
    events.set(key, event)
    newestAt = now()
  }
  // A line that tails show twice is the same event; one that is stored twice is another.
  const take = (app: string, line: string, id: string): void => {
    const [, life, n] = linePattern.exec(line) ?? []
    const at = now()
    if (life !== undefined) return add(`${id} ${life} ${n}`, { app, at, life, n: Number(n) })
    const [, requestId] = routerPattern.exec(line) ?? []
    if (requestId !== undefined) return add(`${id} ${requestId}`, { app, at, requestId })
    const [, code, lost] = lossPattern.exec(line) ?? []
    if (code !== undefined) add(`${app} ${line}`, { app, at, lost: Number(lost), code })
    else add(`${app} ${id}`, { app, at, other: true })
  }
  const tails = apps.map((app) => keepTail(app, reach, (line, id) => take(app, line, id)))
  return {
    events: () => [...events.values()],
    quiet: async () => {
      const from = now()
      while (now() - Math.max(newestAt, from) < quietMs && now() - from < quietMsMax) await pause(lookMs)
    },
    close: () => {
      for (const tail of tails) tail.close()
    },
  }
}

/** A tail that is open for as long as any API gives one. */
const keepTail = (
  app: string,
  reach: LogReach,
  onLine: (line: string, id: string) => void,
): { readonly close: () => void } => {
  const life = new AbortController()
  let current: Readable | undefined
  let heardMs = performance.now()
  let turn = 0
  let lastId: string | undefined

  const open = async (): Promise<Readable | undefined> => {
    const hosts = reach.hosts()
    const host = hosts[turn++ % Math.max(1, hosts.length)]
    if (host === undefined) return undefined
    try {
      const wanted = { params: { app }, body: { lines: historyLines, tail: true } }
      const { logplex_url: url } = await reach.api(host).call('log-sessions.create', wanted)
      return await reach.listen(host, new URL(url).pathname, {
        accept: 'text/event-stream',
        ...(lastId !== undefined && { 'last-event-id': lastId }),
      })
    } catch {
      // It is away, or cannot now: the next one is asked.
      return undefined
    }
  }
  const read = (answer: Readable): void => {
    const lines = createInterface({ input: answer, crlfDelay: Infinity })
    let id: string | undefined
    lines.on('line', (line) => {
      // What is still in one that is given up comes again.
      if (current !== answer) return
      if (line === '') lastId = id ?? lastId
      const [, field, value = ''] = /^(id|data): (.*)$/.exec(line) ?? []
      // A comment says no more than that it is there.
      if (field === undefined) return
      heardMs = performance.now()
      if (field === 'id') id = value
      else onLine(value, id ?? '')
    })
    const end = (): void => {
      if (current === answer) current = undefined
    }
    answer.on('error', end)
    answer.on('close', end)
    // Readline hands on what its input fails with.
    lines.on('error', end)
  }
  const loop = async (): Promise<void> => {
    while (!life.signal.aborted) {
      if (current === undefined || performance.now() - heardMs > silentMsMax) {
        current?.destroy()
        current = undefined
        const next = await open()
        if (life.signal.aborted) next?.destroy()
        else if (next !== undefined) {
          current = next
          heardMs = performance.now()
          read(next)
        }
      }
      await pause(lookMs)
    }
  }
  void loop()
  return {
    close: () => {
      life.abort()
      current?.destroy()
      current = undefined
    },
  }
}
