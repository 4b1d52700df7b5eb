/**
 * What users would read of the apps' logs: each app's history, asked again and again through any API that
 * answers. It holds 1,500 lines, so a look every few seconds misses none that is there.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { text as wholeText } from 'node:stream/consumers'
import type { LogEvent } from '../../history.ts'
import type { Cluster } from './cluster.ts'

export type LogSink = {
  readonly events: () => readonly LogEvent[]
  /** Looks until nothing new has come for a while. */
  readonly quiet: () => Promise<void>
  readonly close: () => void
}

const lookMs = 2_000
const quietLooks = 3
const quietLooksMax = 15
const linePattern = /app\[[\w.]+\]: chaos life=(\S+) n=(\d+)$/
const lossPattern = /Error (L1[0-5])[^:]*: (\d+) messages dropped/

export const openLogSink = (
  cluster: Cluster,
  apps: readonly string[],
  reachable: () => readonly string[],
  now: () => number,
): LogSink => {
  const events = new Map<string, LogEvent>()
  const life = new AbortController()
  const take = (app: string, line: string): void => {
    const [, life, n] = linePattern.exec(line) ?? []
    const at = now()
    if (life !== undefined) {
      const key = `${life} ${n}`
      if (!events.has(key)) events.set(key, { app, at, life, n: Number(n) })
      return
    }
    const [, code, lost] = lossPattern.exec(line) ?? []
    if (code !== undefined && !events.has(line)) events.set(line, { app, at, lost: Number(lost), code })
  }
  const look = async (app: string): Promise<void> => {
    for (const name of reachable().filter((one) => cluster.control.includes(one))) {
      const host = cluster.host(name)
      if (!host.isUp()) continue
      try {
        const body = { lines: 1_500, tail: false }
        const made = await host.api({
          method: 'POST',
          path: `/apps/${app}/log-sessions`,
          body,
          timeoutMs: 5_000,
        })
        if (made.status !== 201) continue
        const { logplex_url: url } = JSON.parse(made.body) as { readonly logplex_url: string }
        const answer = await host.listen(new URL(url).pathname)
        for (const line of (await wholeText(answer)).split('\n')) take(app, line)
        return
      } catch {
        // It is away: the next one is asked, or the same in the next round.
      }
    }
  }
  const lookAll = async (): Promise<void> => {
    for (const app of apps) await look(app)
  }
  const loop = async (): Promise<void> => {
    while (!life.signal.aborted) {
      await lookAll()
      await pause(lookMs)
    }
  }
  void loop()
  return {
    events: () => [...events.values()],
    quiet: async () => {
      for (let same = 0, looks = 0; same < quietLooks && looks < quietLooksMax; looks++) {
        const before = events.size
        await pause(lookMs)
        await lookAll()
        same = events.size === before ? same + 1 : 0
      }
    },
    close: () => {
      life.abort()
    },
  }
}
