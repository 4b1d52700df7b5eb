/**
 * Log lines: each is delivered, or counted as lost in-band, or went with a machine's power or with a router
 * that was killed; to who reads the log, and to the receiver of the app's drain, which sees each line as
 * often as it is stored. So what was accepted is what passed, what was reported, and what is in flight.
 */
import type { Fault, Bounds } from '../language.ts'
import type { Frame, History, LogEvent, RequestOp } from '../history.ts'
import { troubles, type Violation } from './finding.ts'

export type LineFindings = {
  readonly violations: readonly Violation[]
  /** Said, and neither delivered nor counted, nor in flight. */
  readonly lost: number
  /** Said to be lost. */
  readonly counted: number
  /** What was missing and not counted, of machines without power and of routers that were killed. */
  readonly inFlight: number
  /** Received more than once, in different frames. */
  readonly twice: number
}

const linePattern = /^chaos life=(\S+) n=(\d+)$/
const routerPattern = /^at=\w+ .* request_id=(\S+) /
const lossPattern = /^Error (L1[0-3])\b[^:]*: (\d+) messages (?:dropped|lost)/

/** They take away what was in the pipe of a process, or its disk. */
const takePipes: ReadonlySet<Fault['do']> = new Set(['power-off', 'rollback', 'disk-full'])
const takeRouters: ReadonlySet<Fault['do']> = new Set([...takePipes, 'router-kill'])
/** How long a router's line is on its way while all is well. */
const routerFlightMs = 2_000

export const checkLines = (history: History, bounds: Bounds): LineFindings => {
  // What was under way may come to a receiver again; it is stored once.
  const log = account('the log', history, history.log, { ...bounds, linesTwiceMax: 0 })
  // A store that lost its end tells of lines that were read before.
  const isExact = !history.faults.some(({ fault }) => fault.do === 'rollback')
  const own = isExact ? [...log.violations, ...overtold(log.accounts)] : log.violations
  if (history.frames === undefined) return { ...log, violations: own }
  const received = account("the drain's receiver", history, eventsIn(history.frames), bounds)
  return {
    violations: [...own, ...received.violations],
    lost: Math.max(log.lost, received.lost),
    counted: Math.max(log.counted, received.counted),
    inFlight: Math.max(log.inFlight, received.inFlight),
    twice: log.twice + received.twice,
  }
}

/** A frame that comes again has the same id. */
const eventsIn = (frames: readonly Frame[]): readonly LogEvent[] =>
  [...new Map(frames.map((frame) => [`${frame.app} ${frame.id}`, frame])).values()].flatMap(
    ({ app, texts }) => texts.map((text) => eventOf(app, text)),
  )

const eventOf = (app: string, text: string): LogEvent => {
  const [, life, n] = linePattern.exec(text) ?? []
  if (life !== undefined) return { app, at: 0, life, n: Number(n) }
  const [, requestId] = routerPattern.exec(text) ?? []
  if (requestId !== undefined) return { app, at: 0, requestId }
  const [, code, lost] = lossPattern.exec(text) ?? []
  return code === undefined ? { app, at: 0, other: true } : { app, at: 0, lost: Number(lost), code }
}

/** Who says lines, each of which has a key of its own. */
type Producer = {
  readonly app: string
  readonly name: string
  readonly host: string
  readonly said: readonly string[]
  /** Of lines that are missing, how many may be in flight. */
  readonly inFlightMax: (missing: readonly string[]) => number
}

const producersOf = (history: History, bounds: Bounds): readonly Producer[] => {
  const harm = troubles(history)
  const apps = new Set(history.said.map(({ app }) => app))
  const tickers = history.said.map(({ app, life, lines, host }): Producer => {
    const isHit = harm.some(({ fault, hosts }) => takePipes.has(fault.do) && hosts.includes(host))
    return {
      app,
      name: life,
      host,
      said: Array.from({ length: lines }, (_, n) => `${life} ${n}`),
      inFlightMax: () => (isHit ? (bounds.linesInFlightMax ?? 0) : 0),
    }
  })
  const answered = history.ops.filter(
    (op): op is Answered => op.kind === 'request' && op.outcome === 'ok' && op.requestId !== undefined,
  )
  const routers = Map.groupBy(
    answered.filter(({ app }) => apps.has(app)),
    ({ app, via }) => JSON.stringify([app, via]),
  )
  const routed = [...routers.values()].map((ops): Producer => {
    const [{ app, via = 'no router' } = { app: '' }] = ops
    const inFlight = new Set(
      ops.filter((op) => wasInFlight(history, op, via)).map(({ requestId }) => requestId),
    )
    return {
      app,
      name: 'its router',
      host: via,
      said: ops.map(({ requestId }) => requestId),
      inFlightMax: (missing) => missing.filter((id) => inFlight.has(id)).length,
    }
  })
  return [...tickers, ...routed]
}

