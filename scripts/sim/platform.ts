/**
 * The platform: the actors of a host, whole, over simulated machines. Apps are created, deployed, configured,
 * scaled, restarted and destroyed while hosts, links, the record and the engines fail.
 *
 * When the trouble is over: nothing acknowledged is lost; versions have no gaps; every slot has exactly one
 * live run, of the newest release; nothing else runs; and routers know where.
 */
import { App } from '../../actors/protocols/app.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import { Releases } from '../../actors/protocols/releases.ts'
import { Webhooks } from '../../actors/protocols/webhooks.ts'
import { ref } from '../../src/runtime/index.ts'
import { seededRandom, type SeededRandom } from '../../src/sim/random.ts'
import { doubles } from '../chaos/check/lives.ts'
import type { Struck } from '../chaos/history.ts'
import { openSite, type Site } from '../chaos/worlds/sim/site.ts'
import type { Cluster, SimHost } from './cluster.ts'
import type { Known } from './known.ts'
import { drawTrouble, type Trouble } from './mix.ts'
import { noPlant } from './plant.ts'
import { check } from './platform-check.ts'
import { verdictOf, type Scenario } from './scenario.ts'
import { followUsage } from './usage-check.ts'

const by = { id: 'u1', email: 'user@example.com' }
const actsMax = 25
const askMs = 8_000
const undoneMs = 3_000
/** Back-offs that grew during the trouble run out. */
const reviveMs = 30_000

/** Mostly as many hosts as people have, now and then as many as a company does. */
const hostsOf = (random: SeededRandom): readonly SimHost[] => {
  const [from, to] = random.pick([
    ...([
      [3, 5],
      [3, 5],
      [3, 5],
      [3, 5],
      [4, 12],
      [4, 12],
    ] as const),
    ...([[12, 50]] as const),
  ])
  const count = random.between(from, to)
  const controls = random.pick([3, 3, 5])
  return Array.from({ length: count }, (_, at) => ({
    name: `h${at + 1}`,
    roles: ['dyno', 'router', ...(at < controls ? ['control', 'logplex'] : [])],
    labels: { zone: random.pick(['a', 'b', 'c']) },
  }))
}

export const platform: Scenario = {
  name: 'platform',
  run: async (seed, options = {}) => {
    const site = openSite(seed, hostsOf(seededRandom(seed)), options.plant ?? noPlant)
    const c = site.cluster
    const random = c.world.random
    const usage = followUsage(c.world, c.hosts)
    await c.world.run(() => false, 500)
    const apps = [1, 2, 3].map((n): Known => {
      const id = random.uuid()
      // Two of them want the same name.
      const name = n === 3 ? 'app-1' : `app-${n}`
      const none = {
        created: false,
        hooked: false,
        destroying: false,
        destroyed: false,
        scale: undefined,
        scaling: 0,
        slugs: 0,
      }
      return { id, name, releases: new Map(), before: new Set(), ...none }
    })
    const mix = await trouble(site, apps, random)
    await revive(c, apps)
    const violations = [...(await check(c, apps, usage, mix)), ...singletons(site, mix.struck)]
    for (const name of site.names) site.closeRouter(name)
    return verdictOf(c.world, violations)
  },
}

const trouble = async (site: Site, apps: readonly Known[], random: SeededRandom): Promise<Trouble> => {
  const c = site.cluster
  for (const app of apps.slice(0, 2)) act(c, app, 'create', random)
  await c.world.run(() => apps[0]!.created, 2_000)
  const mix = drawTrouble(
    site,
    apps.map((app) => app.id),
    random,
  )
  for (let i = 0; i < actsMax; i++) {
    act(c, random.pick(apps), random.pick(acts), random)
    await c.world.run(() => false, random.between(5, 1_500))
    if (i % 4 === 3) mix.strike()
  }
  await c.world.run(() => false, askMs + 1_000)
  if (mix.rollsBack) {
    // What clients were told is older than what is undone now.
    await c.world.run(() => false, undoneMs + askMs)
    await running(c, mix.rollback(undoneMs))
    await c.world.run(() => false, askMs)
  }
  await running(c, mix.calm())
  return mix
}

/** Runs the world until it is done. */
const running = async (c: Cluster, work: Promise<void>): Promise<void> => {
  let isDone = false
  void work.finally(() => {
    isDone = true
  })
  await c.world.run(() => isDone, 60_000)
}

/** What must not run twice never did. */
const singletons = (site: Site, struck: readonly Struck[]): string[] => {
  const lives = site.names.flatMap((host) =>
    site.cluster.machines.get(host)!.lives.map(({ run, fromMs, toMs }) => ({
      app: run.appId,
      dyno: run.name,
      run: run.id,
      host,
      singleton: run.singleton,
      epoch: run.epoch,
      fromAt: fromMs,
      toAt: toMs ?? null,
    })),
  )
  const history = { ops: [], faults: struck, waits: [], lives, log: [], said: [], final: null, builds: [] }
  return doubles(history).map(({ text }) => text)
}

/** Once all is well, everything can be done again. */
const revive = async (c: Cluster, apps: readonly Known[]): Promise<void> => {
  await c.world.run(() => false, reviveMs)
  for (const app of apps.filter((one) => one.created && !one.destroying)) {
    act(c, app, 'deploy', c.world.random)
    await c.world.run(() => false, 1_500)
    act(c, app, 'scale', c.world.random)
  }
  await c.world.run(() => false, askMs)
}

