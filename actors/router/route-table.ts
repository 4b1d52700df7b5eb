/**
 * The route table of one shard: answers from its cache, asks the record on a miss, holds requests while dynos
 * boot.
 *
 * Static stability: what is cached is served whatever happens to NATS or the control plane; only what was
 * never asked for here cannot be answered then.
 */
import { heroku } from '../../config/heroku.ts'
import type { Decided, Decision, Hold } from '../../src/proxy/contract.ts'
import type { Route, StandIn } from '../protocols/shapes.ts'
import { bootTimeout, decide, noSuchApp, platformError, tooManyWaiting } from './decide.ts'
import { normalHost, wildcardsOf } from './hostnames.ts'
import { createNobody } from './nobody.ts'
import { createQuestions } from './questions.ts'
import { createRouteCache, leadsTo, namesOf, servedBy, type Entry } from './route-cache.ts'
import { sweep } from './sweep.ts'
import type { Standpoint } from './targets.ts'
import { createUse } from './use.ts'

export type RouteTableDeps = {
  readonly appDomain: string
  readonly standpoint: Standpoint
  /** The app that holds a name of a kind; undefined: nobody. Rejects when it cannot be known. */
  readonly holderOf: (kind: 'app' | 'host', name: string) => Promise<string | undefined>
  /**
   * The app's route; undefined: no such app. `versionMin` was heard of: a copy of the record that says less
   * is behind. Rejects when it cannot be known.
   */
  readonly routeOf: (appId: string, versionMin: number) => Promise<Route | undefined>
  /** A request came for an app that sleeps while it is not used: its formation hears of it, and wakes it. */
  readonly used: (appId: string) => void
  readonly now: () => number
  /** Calls back once after that long; the returned function calls it off. */
  readonly after: (ms: number, run: () => void) => () => void
  readonly limits: RouteTableLimits
}
export type RouteTableLimits = {
  readonly appsMax: number
  /** Apps that are known from announcements alone. */
  readonly warmMax: number
  /** How long a request waits for a dyno: Heroku's H20. */
  readonly bootWaitMs: number
  readonly waitingPerAppMax: number
  /** How long "nobody has that name" is believed. */
  readonly nobodyMs: number
  readonly nobodyMax: number
  /** How long a word that a dyno stands in is believed: longer than any election of the record. */
  readonly standInMs: number
  /** So many hosts are asked for at once, and so many wait to be. */
  readonly askingMax: number
  readonly askingLineMax: number
  /** So many routes are asked for again at once. */
  readonly recheckingMax: number
  /** That an app is used is told so often. */
  readonly usedEveryMs: number
}
export const routeTableLimits: RouteTableLimits = {
  appsMax: 300_000,
  warmMax: 250_000,
  bootWaitMs: 75_000,
  waitingPerAppMax: 1_000,
  nobodyMs: 1_000,
  nobodyMax: 10_000,
  standInMs: 60_000,
  askingMax: 128,
  askingLineMax: 100_000,
  recheckingMax: 64,
  usedEveryMs: heroku.usedEveryMs,
}

export type RouteTable = {
  /** Where requests to this host go. */
  resolve(host: string): Decision | Promise<Decision>
  /** The route behind a name. Undefined: it is nobody's. Rejects when that cannot be known. */
  routeFor(hostname: string): Promise<Route | undefined>
  /** An announcement. */
  update(route: Route): void
  /** Counts until the route says what became of it, for `standInMs` at most. */
  standIn(standIn: StandIn): void
  /** What is known of hosts has changed. */
  hostsChanged(): void
  /**
   * Announcements may have been missed: each route is served as it is known, and asked for once more when it
   * is used next.
   */
  gap(): void
  /**
   * Asks again for what is cached, at most so many of the most used: heals what an announcement missed.
   * Rejects with the first failure; what is cached stays.
   */
  revalidate(count: number): Promise<void>
  /**
   * Asks again for all that is not sure since the last gap: many at once of a copy of the record, and one by
   * one for those of which the copy knows less. Rejects as `revalidate`.
   * @param routesOf those it knows of some apps, in any order
   */
  confirm(routesOf: (appIds: readonly string[]) => Promise<readonly Route[]>): Promise<void>
  stats(): RouteTableStats
}
export type RouteTableStats = {
  readonly cached: number
  readonly hits: number
  readonly misses: number
  /** Cached, and not made sure of since the last gap. */
  readonly unsure: number
  /** Questions about hosts, open and in line. */
  readonly asking: number
}

