/**
 * Log lines: each is delivered, or counted as lost in-band, or was in the pipe of a hit machine; to who reads
 * the log, and to the receiver of the app's drain, which sees each line as often as it is stored.
 */
import type { Frame, History, LogEvent } from '../history.ts'
import type { Bounds } from '../language.ts'
import { troubles, type Violation } from './finding.ts'

export type LineFindings = {
  readonly violations: readonly Violation[]
  /** Said, and neither delivered nor counted. */
  readonly lost: number
  /** Said to be lost, in the log. */
  readonly counted: number
  /** Received more than once, in different frames. */
  readonly twice: number
}

const linePattern = /^chaos life=(\S+) n=(\d+)$/
const lossPattern = /^Error (L1[0-3])\b[^:]*: (\d+) messages (?:dropped|lost)/

export const checkLines = (history: History, bounds: Bounds): LineFindings => {
  // What was under way may come to a receiver again; it is stored once.
  const log = account('the log', history, history.log, { ...bounds, linesTwiceMax: 0 })
  if (history.frames === undefined) return log
  const received = account("the drain's receiver", history, eventsIn(history.frames), bounds)
  return {
    violations: [...log.violations, ...received.violations],
    lost: Math.max(log.lost, received.lost),
    counted: Math.max(log.counted, received.counted),
    twice: log.twice + received.twice,
  }
}

/** A frame that comes again has the same id. */
const eventsIn = (frames: readonly Frame[]): readonly LogEvent[] =>
  [...new Map(frames.map((frame) => [`${frame.app} ${frame.id}`, frame])).values()].flatMap(
    ({ app, texts }) =>
      texts.flatMap((text): LogEvent[] => {
        const [, life, n] = linePattern.exec(text) ?? []
        if (life !== undefined) return [{ app, at: 0, life, n: Number(n) }]
        const [, code, lost] = lossPattern.exec(text) ?? []
        return code === undefined ? [] : [{ app, at: 0, lost: Number(lost), code }]
      }),
  )

const account = (
  where: string,
  history: History,
  events: readonly LogEvent[],
  bounds: Bounds,
): LineFindings => {
  const hit = new Set(troubles(history).flatMap((struck) => struck.hosts))
  const delivered = new Map<string, Set<number>>()
  const counted = new Map<string, number>()
  const doubled = new Map<string, number>()
  for (const event of events) {
    if ('lost' in event) counted.set(event.app, (counted.get(event.app) ?? 0) + event.lost)
    else {
      const own = delivered.get(event.life) ?? new Set()
      if (own.has(event.n)) doubled.set(event.life, (doubled.get(event.life) ?? 0) + 1)
      delivered.set(event.life, own.add(event.n))
    }
  }
  const apps = [...new Set(history.said.map((said) => said.app))]
  let lost = 0
  const texts = apps.flatMap((app) => {
    let missing = 0
    let allowed = counted.get(app) ?? 0
    const gone: string[] = []
    for (const { life, lines, host } of history.said.filter((said) => said.app === app)) {
      const got = [...(delivered.get(life) ?? [])].filter((n) => n < lines).length
      missing += lines - got
      if (got < lines) gone.push(`${lines - got} of ${life} on ${host}`)
      if (hit.has(host)) allowed += bounds.linesInFlightMax ?? 0
    }
    lost += Math.max(0, missing - (counted.get(app) ?? 0))
    return missing > allowed
      ? [
          `${app}: ${missing} lines are missing in ${where}, ${allowed} are accounted for (${gone.join(', ')})`,
        ]
      : []
  })
  const doubles = history.said.flatMap(({ app, life, host }) => {
    const found = doubled.get(life) ?? 0
    const allowed = hit.has(host) ? (bounds.linesTwiceMax ?? 0) : 0
    return found > allowed ? [`${app}: ${where} has ${found} lines of ${life} twice, ${allowed} may be`] : []
  })
  const sum = (of: ReadonlyMap<string, number>): number => [...of.values()].reduce((all, one) => all + one, 0)
  return {
    violations: [...texts, ...doubles].map((text) => ({ rule: 'lines', text })),
    lost,
    counted: sum(counted),
    twice: sum(doubled),
  }
}
