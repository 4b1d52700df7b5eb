/**
 * Pipelines: apps join, leave and are destroyed, pipelines too, and code is promoted, while hosts, links and
 * the record fail.
 *
 * When the trouble is over an app is where it was last told to be, the app and its pipeline say the same, no
 * name is left of a pipeline that is gone, and each promotion has ended with one release in each of its
 * targets that succeeded.
 */
import { App, pipelineIdOf } from '../../actors/protocols/app.ts'
import { Pipeline } from '../../actors/protocols/pipeline.ts'
import { Promotion } from '../../actors/protocols/promotion.ts'
import { Releases } from '../../actors/protocols/releases.ts'
import { ref } from '../../src/runtime/index.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import { openSite, type Site } from '../chaos/worlds/sim/site.ts'
import type { Cluster } from './cluster.ts'
import { drawTrouble } from './mix.ts'
import { noPlant } from './plant.ts'
import { verdictOf, type Scenario } from './scenario.ts'

const roles = ['control', 'dyno', 'router', 'logplex']
const hosts = ['h1', 'h2', 'h3'].map((name) => ({ name, roles, labels: {} }))
const by = { id: 'u1', email: 'user@example.com' }
const actsMax = 40
const askMs = 8_000
const settleMs = 60_000
const convergeMs = 300_000
const stepMs = 2_000
const slug = {
  id: 'slug-1',
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 's',
  commit: '60a874b3',
  description: 'Deploy',
  processTypes: { worker: 'worker' },
  buildpackDescription: 'Procfile',
  createdAt: 1,
}

/** What the client knows of an app: where it is, unless it was not answered once: that may come late. */
type KnownApp = {
  readonly id: string
  in: string | null
  isUnsure: boolean
  isBusy: boolean
  isDestroyed: boolean
}
type KnownPipeline = { readonly id: string; readonly name: string; isGoing: boolean; isGone: boolean }
type KnownPromotion = { readonly id: string; readonly targets: readonly string[]; isOnRecord: boolean }
type Known = {
  readonly apps: readonly KnownApp[]
  readonly pipelines: readonly KnownPipeline[]
  readonly promotions: KnownPromotion[]
}

export const pipelines: Scenario = {
  name: 'pipelines',
  run: async (seed, options = {}) => {
    const site = openSite(seed, hosts, options.plant ?? noPlant)
    const { cluster: c } = site
    const { world } = c
    const { random } = world
    const known: Known = {
      apps: [1, 2, 3, 4].map(() => {
        const unasked = { isUnsure: false, isBusy: false, isDestroyed: false }
        return { id: random.uuid(), in: null, ...unasked }
      }),
      pipelines: ['one', 'two'].map((name) => ({ id: random.uuid(), name, isGoing: false, isGone: false })),
      promotions: [],
    }
    for (const [n, { id }] of known.apps.entries()) {
      const create = { type: 'create', name: `app-${n}`, owner: by, region: 'us', stack: 's' } as const
      await c.answer(ref(App, id), create)
    }
    for (const { id, name } of known.pipelines)
      await c.answer(ref(Pipeline, id), { type: 'create', name, owner: by })
    await trouble(site, known, random)
    const deadline = world.clock.now() + convergeMs
    let violations = await check(c, known)
    while (violations.length > 0 && world.clock.now() < deadline) {
      await world.run(() => false, stepMs)
      violations = await check(c, known)
    }
    for (const name of site.names) site.closeRouter(name)
    return verdictOf(world, violations)
  },
}

const trouble = async (site: Site, known: Known, random: SeededRandom): Promise<void> => {
  const { cluster: c } = site
  const mix = drawTrouble(
    site,
    known.apps.map(({ id }) => id),
    random,
  )
  for (let i = 0; i < actsMax; i++) {
    act(c, known, random)
    await c.world.run(() => false, random.between(5, 1_500))
    if (i % 4 === 3) mix.strike()
  }
  await c.world.run(() => false, askMs + 1_000)
  let isCalm = false
  void mix.calm().finally(() => {
    isCalm = true
  })
  await c.world.run(() => isCalm, settleMs)
}

const act = (c: Cluster, known: Known, random: SeededRandom): void => {
  const app = random.pick(known.apps)
  const pipeline = random.pick(known.pipelines)
  const what = random.pick([
    'couple',
    'couple',
    'couple',
    'uncouple',
    'promote',
    'promote',
    'destroy',
  ] as const)
  if (what === 'promote') return promote(c, known, random)
  // One change of an app at a time: what it comes to is then known, or not.
  if (app.isBusy || app.isDestroyed) return
  if (what === 'destroy') return destroy(c, app, pipeline, random)
  app.isBusy = true
  const asked =
    what === 'couple'
      ? c.ask(ref(Pipeline, pipeline.id), { type: 'couple', appId: app.id, stage: 'staging' }, askMs)
      : c.ask(ref(Pipeline, pipeline.id), { type: 'uncouple', appId: app.id }, askMs)
  asked
    .then(
      () => {
        app.in = what === 'couple' ? pipeline.id : null
      },
      (error: unknown) => {
        if ((error as { kind?: string }).kind !== 'refused') app.isUnsure = true
      },
    )
    .finally(() => {
      app.isBusy = false
    })
}