/** Routes that are looked up at once: what they take to read holds up requests for a moment. */
const confirmingMax = 128
const confirmingAtOnceMax = 4

export const createRouteTable = (deps: RouteTableDeps): RouteTable => {
  const { appDomain, limits } = deps
  const cache = createRouteCache(appDomain, limits.appsMax, limits.warmMax)
  const questions = createQuestions<Route | undefined>(limits.askingMax, limits.askingLineMax)
  const nobody = createNobody(limits.nobodyMs, limits.nobodyMax)
  const waiting = new Map<string, Set<(decision: Decided) => void>>()
  const counts = { hits: 0, misses: 0 }
  /** Number of what is known of hosts, and of gaps. */
  let hostsIn = 1
  let gaps = 0
  let rechecking = 0

  /** A route leads to the same place until something changes: it is asked for with every request. */
  const decideOnce = (entry: Entry): Decided | 'wait' => {
    if (entry.decision !== undefined && entry.decidedIn === hostsIn) return entry.decision
    entry.decidedIn = hostsIn
    entry.decision = decide(servedBy(entry), deps.standpoint)
    return entry.decision
  }

  /** Names below the apps' own domain are apps' and nobody else's. */
  const holder = async (hostname: string): Promise<string | undefined> => {
    const suffix = `.${appDomain}`
    if (hostname.endsWith(suffix)) {
      const label = hostname.slice(0, -suffix.length)
      return label === '' || label.includes('.') ? undefined : deps.holderOf('app', label)
    }
    for (const name of [hostname, ...wildcardsOf(hostname)]) {
      const found = await deps.holderOf('host', name)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** A newer word may have come by while the record was read: then the copy that answered is behind. */
  const recorded = async (appId: string): Promise<Route | undefined> => {
    const heard = (): number => Math.max(nobody.versionOf(appId), cache.ofApp(appId)?.route.version ?? 0)
    const versionMin = heard()
    const route = await deps.routeOf(appId, versionMin)
    const version = heard()
    return version > versionMin && (route?.version ?? 0) < version ? deps.routeOf(appId, version) : route
  }

  const ask = async (hostname: string): Promise<Route | undefined> => {
    const askedMs = deps.now()
    const appId = await holder(hostname)
    const route = appId === undefined ? undefined : await recorded(appId)
    if (route === undefined || route.gone) {
      nobody.note(hostname, askedMs)
      return undefined
    }
    const entry = cache.learn(hostname, route)
    if (entry === undefined) return undefined
    entry.sureIn = gaps
    wake(route.appId)
    return leadsTo(entry.route, hostname, appDomain) ? entry.route : undefined
  }

  const wake = (appId: string): void => {
    const waiters = waiting.get(appId)
    if (waiters === undefined) return
    const entry = cache.ofApp(appId)
    const decision = entry === undefined ? noSuchApp : decideOnce(entry)
    if (decision !== 'wait') for (const waiter of waiters) waiter(decision)
  }

  /** Until its route decides otherwise, the time is up, or the request is called off. */
  const hold = (route: Route): Hold => ({
    kind: 'hold',
    app: route.appId,
    wait: (decided) => {
      const { appId } = route
      // It may have changed between the decision to hold and now.
      const entry = cache.ofApp(appId)
      const now = entry === undefined ? 'wait' : decideOnce(entry)
      const waiters = waiting.get(appId) ?? new Set<(decision: Decided) => void>()
      if (now !== 'wait' || waiters.size >= limits.waitingPerAppMax) {
        decided(now === 'wait' ? tooManyWaiting(route) : now)
        return () => undefined
      }
      waiting.set(appId, waiters)
      const end = (): void => {
        callOff()
        waiters.delete(waiter)
        if (waiters.size === 0) waiting.delete(appId)
      }
      const waiter = (decision: Decided): void => {
        end()
        decided(decision)
      }
      const callOff = deps.after(limits.bootWaitMs, () => waiter(bootTimeout(route)))
      waiters.add(waiter)
      return end
    },
  })

  const use = createUse({
    tell: deps.used,
    isAwaited: (appId) => waiting.has(appId) && cache.ofApp(appId)?.route.idles === 'asleep',
    now: deps.now,
    after: (ms, run) => void deps.after(ms, run),
    usedEveryMs: limits.usedEveryMs,
  })

  const decideOrHold = (entry: Entry): Decision => {
    if (entry.route.idles !== undefined) use.of(entry.route)
    const decision = decideOnce(entry)
    return decision === 'wait' ? hold(entry.route) : decision
  }

  /** Asks again for a route that is known. No such app: it is gone, and the announcement was missed. */
  const reask = async (entry: Entry): Promise<void> => {
    const { appId } = entry.route
    const sureIn = gaps
    const route = await recorded(appId)
    const gone = { ...entry.route, version: entry.route.version + 1, gone: true }
    const isNews = cache.update(route ?? gone)
    entry.sureIn = sureIn
    if (isNews) wake(appId)
  }

  const recheck = (entry: Entry): void => {
    if (entry.sureIn === gaps || rechecking >= limits.recheckingMax) return
    entry.sureIn = gaps
    rechecking++
    reask(entry).then(
      () => void rechecking--,
      () => {
        rechecking--
        entry.sureIn = -1
      },
    )
  }

  /** @returns those of which nothing as new as what is known here was found */
  const look = async (
    entries: readonly Entry[],
    routesOf: (appIds: readonly string[]) => Promise<readonly Route[]>,
  ): Promise<readonly Entry[]> => {
    const sureIn = gaps
    const found = await routesOf(entries.map((entry) => entry.route.appId))
    const newest = new Map(found.map((route) => [route.appId, route]))
    return entries.filter((entry) => {
      const { appId, version } = entry.route
      const route = newest.get(appId)
      if (route === undefined || route.gone || route.version < version) return true
      if (cache.update(route)) wake(appId)
      entry.sureIn = sureIn
      return false
    })
  }

  const unsure = (): readonly Entry[] => [...cache.entries()].filter((entry) => entry.sureIn !== gaps)

  const miss = async (hostname: string): Promise<Decision> => {
    try {
      const route = await questions.about(hostname, () => ask(hostname))
      const entry = route && cache.ofApp(route.appId)
      return entry === undefined ? noSuchApp : decideOrHold(entry)
    } catch {
      // The record is away, or too many wait for it: nothing is known of this host, and that is said (H99).
      return platformError
    }
  }

  return {
    resolve: (host) => {
      // Most clients write a name as it is kept.
      let entry = cache.find(host)
      const hostname = entry === undefined ? normalHost(host) : host
      if (hostname !== host) entry = cache.find(hostname)
      if (entry !== undefined) {
        counts.hits++
        recheck(entry)
        return decideOrHold(entry)
      }
      counts.misses++
      return nobody.has(hostname, deps.now()) ? noSuchApp : miss(hostname)
    },
    routeFor: async (hostname) => {
      const entry = cache.find(hostname)
      if (entry !== undefined) recheck(entry)
      else if (!nobody.has(hostname, deps.now())) return questions.about(hostname, () => ask(hostname))
      return entry?.route
    },
    update: (route) => {
      nobody.heard(route, namesOf(route, appDomain), deps.now())
      if (!cache.update(route)) return
      const entry = cache.ofApp(route.appId)
      if (entry !== undefined) entry.sureIn = gaps
      wake(route.appId)
    },
    standIn: (standIn) => {
      if (!cache.standIn(standIn)) return
      wake(standIn.appId)
      if (!standIn.over) deps.after(limits.standInMs, () => void cache.standIn({ ...standIn, over: true }))
    },
    hostsChanged: () => {
      hostsIn++
    },
    gap: () => {
      gaps++
      nobody.clear()
    },
    revalidate: (count) => sweep([...first(cache.entries(), count)], limits.recheckingMax, reask),
    confirm: async (routesOf) => {
      const doubtful: Entry[] = []
      await sweep([...chunks(unsure(), confirmingMax)], confirmingAtOnceMax, async (entries) => {
        doubtful.push(...(await look(entries, routesOf)))
      })
      await sweep(doubtful, limits.recheckingMax, reask)
    },
    stats: () => ({ cached: cache.size(), ...counts, unsure: unsure().length, asking: questions.size() }),
  }
}

function* first<T>(things: Iterable<T>, count: number): Generator<T> {
  let left = count
  for (const thing of things) {
    if (left-- <= 0) return
    yield thing
  }
}

function* chunks<T>(things: readonly T[], length: number): Generator<readonly T[]> {
  for (let at = 0; at < things.length; at += length) yield things.slice(at, at + length)
}
