/**
 * The control actors together: a whole host of them over a simulated machine, in virtual time.
 */
import t from 'tap'
import { App } from '../../actors/protocols/app.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import { Releases } from '../../actors/protocols/releases.ts'
import type { Slug } from '../../actors/protocols/shapes.ts'
import { ref } from '../../src/runtime/index.ts'
import { createCluster, type Cluster } from '../../scripts/sim/cluster.ts'
import { liveOf } from '../../scripts/sim/engine.ts'

const by = { id: 'u1', email: 'e@example.com' }
const appId = '0b5ee7a1-0000-4000-8000-000000000001'
const [theApp, theReleases, theFormation] = [ref(App, appId), ref(Releases, appId), ref(Formation, appId)]

const slugOf = (processTypes: Record<string, string>, id = 'slug-1'): Slug => ({
  id,
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3',
  description: 'Deploy 60a874b3',
  processTypes,
  buildpackDescription: 'Procfile',
  createdAt: 1,
})
/** Refusals by code and text. */
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'accepted',
    (error: Error) => error.message,
  )
const create = (c: Cluster, name = 'demo', id = appId) =>
  c.answer(ref(App, id), { type: 'create', name, owner: by, region: 'us', stack: 'heroku-24' })
const deploy = (c: Cluster, types: Record<string, string>, id?: string) =>
  c.answer(theReleases, { type: 'deploy', slug: slugOf(types, id), description: 'Deploy 60a874b3', by })
const dynos = async (c: Cluster) => (await c.answer(theFormation, { type: 'dynos' })).dynos
const states = async (c: Cluster) =>
  Object.fromEntries((await dynos(c)).map((dyno) => [dyno.name, dyno.state]))
const lines = (c: Cluster, process: string) =>
  c.outside
    .lines(appId)
    .filter((line) => line.includes(`[${process}]`))
    .map((l) => l.slice(l.indexOf(' ') + 1))
const live = (c: Cluster) => [...c.machines.values()].flatMap(liveOf)
const pass = (c: Cluster, ms: number) => c.world.run(() => false, ms)

t.test('an app comes to be with two releases, is found, renamed and destroyed', async (t) => {
  const c = createCluster(1, ['a'])
  const made = await create(c)
  t.match(made, { id: appId, name: 'demo', owner: by, maintenance: false })
  t.same(await create(c), made, 'creating it again answers the same')
  const { releases, currentVersion } = await c.answer(theReleases, { type: 'list' })
  t.same(
    releases.map((r) => [r.version, r.description]),
    [
      [1, 'Initial release'],
      [2, 'Enable Logplex'],
    ],
  )
  t.equal(currentVersion, 2)
  t.match(await refusal(create(c, 'demo', 'other')), /^name_taken: /)
  const renamed = await c.answer(theApp, { type: 'rename', name: 'better' })
  t.equal(renamed.name, 'better')
  await pass(c, 1_000)
  t.match(await create(c, 'demo', 'other'), { name: 'demo' }, 'the old name is free again')
  const gone = await c.answer(theApp, { type: 'destroy' })
  t.equal(gone.name, 'better')
  t.match(await refusal(c.answer(theApp, { type: 'info' })), /^not_found: /)
  t.same(
    c.world.store.truth('actor/').filter((e) => e.key.includes(appId)),
    [],
    'no record is left',
  )
  t.equal(c.outside.routes.get(appId)?.gone, true)
  c.world.end()
})