type Answered = RequestOp & { readonly requestId: string }

/** Its line was in the memory of the router when that ended, or in what a store lost that came back. */
const wasInFlight = (history: History, { invokedAt, returnedAt }: Answered, via: string): boolean =>
  history.faults.some(({ at, fault, hosts }) => {
    if (!takeRouters.has(fault.do) || !hosts.includes(via)) return false
    const flightMs = routerFlightMs + (fault.do === 'rollback' ? fault.undoneMs : 0)
    return invokedAt <= at && (returnedAt ?? Infinity) >= at - flightMs
  })

type AppAccount = {
  readonly app: string
  readonly missing: number
  readonly counted: number
  /** Lines of others than those who count theirs. */
  readonly others: number
}

const account = (where: string, history: History, events: readonly LogEvent[], bounds: Bounds) => {
  const producers = producersOf(history, bounds)
  const known = new Set(producers.flatMap(({ app, said }) => said.map((key) => `${app} ${key}`)))
  const times = new Map<string, number>()
  const counts = new Map<string, { lost: number; others: number }>()
  for (const event of events) {
    const own = counts.get(event.app) ?? { lost: 0, others: 0 }
    counts.set(event.app, own)
    const key = keyOf(event)
    if ('lost' in event) own.lost += event.lost
    else if (key === undefined || !known.has(key)) own.others += 1
    if (key !== undefined) times.set(key, (times.get(key) ?? 0) + 1)
  }
  const violations: Violation[] = []
  const accounts: AppAccount[] = []
  let [lost, inFlight] = [0, 0]
  for (const [app, some] of Map.groupBy(producers, (producer) => producer.app)) {
    const { lost: counted, others } = counts.get(app) ?? { lost: 0, others: 0 }
    let [missing, allowed] = [0, 0]
    const gone: string[] = []
    for (const { name, host, said, inFlightMax } of some) {
      const lacking = said.filter((key) => !times.has(`${app} ${key}`))
      if (lacking.length > 0) gone.push(`${lacking.length} of ${name} on ${host}`)
      missing += lacking.length
      allowed += Math.min(lacking.length, inFlightMax(lacking))
    }
    accounts.push({ app, missing, counted, others })
    const untold = Math.max(0, missing - counted)
    inFlight += Math.min(untold, allowed)
    lost += Math.max(0, untold - allowed)
    if (untold > allowed) {
      const text = `${missing} lines are missing in ${where}, ${counted + allowed} are accounted for`
      violations.push({ rule: 'lines', text: `${app}: ${text} (${gone.join(', ')})` })
    }
  }
  const twice = doubles(where, history, times, bounds)
  violations.push(...twice.violations)
  const counted = [...counts.values()].reduce((sum, own) => sum + own.lost, 0)
  return { violations, accounts, lost, inFlight, counted, twice: twice.count }
}

const keyOf = (event: LogEvent): string | undefined => {
  if ('life' in event) return `${event.app} ${event.life} ${event.n}`
  return 'requestId' in event ? `${event.app} ${event.requestId}` : undefined
}

const doubles = (
  where: string,
  history: History,
  times: ReadonlyMap<string, number>,
  { linesTwiceMax = 0 }: Bounds,
): { readonly violations: readonly Violation[]; readonly count: number } => {
  const hit = new Set(troubles(history).flatMap(({ hosts }) => hosts))
  const again = [...times].filter(([, count]) => count > 1)
  const byLife = new Map<string, number>()
  let routed = 0
  for (const [key, count] of again) {
    const [app = '', life = '', n] = key.split(' ')
    if (n === undefined) routed += count - 1
    else byLife.set(`${app} ${life}`, (byLife.get(`${app} ${life}`) ?? 0) + count - 1)
  }
  const texts = history.said.flatMap(({ app, life, host }) => {
    const found = byLife.get(`${app} ${life}`) ?? 0
    const allowed = hit.has(host) ? linesTwiceMax : 0
    return found > allowed ? [`${app}: ${where} has ${found} lines of ${life} twice, ${allowed} may be`] : []
  })
  const routerMax = hit.size > 0 ? linesTwiceMax : 0
  if (routed > routerMax) texts.push(`${where} has ${routed} lines of routers twice, ${routerMax} may be`)
  return {
    violations: texts.map((text) => ({ rule: 'lines', text })),
    count: again.reduce((sum, [, count]) => sum + count - 1, 0),
  }
}

/** Lines told to be lost that are there: of those that nobody counts, no more are lost than are there. */
const overtold = (accounts: readonly AppAccount[]): Violation[] =>
  accounts.flatMap(({ app, missing, counted, others }) =>
    counted > missing + others
      ? [{ rule: 'lines', text: `${app}: the log tells of ${counted} lines that are lost, ${missing} are` }]
      : [],
  )