/** Rarely: most of a run is about those that stay. */
const destroy = (c: Cluster, app: KnownApp, pipeline: KnownPipeline, random: SeededRandom): void => {
  const ignore = (): void => undefined
  if (random.chance(0.5)) return
  if (random.chance(0.3)) {
    pipeline.isGoing = true
    c.ask(ref(Pipeline, pipeline.id), { type: 'destroy' }, askMs).then(() => {
      pipeline.isGone = true
    }, ignore)
    return
  }
  app.isDestroyed = true
  c.ask(ref(App, app.id), { type: 'destroy' }, askMs).catch(ignore)
}

const promote = (c: Cluster, known: Known, random: SeededRandom): void => {
  const targets = known.apps.filter(() => random.chance(0.5)).map(({ id }) => id)
  const made: KnownPromotion = { id: random.uuid(), targets, isOnRecord: false }
  known.promotions.push(made)
  const start = {
    type: 'start',
    pipelineId: known.pipelines[0]!.id,
    source: { appId: known.apps[0]!.id, releaseId: 'r' },
    slug,
    description: `Promote for ${made.id}`,
    targets: targets.map((appId) => ({ appId, error: null })),
    by,
  } as const
  c.ask(ref(Promotion, made.id), start, askMs).then(
    () => {
      made.isOnRecord = true
    },
    () => undefined,
  )
}

/** What an ask came to: an answer, `null` for a refusal, `undefined` for none. */
const get = async <T>(asked: Promise<T>): Promise<T | null | undefined> =>
  asked.catch((error: unknown) => ((error as { kind?: string }).kind === 'refused' ? null : undefined))

const check = async (c: Cluster, known: Known): Promise<string[]> => [
  ...(await checkApps(c, known)),
  ...checkNames(c, known),
  ...(await checkPromotions(c, known)),
]

const checkApps = async (c: Cluster, { apps, pipelines: all }: Known): Promise<string[]> => {
  const wrong: string[] = []
  const members = new Map<string, readonly string[]>()
  for (const { id, name, isGoing } of all) {
    const view = await get(c.answer(ref(Pipeline, id), { type: 'info' }))
    if (view === undefined) wrong.push(`pipeline ${name} does not answer`)
    if (view === null && !isGoing) wrong.push(`pipeline ${name} is not there`)
    members.set(id, view?.couplings.map(({ appId }) => appId) ?? [])
  }
  for (const [n, app] of apps.entries()) {
    const view = await get(c.answer(ref(App, app.id), { type: 'info' }))
    if (view === undefined) wrong.push(`app-${n} does not answer`)
    if (view === null && !app.isDestroyed) wrong.push(`app-${n} is not there`)
    const said = view == null ? undefined : pipelineIdOf(view)
    const listed = [...members].filter(([, ids]) => ids.includes(app.id)).map(([id]) => id)
    if (listed.length > 1) wrong.push(`app-${n} is in ${listed.length} pipelines`)
    if (listed[0] !== said) wrong.push(`app-${n} is in ${listed[0]}, and says ${said}`)
    // Who asked a host that died waits for ever.
    const isKnown = !app.isUnsure && !app.isBusy && !app.isDestroyed
    const isLetGo = all.some((one) => one.id === app.in && one.isGoing)
    if (isKnown && !isLetGo && (said ?? null) !== app.in)
      wrong.push(`app-${n} is in ${said}, and was told to be in ${app.in}`)
  }
  return wrong
}

/** A name leads to one pipeline, and that one has it. */
const checkNames = (c: Cluster, { pipelines: all }: Known): string[] => {
  const names = c.world.store.truth('name/pipeline/').map(({ key, value }) => {
    const { appId } = JSON.parse(Buffer.from(value).toString()) as { appId: string }
    return `${key.split('/').at(-1)} ${appId}`
  })
  const records = c.world.store.truth('actor/pipeline/').map(({ key }) => key)
  return all.flatMap(({ id, name, isGoing, isGone }) => [
    ...(!isGoing && !names.includes(`${name} ${id}`) ? [`the name ${name} is lost`] : []),
    ...(isGone && names.includes(`${name} ${id}`) ? [`the name ${name} is left`] : []),
    ...(isGone && records.some((key) => key.endsWith(id)) ? [`pipeline ${name} left a record`] : []),
  ])
}

const checkPromotions = async (c: Cluster, { promotions, apps }: Known): Promise<string[]> => {
  const wrong: string[] = []
  const ledgers = new Map<string, readonly { readonly id: string; readonly description: string }[]>()
  for (const { id } of apps)
    ledgers.set(id, (await get(c.answer(ref(Releases, id), { type: 'list' })))?.releases ?? [])
  for (const { id, targets, isOnRecord } of promotions) {
    const view = await get(c.answer(ref(Promotion, id), { type: 'info' }))
    if (view === undefined || (view === null && isOnRecord)) wrong.push(`promotion ${id} is not there`)
    for (const appId of targets) {
      const made = ledgers.get(appId)!.filter(({ description }) => description === `Promote for ${id}`)
      if (made.length > 1) wrong.push(`promotion ${id} made ${made.length} releases of ${appId}`)
      const target = view?.targets.find((one) => one.appId === appId)
      if (target?.status === 'pending') wrong.push(`promotion ${id} has not ended`)
      const isGone = apps.some((app) => app.id === appId && app.isDestroyed)
      if (target?.status === 'succeeded' && !isGone && made[0]?.id !== target.releaseId)
        wrong.push(`promotion ${id} says it released, and ${appId} does not`)
      if (target?.status === 'failed' && !isGone) wrong.push(`promotion ${id} failed: ${target.error}`)
    }
  }
  return wrong
}
