/**
 * Load of which nothing may be lost: clients that keep their connections and clients that open one for every
 * request, GETs and POSTs, and always some requests that are under way for seconds.
 */
import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Said } from './app.ts'
import { exchange, type Ask } from './exchange.ts'

/** What became of one request. Times are of `performance.now`. */
export type Outcome = {
  readonly client: string
  readonly beganMs: number
  readonly endedMs: number
  /** Its time is the router's and the platform's, not the app's own slowness. */
  readonly isQuick: boolean
  /** In words; null: answered, whole and right. */
  readonly lost: string | null
}
export type Load = {
  /** All requests that are over. */
  readonly outcomes: readonly Outcome[]
  /** The newest release that answered. */
  readonly newest: () => number
  /** Resolves when the last request is over. */
  readonly stop: () => Promise<void>
}

type Client = Pick<Ask, 'path' | 'bytes' | 'isSlow'> & { readonly name: string; readonly isKept: boolean }

const everyMs = 20
const quick = { path: 'quick', bytes: 0, isSlow: false } as const
const clients: readonly Client[] = [
  { ...quick, name: 'GET, kept connection', isKept: true },
  { ...quick, name: 'GET, kept connection', isKept: true },
  { ...quick, name: 'GET, new connection', isKept: false },
  { ...quick, name: 'POST, kept connection', isKept: true, bytes: 20_000 },
  { ...quick, name: 'POST, kept connection', isKept: true, bytes: 200 },
  { ...quick, name: 'POST, new connection', isKept: false, bytes: 20_000 },
  { ...quick, name: 'slow answer', isKept: true, path: 'slow' },
  { ...quick, name: 'slow answer to a POST', isKept: true, path: 'slow', bytes: 200 },
  { ...quick, name: 'slow upload', isKept: true, bytes: 64_000, isSlow: true },
  { ...quick, name: 'streamed answer', isKept: true, path: 'stream' },
  { ...quick, name: 'streamed answer, new connection', isKept: false, path: 'stream' },
]

export const startLoad = (port: number, host: string): Load => {
  const agent = new Agent({ keepAlive: true })
  const outcomes: Outcome[] = []
  const over = new AbortController()
  let newest = 0

  const heard = ({ release }: Said): null => {
    newest = Math.max(newest, release)
    return null
  }
  const once = async ({ name, isKept, ...ask }: Client): Promise<void> => {
    const beganMs = performance.now()
    const lost = await exchange({ port, host, ...ask, agent: isKept && agent }).then(heard, wordsOf)
    const isQuick = ask.path === 'quick' && !ask.isSlow
    outcomes.push({ client: name, beganMs, endedMs: performance.now(), isQuick, lost })
  }
  const running = clients.map(async (client) => {
    while (!over.signal.aborted) {
      await once(client)
      await pause(everyMs)
    }
  })
  return {
    outcomes,
    newest: () => newest,
    stop: async () => {
      over.abort()
      await Promise.all(running)
      agent.destroy()
    },
  }
}

const wordsOf = ({ message, code }: NodeJS.ErrnoException): string =>
  code === undefined ? message : `${code} ${message}`
