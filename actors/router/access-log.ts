/**
 * The router's lines in the apps' logs: collected for a moment, then handed to each app's channel in one
 * message. Bounded: what comes too fast is dropped and said in-band, as log-shuttle says it (L12).
 */
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord } from '../../src/proxy/contract.ts'
import type { Line } from '../protocols/channel.ts'

export type AccessLog = {
  add(record: AccessRecord): void
  /** Hands over what was collected. */
  flush(): void
}

const linesPerAppMax = 2_000
const encoder = new TextEncoder()

type Pending = { readonly lines: Line[]; dropped: number }

export const createAccessLog = (
  now: () => number,
  write: (appId: string, lines: readonly Line[]) => void,
): AccessLog => {
  let pending = new Map<string, Pending>()
  const line = (process: string, text: string): Line => ({
    atUs: Math.round(now() * 1000),
    source: 'heroku',
    process,
    text: encoder.encode(text),
  })
  return {
    add: (record) => {
      if (record.app === null) return
      const own = pending.get(record.app) ?? { lines: [], dropped: 0 }
      pending.set(record.app, own)
      if (own.lines.length < linesPerAppMax) own.lines.push(line('router', formatAccessLine(record)))
      else own.dropped++
    },
    flush: () => {
      const taken = pending
      pending = new Map()
      for (const [appId, { lines, dropped }] of taken) {
        if (dropped > 0) lines.push(line('router', `Error L12: ${dropped} messages dropped`))
        write(appId, lines)
      }
    },
  }
}
