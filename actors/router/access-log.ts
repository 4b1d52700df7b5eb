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

const linesPerAppMax = 2_000
const appsMax = 100_000
const batchLinesMax = 500
/** Apps whose lines are on their way at once: each tries again and again while nobody takes them. */
const sendingMax = 2_000
const lineFeed = 10

/** What an app's requests said and when, in microseconds since 1970: a line's text is at its time's place. */
type Pending = { readonly texts: string[]; readonly atUs: number[]; underWay: number; dropped: number }

/** @param source names this process' life: its batches are numbered from 1 */
export const createAccessLog = (source: string, now: () => number, deliver: Deliver): AccessLog => {
  const apps = new Map<string, Pending>()
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

  return {
    add: (record) => {
      if (record.app === null || (apps.size >= appsMax && !apps.has(record.app))) return
      const own = apps.get(record.app) ?? { texts: [], atUs: [], underWay: 0, dropped: 0 }
      apps.set(record.app, own)
      own.texts.push(formatAccessLine(record))
      own.atUs.push(nowUs())
      if (own.texts.length <= linesPerAppMax) return
      own.texts.shift()
      own.atUs.shift()
      own.dropped++
    },
    flush: () => {
      for (const [appId, own] of apps) {
        if (sending >= sendingMax) return
        if (own.underWay === 0 && own.texts.length + own.dropped > 0) send(appId, own)
      }
    },
    pending: () => [...apps.values()].reduce((sum, own) => sum + own.texts.length + own.underWay, 0),
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
