/**
 * The router's lines in the apps' logs: collected for a moment, then brought to each app's channel, one batch
 * of an app at a time, until it is stored. While nobody takes them they wait here, bounded: what is too much
 * is dropped, the oldest first, and said in-band, as log-shuttle says it (L12).
 */
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord } from '../../src/proxy/contract.ts'
import type { Deliver } from '../logplex/shuttle.ts'
import type { Line } from '../protocols/channel.ts'

export type AccessLog = {
  add(record: AccessRecord): void
  /** Sends what was collected, for each app that has nothing under way. */
  flush(): void
  /** Lines that are not stored yet. */
  pending(): number
}

const linesPerAppMax = 2_000
const appsMax = 100_000
const batchLinesMax = 500
/** Apps whose lines are on their way at once: each tries again and again while nobody takes them. */
const sendingMax = 2_000
const encoder = new TextEncoder()

type Pending = { readonly lines: Line[]; underWay: number; dropped: number }

/** @param source names this process' life: its batches are numbered from 1 */
export const createAccessLog = (source: string, now: () => number, deliver: Deliver): AccessLog => {
  const apps = new Map<string, Pending>()
  let seq = 0
  let sending = 0
  const line = (text: string): Line => ({
    atUs: Math.round(now() * 1000),
    source: 'heroku',
    process: 'router',
    text: encoder.encode(text),
  })

  const send = (appId: string, own: Pending): void => {
    const batch = own.lines.splice(0, batchLinesMax)
    if (own.dropped > 0) batch.unshift(line(`Error L12: ${own.dropped} messages dropped`))
    own.dropped = 0
    own.underWay = batch.length
    sending++
    void deliver(appId, source, ++seq, batch).then(() => {
      sending--
      own.underWay = 0
      // An app that says more than a batch in a flush's time does not wait for the next one.
      if (own.lines.length >= batchLinesMax) send(appId, own)
      else if (own.lines.length === 0 && own.dropped === 0) apps.delete(appId)
    })
  }

  return {
    add: (record) => {
      if (record.app === null || (apps.size >= appsMax && !apps.has(record.app))) return
      const own = apps.get(record.app) ?? { lines: [], underWay: 0, dropped: 0 }
      apps.set(record.app, own)
      own.lines.push(line(formatAccessLine(record)))
      if (own.lines.length <= linesPerAppMax) return
      own.lines.shift()
      own.dropped++
    },
    flush: () => {
      for (const [appId, own] of apps) {
        if (sending >= sendingMax) return
        if (own.underWay === 0 && own.lines.length + own.dropped > 0) send(appId, own)
      }
    },
    pending: () => [...apps.values()].reduce((sum, own) => sum + own.lines.length + own.underWay, 0),
  }
}