type Act =
  | ('create' | 'deploy' | 'config' | 'scale' | 'restart' | 'stop' | 'run' | 'rollback' | 'destroy')
  | ('idle' | 'preboot')
const acts: readonly Act[] = [
  ...(['create', 'create', 'deploy', 'deploy', 'deploy', 'config', 'config', 'config'] as const),
  ...(['scale', 'scale', 'scale', 'restart', 'stop', 'run', 'rollback', 'destroy'] as const),
  ...(['idle', 'preboot'] as const),
]

/** Asks, and notes what was answered; failures are the client's to live with. */
const act = (c: Cluster, app: Known, what: Act, random: SeededRandom): void => {
  const [releases, formation] = [ref(Releases, app.id), ref(Formation, app.id)]
  const ignore = (): void => undefined
  switch (what) {
    case 'create':
      if (app.destroying) return
      c.ask(
        ref(App, app.id),
        { type: 'create', name: app.name, owner: by, region: 'us', stack: 's' },
        askMs,
      ).then(() => {
        if (!app.created) hook(c, app)
        app.created = true
      }, ignore)
      return
    case 'deploy': {
      const others = random.chance(0.7) ? { worker: 'worker' } : { clock: 'worker' }
      const phase = random.chance(0.3) ? { release: random.pick(['exit 0', 'exit 0', 'exit 1']) } : {}
      const types = { web: 'web', ...others, ...phase }
      const id = `${app.id}-slug-${++app.slugs}`
      const slug = { ...slugBase, id, processTypes: types }
      c.ask(releases, { type: 'deploy', slug, description: `Deploy ${id}`, by }, askMs).then((made) => {
        app.releases.set(made.version, { id: made.id })
        keepWeb(app)
      }, ignore)
      keepWeb(app)
      return
    }
    case 'config': {
      const patch = {
        [`K${random.between(1, 3)}`]: random.chance(0.2) ? null : String(random.between(1, 99)),
      }
      c.ask(releases, { type: 'setConfig', patch, by }, askMs).then(({ version, configId, changed }) => {
        if (changed) app.releases.set(version, { configId })
      }, ignore)
      return
    }
    case 'scale':
      scale(c, app, random)
      return
    case 'restart':
      c.ask(formation, { type: 'restart', by }, askMs).catch(ignore)
      return
    case 'stop':
      c.ask(formation, { type: 'stopDyno', processType: 'web', by }, askMs).catch(ignore)
      return
    case 'run': {
      const run = { type: 'run', command: 'exit 1', env: {}, attachToken: null, terminal: null, by } as const
      c.ask(formation, run, askMs).catch(ignore)
      return
    }
    case 'rollback':
      keepWeb(app)
      c.ask(releases, { type: 'rollback', to: 'v3', by }, askMs).then((made) => {
        app.releases.set(made.version, { id: made.id })
        keepWeb(app)
      }, ignore)
      return
    case 'idle':
      c.ask(formation, { type: 'idle' }, askMs).catch(ignore)
      return
    case 'preboot': {
      const feature = { type: 'feature', name: 'preboot', enabled: random.chance(0.5) } as const
      c.ask(ref(App, app.id), feature, askMs).catch(ignore)
      return
    }
    case 'destroy':
      if (!app.created || random.chance(0.5)) return
      app.destroying = true
      c.ask(ref(App, app.id), { type: 'destroy' }, askMs).then(() => {
        app.destroyed = true
      }, ignore)
  }
}

/** Whoever is told of its releases from now on is told of each. */
const hook = (c: Cluster, app: Known): void => {
  const wanted = { url: 'http://hook.test/', include: ['api:release'], sealedId: '' }
  c.ask(ref(Webhooks, app.id), { type: 'add', level: 'sync', ...wanted }, askMs).then(
    () => {
      for (const version of app.releases.keys()) app.before.add(version)
      app.hooked = true
    },
    () => undefined,
  )
}

/** Other types may come or go with a slug, so what was said of them holds no more. */
const keepWeb = (app: Known): void => {
  const web = app.scale?.get('web')
  app.scale = web === undefined ? undefined : new Map([['web', web]])
}

const scale = (c: Cluster, app: Known, random: SeededRandom): void => {
  const type = random.pick(['web', 'web', 'worker', 'clock'])
  const quantity = random.between(0, 3)
  const size = random.chance(0.2) ? { size: random.pick(['eco', 'basic']) } : {}
  app.scaling++
  const before = app.scale
  app.scale = undefined
  c.ask(
    ref(Formation, app.id),
    {
      type: 'scale',
      updates: [
        { type, quantity: String(quantity), ...size, ...(type === 'clock' ? { singleton: true } : {}) },
      ],
      by,
    },
    askMs,
  ).then(
    ({ types }) => {
      app.scaling--
      app.scale = app.scaling === 0 ? new Map(types.map((one) => [one.type, one.quantity])) : undefined
    },
    (error: unknown) => {
      // Refused: surely nothing changed.
      if ((error as { kind?: string }).kind !== 'refused') return
      app.scaling--
      if (app.scaling === 0) app.scale = before
    },
  )
}

const slugBase = {
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3',
  description: 'Deploy',
  buildpackDescription: 'Procfile',
  createdAt: 1,
}