t.test('the first deploy runs one web dyno, says what Heroku says, and the route leads to it', async (t) => {
  const c = createCluster(2, ['a'])
  await create(c)
  t.equal((await c.answer(theFormation, { type: 'route' })).web, 'blank')
  const release = await deploy(c, { web: 'web $PORT', worker: 'worker' })
  t.match(release, { version: 3, status: 'succeeded' })
  await c.world.run(() => c.outside.routes.get(appId)?.web === 'up', 10_000)
  await pass(c, 500)
  t.same(await states(c), { 'web.1': 'up' })
  const route = c.outside.routes.get(appId)!
  t.match(route, { web: 'up', appName: 'demo', targets: [{ dyno: 'web.1' }] })
  t.same(lines(c, 'api'), [
    'Initial release by user e@example.com',
    'Release v1 created by user e@example.com',
    'Enable Logplex by user e@example.com',
    'Release v2 created by user e@example.com',
    'Deploy 60a874b3 by user e@example.com',
    'Release v3 created by user e@example.com',
    'Scaled to web@1:Basic worker@0:Basic by user e@example.com',
  ])
  t.same(lines(c, 'web.1'), [
    `Starting process with command \`web ${route.targets[0]?.port}\``,
    'State changed from starting to up',
  ])
  c.world.end()
})

t.test('scaling adds and removes slots, and refuses what cannot be', async (t) => {
  const c = createCluster(3, ['a'])
  await create(c)
  await deploy(c, { web: 'web', worker: 'worker' })
  const scale = (updates: { type: string; quantity?: string; size?: string }[]) =>
    c.answer(theFormation, { type: 'scale', updates, by })
  const { types } = await scale([
    { type: 'web', quantity: '2' },
    { type: 'worker', quantity: '+1', size: 'standard-2x' },
  ])
  t.match(types, [
    { type: 'web', quantity: 2, size: 'Basic' },
    { type: 'worker', quantity: 1, size: 'Standard-2X' },
  ])
  await pass(c, 5_000)
  t.same(await states(c), { 'web.1': 'up', 'web.2': 'up', 'worker.1': 'up' })
  t.equal(c.outside.routes.get(appId)?.targets.length, 2)
  await scale([{ type: 'web', quantity: '1' }])
  await pass(c, 5_000)
  t.same(await states(c), { 'web.1': 'up', 'worker.1': 'up' })
  t.equal(live(c).length, 2)
  t.match(lines(c, 'web.2').slice(-3), [
    'State changed from up to down',
    'Stopping all processes with SIGTERM',
    'Process exited with status 143',
  ])
  t.match(
    await refusal(scale([{ type: 'cron', quantity: '1' }])),
    /^invalid_params: .*No such process type cron defined in Procfile\.$/,
  )
  t.match(
    await refusal(scale([{ type: 'web', quantity: '101' }])),
    /^invalid_params: .*more than 100 Basic size dynos/,
  )
  t.match(
    await refusal(scale([{ type: 'web', size: 'huge' }])),
    /^invalid_params: .*No such dyno size as huge/,
  )
  t.match(lines(c, 'api').at(-1), /^Scaled to web@1:Basic worker@1:Standard-2X by user/)
  await scale([{ type: 'web', quantity: '0' }])
  await pass(c, 5_000)
  t.equal(c.outside.routes.get(appId)?.web, 'none')
  c.world.end()
})

t.test('config changes make releases, each on the last, and none when nothing changes', async (t) => {
  const c = createCluster(4, ['a'])
  await create(c)
  await deploy(c, { web: 'web' })
  await pass(c, 5_000)
  const set = (patch: Record<string, string | null>) =>
    c.answer(theReleases, { type: 'setConfig', patch, by })
  const both = await Promise.all([set({ A: '1' }), set({ B: '2' })])
  t.same(
    both.map((one) => one.version),
    [4, 5],
  )
  const { release } = await c.answer(theReleases, { type: 'current' })
  t.same(c.outside.vars.get(release.configId), { A: '1', B: '2' })
  t.match(await set({ A: '1' }), { version: 5, changed: false })
  t.match(await set({ A: null, C: '3' }), { version: 6, changed: true })
  const { release: v6 } = await c.answer(theReleases, { type: 'find', which: 'v6' })
  t.equal(v6.description, 'Set C and remove A config vars')
  await pass(c, 10_000)
  const [web] = await dynos(c)
  t.match(web, { name: 'web.1', state: 'up', releaseVersion: 6 })
  t.equal(live(c).length, 1, 'the run of the old release is gone')
  t.match(await c.answer(theReleases, { type: 'rollback', to: 'v4', by }), {
    version: 7,
    description: 'Rollback to v4',
  })
  t.match(await refusal(c.answer(theReleases, { type: 'rollback', to: 'v2', by })), /^invalid_params: /)
  t.match(await refusal(c.answer(theReleases, { type: 'rollback', to: 'v99', by })), /^not_found: /)
  c.world.end()
})

