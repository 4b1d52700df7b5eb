/**
 * The logs: dynos' shuttles, router shards and host processes bring numbered lines to the logs of two apps,
 * one of which has a drain, while hosts, links, the record, the history and the receiver fail.
 *
 * When the trouble is over each line that was taken is in its app's history once and in order, or told there
 * to be lost, or was in the memory of a process that died; and the receiver has what the history has, or was
 * told how much it lacks.
 */
import { App } from '../../actors/protocols/app.ts'
import { Channel, type Line } from '../../actors/protocols/channel.ts'
import type { Outbox } from '../../actors/logplex/outbox.ts'
import { createShuttle } from '../../actors/logplex/shuttle.ts'
import type { AccessLog } from '../../actors/router/access-log.ts'
import type { AccessRecord } from '../../src/proxy/contract.ts'
import { ref } from '../../src/runtime/index.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import { openSite, type Site } from '../chaos/worlds/sim/site.ts'
import type { Life } from './cluster.ts'
import { openDynoLog, type DynoLog } from './dyno-log.ts'
import { checkDrain, checkLog, lineMark, lossIn, type Source } from './logs-check.ts'
import { drawTrouble } from './mix.ts'
import { calmReceiver } from './receiver.ts'
import { calmOutside } from './outside.ts'
import { noPlant } from './plant.ts'
import { verdictOf, type Scenario } from './scenario.ts'

const roles = ['control', 'dyno', 'router', 'logplex']
const hosts = ['h1', 'h2', 'h3', 'h4'].map((name) => ({ name, roles, labels: {} }))
const by = { id: 'u1', email: 'user@example.com' }
const actsMax = 25
const askMs = 8_000
const convergeMs = 300_000
const stepMs = 2_000
const flood = 2_500

/** Where lines are taken: what it is, and what it holds now. */
type Taker = {
  readonly name: string
  said: number
  readonly say: (mark: string) => void
  readonly lives: () => boolean
  readonly held: () => number
}

export const logs: Scenario = {
  name: 'logs',
  run: async (seed, options = {}) => {
    const shipping = openShipping()
    const site = openSite(seed, hosts, options.plant ?? noPlant, shipping.begin)
    const c = site.cluster
    const { world } = c
    const { random } = world
    const apps = [random.uuid(), random.uuid()]
    shipping.appId = apps[0]!
    const [app = ''] = apps
    await world.run(() => false, 1_000)
    await done(site, () =>
      c.ask(ref(App, app), { type: 'create', name: 'logged', owner: by, region: 'us', stack: 's' }, askMs),
    )
    await world.run(() => false, 1_000)
    const before = c.outside.lines(app).length
    const url = 'http://receiver.test/'
    await done(site, () => c.ask(ref(App, app), { type: 'addDrain', url }, askMs))
    const takers = openTakers(site, apps, shipping)
    const undone = await trouble(site, apps, takers, random)
    // Each source that goes on says one line more: what it lost before is told then.
    takers.all(1)
    const deadline = world.clock.now() + convergeMs
    const wrong = () => [...takers.waiting(), ...check(site, apps, takers, undone, before)]
    while (wrong().length > 0 && world.clock.now() < deadline) await world.run(() => false, stepMs)
    const violations = wrong()
    for (const name of site.names) site.closeRouter(name)
    return verdictOf(world, violations)
  },
}

/** The logs of dynos, one on each machine since it has power, and how they are shipped. */
const openShipping = () => {
  const logsOf = new Map<string, DynoLog>()
  const shipping = {
    appId: '',
    logsOf,
    keyOf: (host: string, powerCuts: number): string => `${host}-${powerCuts}`,
    begin: ({ host, number, clock, machine, deliver }: Life): void => {
      const key = shipping.keyOf(host, machine.powerCuts())
      const log = logsOf.get(key) ?? openDynoLog(`dyno-${key}`, () => clock.now())
      logsOf.set(key, log)
      const shuttle = createShuttle(
        log.places,
        { follow: (_, __, onBatch) => log.follow(clock, onBatch) },
        (_, part) => deliver(shipping.appId, part),
        `life${number}`,
      )
      // Not before there is an app.
      clock.after(
        2_000,
        () => void shuttle.ship({ runId: log.name, appId: shipping.appId, process: 'web.1' }),
      )
    },
  }
  return shipping
}

