/**
 * The router's lines in the apps' logs: collected for a moment, then brought to each app's channel, one batch
 * of an app at a time, until it is stored. While nobody takes them they wait here, bounded: what is too much
 * is dropped, the oldest first, and said in-band, as log-shuttle says it (L12).
 */
import assert from 'node:assert/strict'
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

export type AccessLogLimits = {
  readonly linesPerApp: number
  /** Apps with lines that wait. Of those beyond it lines are counted: no more counts than there are apps. */
  readonly apps: number
}
export const accessLogLimits: AccessLogLimits = { linesPerApp: 2_000, apps: 100_000 }
const batchLinesMax = 500
/** Apps whose lines are on their way at once: each tries again and again while nobody takes them. */
const sendingMax = 2_000
const lineFeed = 10

/** What an app's requests said and when, in microseconds since 1970: a line's text is at its time's place. */
type Pending = { readonly texts: string[]; readonly atUs: number[]; underWay: number; dropped: number }

/** @param source names this process' life: its batches are numbered from 1 */
export const createAccessLog = (
  source: string,
  now: () => number,
  deliver: Deliver,
  limits = accessLogLimits,
): AccessLog => {
  const apps = new Map<string, Pending>()
  /** Lines dropped of apps that there was no room for. */
  const crowdedOut = new Map<string, number>()
  let seq = 0
  let sending = 0
  const nowUs = (): number => Math.round(now() * 1000)

  const send = (appId: string, own: Pending): void => {
    const texts = own.texts.splice(0, batchLinesMax)
    const atUs = own.atUs.splice(0, batchLinesMax)
    if (own.dropped > 0) {
      texts.unshift(`Error L12: ${own.dropped} messages dropped`)
      atUs.unshift(nowUs())
    }
    own.dropped = 0
    const batch = linesOf(texts, atUs)
    own.underWay = batch.length
    sending++
    void deliver(appId, source, ++seq, batch).then(() => {
      sending--
      own.underWay = 0
      // An app that says more than a batch in a flush's time does not wait for the next one.
      if (own.texts.length >= batchLinesMax) send(appId, own)
      else if (own.texts.length === 0 && own.dropped === 0) apps.delete(appId)
    })
  }

  const pendingOf = (appId: string): Pending | undefined => {
    const own = apps.get(appId)
    if (own !== undefined || apps.size >= limits.apps) return own
    const fresh = { texts: [], atUs: [], underWay: 0, dropped: crowdedOut.get(appId) ?? 0 }
    crowdedOut.delete(appId)
    apps.set(appId, fresh)
    return fresh
  }

  return {
    add: (record) => {
      if (record.app === null) return
      const own = pendingOf(record.app)
      if (own === undefined) {
        crowdedOut.set(record.app, (crowdedOut.get(record.app) ?? 0) + 1)
        return
      }
      own.texts.push(formatAccessLine(record))
      own.atUs.push(nowUs())
      if (own.texts.length <= limits.linesPerApp) return
      own.texts.shift()
      own.atUs.shift()
      own.dropped++
    },
    flush: () => {
      for (const appId of crowdedOut.keys()) if (pendingOf(appId) === undefined) break
      for (const [appId, own] of apps) {
        if (sending >= sendingMax) return
        if (own.underWay === 0 && own.texts.length + own.dropped > 0) send(appId, own)
      }
    },
    pending: () =>
      [...apps.values()].reduce((sum, own) => sum + own.texts.length + own.underWay, crowdedOut.size),
  }
}

/** All texts are made bytes at once: a call and a buffer for each costs more than forwarding its request. */
const linesOf = (texts: readonly string[], atUs: readonly number[]): readonly Line[] => {
  const bytes = Buffer.from(texts.join('\n'))
  let next = 0
  const lines = atUs.map((at): Line => {
    const found = bytes.indexOf(lineFeed, next)
    const end = found < 0 ? bytes.length : found
    const text = bytes.subarray(next, end)
    next = end + 1
    return { atUs: at, source: 'heroku', process: 'router', text }
  })
  assert(next === bytes.length + 1, 'a line of the log has a line feed within')
  return lines
}