t.test('a restart starts the new run before it ends the old one', async (t) => {
  const c = createCluster(5, ['a'])
  await create(c)
  await deploy(c, { web: 'web' })
  await pass(c, 5_000)
  const before = live(c)[0]?.run.id
  t.same(await c.answer(theFormation, { type: 'restart', by }), { restarted: 1 })
  let fewest = 1
  await c.world.run(() => {
    fewest = Math.min(fewest, c.outside.routes.get(appId)?.targets.length ?? 0)
    return live(c).length === 1 && live(c)[0]?.run.id !== before
  }, 60_000)
  await pass(c, 1_000)
  t.equal(fewest, 1, 'there was a target all the time')
  t.equal(live(c).length, 1)
  t.match(lines(c, 'web.1').slice(2), [
    'Restarting',
    'State changed from up to starting',
    'Starting process with command `web`',
    'State changed from starting to up',
    'Stopping all processes with SIGTERM',
    'Process exited with status 143',
  ])
  c.world.end()
})

t.test('a crash is restarted at once, the next one cools off, a restart forgives', async (t) => {
  const c = createCluster(8, ['a'])
  await create(c)
  await deploy(c, { web: 'crash' })
  await pass(c, 15_000)
  t.same(await states(c), { 'web.1': 'crashed' })
  t.equal(c.machines.get('a')?.started(), 2)
  t.equal(c.outside.routes.get(appId)?.web, 'crashed')
  t.match(lines(c, 'web.1').slice(1, 5), [
    'State changed from starting to up',
    'Process exited with status 1',
    'State changed from up to crashed',
    'State changed from crashed to starting',
  ])
  await pass(c, 20 * 60_000)
  const tries = c.machines.get('a')!.started()
  t.ok(tries >= 3, 'the first cool-off is 20 minutes at most')
  await c.answer(theFormation, { type: 'restart', by })
  await pass(c, 15_000)
  t.ok(c.machines.get('a')!.started() >= tries + 2, 'and its first crash is restarted at once again')
  c.world.end()
})

t.test('a web process that never binds is killed after 60 seconds with R10', async (t) => {
  const c = createCluster(7, ['a'])
  await create(c)
  await deploy(c, { web: 'never' })
  await pass(c, 59_000)
  t.same(await states(c), { 'web.1': 'starting' })
  t.equal(c.outside.routes.get(appId)?.web, 'booting')
  await pass(c, 3_000)
  t.match(lines(c, 'web.1').slice(1, 5), [
    'Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch',
    'Stopping process with SIGKILL',
    'Process exited with status 137',
    'State changed from starting to crashed',
  ])
  c.world.end()
})

t.test('a process that ignores SIGTERM is killed after 30 seconds with R12', async (t) => {
  const c = createCluster(8, ['a'])
  await create(c)
  await deploy(c, { web: 'stubborn' })
  await pass(c, 5_000)
  t.same(await c.answer(theFormation, { type: 'stopDyno', dyno: 'web.1', by }), { stopped: 1 })
  await pass(c, 35_000)
  t.match(lines(c, 'web.1').slice(2), [
    'Stopping all processes with SIGTERM',
    'Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM',
    'Stopping remaining processes with SIGKILL',
    'Process exited with status 137',
    'State changed from up to crashed',
    'State changed from crashed to starting',
  ])
  t.same(await states(c), { 'web.1': 'up' }, 'the crash policy starts it again')
  c.world.end()
})

