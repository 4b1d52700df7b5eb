/** The router's lines in the apps' logs: collected for a moment, then brought to each app's channel. */
import assert from 'node:assert/strict'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord } from '../../src/proxy/contract.ts'
import type { Deliver } from '../logplex/deliver.ts'
import { createOutbox, outboxLimits, type Outbox } from '../logplex/outbox.ts'
import type { Line } from '../protocols/channel.ts'

export type AccessLog = Omit<Outbox<string>, 'add'> & { add(record: AccessRecord): void }

/** A batch: an app that says more in a flush's time does not wait for the next one. */
const gathered = 500
const lineFeed = 10

/** @param source names this process' life */
export const createAccessLog = (
  source: string,
  now: () => number,
  deliver: Deliver,
  limits = outboxLimits,
): AccessLog => {
  const nowUs = (): number => Math.round(now() * 1000)
  const outbox = createOutbox<string>({
    source,
    nowUs,
    deliver,
    linesOf,
    bytesOf: (text) => text.length,
    gathered,
    limits,
  })
  return {
    ...outbox,
    add: (record) => {
      if (record.app !== null) outbox.add(record.app, formatAccessLine(record))
    },
  }
}

/** All texts are made bytes at once: a call and a buffer for each costs more than forwarding its request. */
const linesOf = (texts: readonly string[], atUs: readonly number[]): readonly Line[] => {
  if (texts.length === 0) return []
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