type Takers = {
  /** Somebody who is alive takes lines. */
  some(random: SeededRandom, count: number): void
  /** Everybody who is. */
  all(count: number): void
  sources(appId: string): readonly Source[]
  /** What those who live still hold. */
  waiting(): readonly string[]
}

const openTakers = (
  site: Site,
  apps: readonly string[],
  shipping: ReturnType<typeof openShipping>,
): Takers => {
  const { cluster: c } = site
  const known = new Map<object, Map<string, Taker>>()
  const takersOf = (key: object, make: () => Map<string, Taker>): readonly Taker[] => {
    const found = known.get(key) ?? make()
    known.set(key, found)
    return [...found.values()]
  }
  let made = 0
  const forApps = (
    what: string,
    lives: () => boolean,
    pending: () => number,
    say: (appId: string, mark: string) => void,
  ) => {
    const number = made++
    return new Map(
      apps.map((appId, at): [string, Taker] => [
        appId,
        {
          name: `${what}-${number}-${at}`,
          said: 0,
          say: (mark) => say(appId, mark),
          lives,
          held: pending,
        },
      ]),
    )
  }
  const ofHost = (host: string, said: Outbox<Line>): readonly Taker[] =>
    takersOf(said, () =>
      forApps(
        host,
        () => c.world.alive().includes(host) && c.said.get(host) === said,
        () => said.pending(),
        (appId, mark) => {
          said.add(appId, {
            atUs: c.world.clock.now() * 1000,
            source: 'app',
            process: 'api',
            text: Buffer.from(mark),
          })
          said.flush(appId)
        },
      ),
    )
  const ofRouter = (host: string, log: AccessLog): readonly Taker[] =>
    takersOf(log, () =>
      forApps(
        `${host}-router`,
        () => site.routers.get(host)?.router.log === log,
        () => log.pending(),
        (appId, mark) => log.add({ ...accessRecord, app: appId, path: mark }),
      ),
    )
  const ofDyno = (key: string): readonly Taker[] => {
    const log = shipping.logsOf.get(key)!
    return takersOf(log, () => {
      const host = key.slice(0, key.indexOf('-'))
      const taker: Taker = {
        name: log.name,
        said: 0,
        say: (mark) => log.print(mark),
        lives: () => shipping.keyOf(host, c.machines.get(host)!.powerCuts()) === key && !site.off.has(host),
        held: () => log.printed() - log.brought(),
      }
      return new Map([[apps[0] ?? '', taker]])
    })
  }
  const living = (): readonly Taker[] =>
    [
      ...[...c.said].flatMap(([host, said]) => ofHost(host, said)),
      ...[...site.routers].flatMap(([host, { router }]) => ofRouter(host, router.log)),
      ...[...shipping.logsOf.keys()].flatMap(ofDyno),
    ].filter((taker) => taker.lives())
  const take = (taker: Taker, count: number): void => {
    for (let left = count; left > 0; left--) taker.say(lineMark(taker.name, taker.said++))
  }
  return {
    some: (random, count) => {
      const all = living()
      if (all.length > 0) take(random.pick(all), count)
    },
    all: (count) => {
      for (const taker of living()) take(taker, count)
    },
    sources: (appId) =>
      [...known.values()].flatMap((own) => {
        const taker = own.get(appId)
        if (taker === undefined || taker.said === 0) return []
        const { name, said } = taker
        return [{ name, said, held: taker.lives() ? 0 : taker.held() }]
      }),
    waiting: () =>
      living().flatMap((taker) =>
        taker.held() > 0 ? [`${taker.name} still holds ${taker.held()} lines`] : [],
      ),
  }
}