t.test('a one-off runs once, ends complete whatever its status, and is forgotten', async (t) => {
  const c = createCluster(9, ['a'])
  await create(c)
  const run = (command: string) =>
    c.answer(theFormation, { type: 'run', command, env: {}, attachToken: null, terminal: null, by })
  t.match(await refusal(run('exit 2')), /^invalid_params: /, 'nothing was deployed')
  await deploy(c, { web: 'web', job: 'exit 3' })
  const { name } = await run('exit 2')
  t.match(name, /^run\.[1-9]\d{3}$/)
  await pass(c, 3_000)
  t.equal((await states(c))[name], 'complete')
  t.match(lines(c, name), [
    'Starting process with command `exit 2`',
    'State changed from starting to up',
    'Process exited with status 2',
    'State changed from up to complete',
  ])
  const typed = await run('job --once')
  t.equal(typed.command, 'exit 3 --once', 'a process type stands for its command')
  await pass(c, 30_000)
  t.same(Object.keys(await states(c)), ['web.1'])
  t.equal(live(c).length, 1)
  c.world.end()
})

t.test('a host process that dies leaves its dynos running and takes them up again', async (t) => {
  const c = createCluster(10, ['a'])
  await create(c)
  await deploy(c, { web: 'web', worker: 'worker' })
  await c.answer(theFormation, { type: 'scale', updates: [{ type: 'worker', quantity: '2' }], by })
  await pass(c, 5_000)
  const before = live(c)
    .map((process) => process.run.id)
    .sort()
  c.world.crash('a')
  await pass(c, 5_000)
  t.equal(live(c).length, 3)
  c.machines.get('a')?.end(live(c).find((process) => process.run.name === 'worker.2')!.run.id, 1)
  c.world.restart('a')
  await pass(c, 20_000)
  const after = live(c)
    .map((process) => process.run.id)
    .sort()
  t.equal(after.length, 3)
  t.equal(after.filter((id) => before.includes(id)).length, 2, 'two were adopted, the dead one replaced')
  t.same(await states(c), { 'web.1': 'up', 'worker.1': 'up', 'worker.2': 'up' })
  c.world.end()
})

t.test('after all power was lost the same dynos come up with nobody helping', async (t) => {
  const c = createCluster(11, ['a', 'b'])
  await create(c)
  await deploy(c, { web: 'web' })
  await c.answer(theFormation, { type: 'scale', updates: [{ type: 'web', quantity: '3' }], by })
  await pass(c, 5_000)
  t.equal(new Set(live(c).map((process) => process.address)).size, 2, 'dynos are spread over hosts')
  for (const name of c.hosts) {
    c.world.crash(name)
    c.machines.get(name)?.powerOff()
  }
  await pass(c, 1_000)
  for (const name of c.hosts) c.world.restart(name)
  await c.world.run(() => live(c).length === 3 && c.outside.routes.get(appId)?.targets.length === 3, 30_000)
  await pass(c, 2_000)
  t.same(await states(c), { 'web.1': 'up', 'web.2': 'up', 'web.3': 'up' })
  t.equal(live(c).length, 3)
  c.world.end()
})

t.test('domains lead to one app only, and maintenance shows in the route', async (t) => {
  const c = createCluster(12, ['a'])
  await create(c)
  await create(c, 'second', 'second')
  const domain = await c.answer(theApp, { type: 'addDomain', hostname: 'WWW.example.com' })
  t.equal(domain.hostname, 'www.example.com')
  t.match(
    await refusal(c.answer(theApp, { type: 'addDomain', hostname: 'www.example.com' })),
    /^invalid_params: /,
  )
  const taken = c.answer(ref(App, 'second'), { type: 'addDomain', hostname: 'www.example.com' })
  t.match(await refusal(taken), /^hostname_taken: /)
  await c.answer(theApp, { type: 'change', maintenance: true })
  await pass(c, 1_000)
  t.match(await c.answer(theFormation, { type: 'route' }), {
    hostnames: ['www.example.com'],
    maintenance: true,
  })
  await c.answer(theApp, { type: 'removeDomain', hostname: 'www.example.com' })
  await pass(c, 1_000)
  t.match(await c.answer(ref(App, 'second'), { type: 'addDomain', hostname: 'www.example.com' }), {
    hostname: 'www.example.com',
  })
  c.world.end()
})
