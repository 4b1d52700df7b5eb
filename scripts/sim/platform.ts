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
import { ref } from '../../src/runtime/index.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import { createCluster, type Cluster } from './cluster.ts'
import { calmEngine, liveOf } from './engine.ts'
import { calm, drawFaults, strike } from './faults.ts'
import { calmOutside } from './outside.ts'
import type { Known } from './known.ts'
import { check } from './platform-check.ts'
import { verdictOf, type Scenario } from './scenario.ts'

const by = { id: 'u1', email: 'user@example.com' }
const actsMax = 25
const askMs = 8_000
/** Back-offs that grew during the trouble run out. */
const reviveMs = 30_000

export const platform: Scenario = {
  name: 'platform',
  run: async (seed, options = {}) => {
    const hosts = ['a', 'b', 'c'].slice(0, 1 + (seed % 3))
    const c = createCluster(seed, hosts, options)
    const random = c.world.random
    await c.world.run(() => false, 500)
    const apps = [1, 2, 3].map((n): Known => {
      const id = random.uuid()
      // Two of them want the same name.
      const name = n === 3 ? 'app-1' : `app-${n}`
      const none = {
        created: false,
        destroying: false,
        destroyed: false,
        scale: undefined,
        scaling: 0,
        slugs: 0,
      }
      return { id, name, releases: new Map(), ...none }
    })
    await trouble(c, apps, random)
    calm(c.world, hosts)
    c.engineFaults = calmEngine
    c.outsideFaults = calmOutside
    await revive(c, apps)
    const violations = await check(c, apps)
    return verdictOf(c.world, violations)
  },
}

const trouble = async (c: Cluster, apps: readonly Known[], random: SeededRandom): Promise<void> => {
  for (const app of apps.slice(0, 2)) act(c, app, 'create', random)
  await c.world.run(() => apps[0]!.created, 2_000)
  const mix = drawFaults(c.world, random)
  const some = (most: number): number => (random.chance(0.4) ? random.next() * most : 0)
  c.engineFaults = { fail: some(0.1), latencyMsMax: 20 + some(500) }
  c.outsideFaults = { fail: some(0.1), lost: some(0.3), latencyMsMax: 5 + some(200) }
  const machineFaults = random.chance(0.4)
  for (let i = 0; i < actsMax; i++) {
    act(c, random.pick(apps), random.pick(acts), random)
    await c.world.run(() => false, random.between(5, 1_500))
    if (i % 4 === 3) strike(c.world, c.hosts, mix, random)
    if (machineFaults && random.chance(0.1)) breakMachine(c, random)
  }
  await c.world.run(() => false, askMs + 1_000)
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

/** A process ends by itself, or a whole machine with its host process loses power. */
const breakMachine = (c: Cluster, random: SeededRandom): void => {
  const host = random.pick(c.hosts)
  const machine = c.machines.get(host)!
  const victims = liveOf(machine)
  if (victims.length > 0 && random.chance(0.7)) {
    machine.end(random.pick(victims).run.id, 1)
    return
  }
  c.world.crash(host)
  machine.powerOff()
}

type Act = 'create' | 'deploy' | 'config' | 'scale' | 'restart' | 'stop' | 'run' | 'rollback' | 'destroy'
const acts: readonly Act[] = [
  ...(['create', 'create', 'deploy', 'deploy', 'deploy', 'config', 'config', 'config'] as const),
  ...(['scale', 'scale', 'scale', 'restart', 'stop', 'run', 'rollback', 'destroy'] as const),
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
        app.created = true
      }, ignore)
      return
    case 'deploy': {
      const types = random.chance(0.7) ? { web: 'web', worker: 'worker' } : { web: 'web', clock: 'worker' }
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
    case 'destroy':
      if (!app.created || random.chance(0.5)) return
      app.destroying = true
      c.ask(ref(App, app.id), { type: 'destroy' }, askMs).then(() => {
        app.destroyed = true
      }, ignore)
  }
}

/** Other types may come or go with a slug, so what was said of them holds no more. */
const keepWeb = (app: Known): void => {
  const web = app.scale?.get('web')
  app.scale = web === undefined ? undefined : new Map([['web', web]])
}

const scale = (c: Cluster, app: Known, random: SeededRandom): void => {
  const type = random.pick(['web', 'web', 'worker', 'clock'])
  const quantity = random.between(0, 3)
  app.scaling++
  const before = app.scale
  app.scale = undefined
  c.ask(
    ref(Formation, app.id),
    { type: 'scale', updates: [{ type, quantity: String(quantity) }], by },
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