/** @returns how many lines the history lost */
const trouble = async (
  site: Site,
  apps: readonly string[],
  takers: Takers,
  random: SeededRandom,
): Promise<number> => {
  const { cluster: c } = site
  const mix = drawTrouble(site, apps, random)
  const some = (most: number): number => (random.chance(0.5) ? random.next() * most : 0)
  const [outages, undoing, floods] = [random.chance(0.4), random.chance(0.3), random.chance(0.3)]
  c.outside.receiver.faults = {
    fail: some(0.5),
    lost: some(0.2),
    refuse: some(0.2),
    latencyMsMax: 5 + some(2_000),
  }
  const standing = c.outsideFaults
  let undone = 0
  for (let i = 0; i < actsMax; i++) {
    for (let n = random.between(1, 6); n > 0; n--) takers.some(random, random.between(1, 30))
    if (floods && random.chance(0.1)) takers.some(random, flood)
    if (outages && random.chance(0.2))
      c.outsideFaults = { ...standing, fail: random.chance(0.5) ? 1 : standing.fail }
    if (random.chance(0.1)) fillMailbox(site, random.pick(apps))
    if (undoing && random.chance(0.1)) undone += undo(site, apps, random.between(100, 3_000))
    await c.world.run(() => false, random.between(5, 1_500))
    if (i % 4 === 3) mix.strike()
  }
  if (mix.rollsBack) {
    const before = linesIn(site, apps)
    await running(site, mix.rollback(3_000))
    undone += before - linesIn(site, apps)
  }
  c.outside.receiver.faults = calmReceiver
  c.outsideFaults = calmOutside
  await running(site, mix.calm())
  return undone
}

/** Lines that the histories account for: those that are there, and those told to be missing. */
const linesIn = ({ cluster }: Site, apps: readonly string[]): number =>
  apps
    .flatMap((appId) => cluster.outside.lines(appId))
    .reduce((sum, text) => sum + (lossIn(text)?.count ?? 1), 0)

/** The store comes back without its last blocks, and everybody else goes on. */
const undo = (site: Site, apps: readonly string[], ms: number): number => {
  const before = linesIn(site, apps)
  site.cluster.outside.stream.rollback(ms)
  return before - linesIn(site, apps)
}

const fillMailbox = ({ cluster: c }: Site, appId: string): void => {
  for (let i = 0; i < 2_000; i++)
    c.ask(ref(Channel, appId), { type: 'deliver', source: 'nobody', first: 0, lines: [] }).catch(
      () => undefined,
    )
}

const check = (
  site: Site,
  apps: readonly string[],
  takers: Takers,
  undone: number,
  drainedFrom: number,
): readonly string[] => {
  const { outside } = site.cluster
  return apps.flatMap((appId, at) => {
    const kept = outside.lines(appId)
    const { violations } = checkLog(takers.sources(appId), kept, undone)
    const own = violations.map((text) => `app ${at + 1}: ${text}`)
    // What was undone may have been sent on before. Owners move whenever a lossy link makes one look dead.
    if (at > 0 || undone > 0) return own
    return [...own, ...checkDrain(kept.slice(drainedFrom), outside.receiver.frames, true)]
  })
}

const running = async ({ cluster: c }: Site, work: Promise<void>): Promise<void> => {
  let isDone = false
  void work.finally(() => {
    isDone = true
  })
  await c.world.run(() => isDone, 60_000)
}

/** Asks until it is answered. */
const done = async (site: Site, ask: () => Promise<unknown>): Promise<void> => {
  for (let tries = 0; tries < 20; tries++) {
    let outcome: boolean | undefined
    ask().then(
      () => {
        outcome = true
      },
      () => {
        outcome = false
      },
    )
    await site.cluster.world.run(() => outcome !== undefined, 2 * askMs)
    if (outcome === true) return
  }
  throw new Error('the simulated cluster did not come up')
}

const accessRecord: AccessRecord = {
  app: null,
  at: 'info',
  code: '',
  description: '',
  cause: '',
  sock: '',
  method: 'GET',
  path: '/',
  host: 'logged.test',
  requestId: 'id',
  fwd: '127.0.0.1',
  target: 'web.1',
  queue: null,
  waitMs: null,
  connectMs: 1,
  serviceMs: 2,
  status: 200,
  bytes: 3,
  protocol: 'http1.1',
  tls: '',
  agent: '',
  epochMs: 1,
}
