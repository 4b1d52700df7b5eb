/**
 * Whole clusters in virtual time: hosts that lose power, are cut off, stand still, are drained, or join.
 */
import t from 'tap'
import { App } from '../../actors/protocols/app.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import { Placement } from '../../actors/protocols/placement.ts'
import { Releases } from '../../actors/protocols/releases.ts'
import { createCluster, type Cluster } from '../../scripts/sim/cluster.ts'
import { liveOf } from '../../scripts/sim/engine.ts'
import { calmOutside } from '../../scripts/sim/outside.ts'
import { ref, refAt } from '../../src/runtime/index.ts'

const by = { id: 'u1', email: 'e@example.com' }
const appId = '0b5ee7a1-0000-4000-8000-000000000001'
const slug = {
  id: 'slug-1',
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3',
  description: 'Deploy',
  processTypes: { web: 'web', clock: 'worker' },
  buildpackDescription: 'Procfile',
  createdAt: 1,
}
type Updates = { type: string; quantity: string; singleton?: boolean }[]
/** An app that runs so many dynos, on a cluster of these hosts. */
const running = async (
  seed: number,
  hosts: readonly string[],
  updates: Updates,
  zones: Record<string, string> = {},
) => {
  const c = createCluster(
    seed,
    hosts.map((name) => ({
      name,
      roles: ['control', 'dyno', 'logplex'],
      labels: { zone: zones[name] ?? 'x' },
    })),
  )
  await c.answer(ref(App, appId), { type: 'create', name: 'demo', owner: by, region: 'us', stack: 's' })
  await pass(c, 1_000)
  await c.answer(ref(Releases, appId), { type: 'deploy', slug, description: 'Deploy', by })
  await c.answer(ref(Formation, appId), { type: 'scale', updates, by })
  const wanted = updates.reduce((sum, { quantity }) => sum + Number(quantity), 0)
  await c.world.run(() => live(c).length === wanted && serving(c).length > 0, 30_000)
  await pass(c, 2_000)
  return c
}
const live = (c: Cluster, host?: string) =>
  [...c.machines]
    .filter(([name]) => host === undefined || name === host)
    .flatMap(([, machine]) => liveOf(machine))
const serving = (c: Cluster) => c.outside.routes.get(appId)?.targets ?? []
const pass = (c: Cluster, ms: number) => c.world.run(() => false, ms)
const powerOff = (c: Cluster, host: string) => {
  c.world.crash(host)
  c.machines.get(host)?.powerOff()
}
/** @returns virtual ms that it took; -1: it never was so */
const within = async (c: Cluster, ms: number, done: () => boolean): Promise<number> => {
  const from = c.world.virtualMs()
  return (await c.world.run(done, ms)) ? c.world.virtualMs() - from : -1
}
const states = async (c: Cluster) =>
  Object.fromEntries(
    (await c.answer(ref(Formation, appId), { type: 'dynos' })).dynos.map((dyno) => [dyno.name, dyno.state]),
  )
/** Every moment at which two lives of a slot ran at once. */
const overlaps = (c: Cluster, type: string) => {
  const lives = [...c.machines.values()]
    .flatMap((machine) => machine.lives)
    .filter(({ run }) => run.type === type)
  return lives.filter((one) =>
    lives.some(
      (other) =>
        other !== one &&
        other.run.name === one.run.name &&
        other.fromMs <= one.fromMs &&
        (other.toMs ?? Number.POSITIVE_INFINITY) > one.fromMs,
    ),
  )
}

t.test('a zone gets half of the dynos however few hosts it has', async (t) => {
  const zones = { a: 'x', b: 'x', c: 'y' }
  const c = await running(1, ['a', 'b', 'c'], [{ type: 'web', quantity: '4' }], zones)
  t.same(
    ['a', 'b', 'c'].map((host) => live(c, host).length),
    [1, 1, 2],
  )
  c.world.end()
})

t.test(
  'a host that loses power: its dynos run elsewhere two seconds later, and none twice when it returns',
  async (t) => {
    for (const victim of ['a', 'c']) {
      const c = await running(2, ['a', 'b', 'c'], [{ type: 'web', quantity: '6' }])
      t.equal(live(c, victim).length, 2)
      powerOff(c, victim)
      const ms = await within(c, 20_000, () => serving(c).filter(({ host }) => host !== victim).length === 6)
      t.ok(ms > 0 && ms < 2_500, `the ${victim === 'a' ? 'leader' : 'follower'}'s dynos after ${ms} ms`)
      await pass(c, 30_000)
      t.equal(live(c).length, 6)
      c.world.restart(victim)
      await pass(c, 30_000)
      t.equal(live(c).length, 6)
      t.same(new Set(Object.values(await states(c))), new Set(['up']))
      c.world.end()
    }
  },
)

t.test(
  'a host that is cut off keeps serving until its successors do, and is told what is surplus',
  async (t) => {
    const c = await running(3, ['a', 'b', 'c'], [{ type: 'web', quantity: '6' }])
    const before = live(c, 'c').map(({ run }) => run.id)
    let fewest = 6
    for (const other of ['a', 'b']) {
      c.world.network.cut('c', other)
      c.world.network.cut(other, 'c')
    }
    const moved = await within(c, 20_000, () => {
      fewest = Math.min(fewest, serving(c).length)
      return serving(c).every(({ host }) => host !== 'c')
    })
    t.ok(moved > 0 && moved < 3_000, `moved after ${moved} ms`)
    t.equal(fewest, 6, 'nothing was taken away')
    t.equal(live(c, 'c').length, before.length, 'they run on there')
    await pass(c, 20_000)
    c.world.network.heal()
    await pass(c, 10_000)
    t.equal(live(c).length, 6)
    c.world.end()
  },
)

t.test(
  'while the record is away dynos are started elsewhere all the same, and are on record later',
  async (t) => {
    const c = await running(4, ['a', 'b', 'c'], [{ type: 'web', quantity: '6' }])
    c.world.store.writesAway(true)
    powerOff(c, 'c')
    const started = await within(c, 20_000, () => live(c).length === 6)
    t.ok(started > 0 && started < 2_500, `started after ${started} ms`)
    const ids = live(c).map(({ run }) => run.id)
    await pass(c, 9_000)
    c.world.store.writesAway(false)
    await pass(c, 30_000)
    t.same(
      live(c)
        .map(({ run }) => run.id)
        .sort(),
      ids.sort(),
      'the very same run on',
    )
    t.equal(serving(c).length, 6)
    t.same(new Set(Object.values(await states(c))), new Set(['up']))
    c.world.end()
  },
)

t.test('a draining host is emptied with no dyno less on the way; undrained, it takes new ones', async (t) => {
  const c = await running(
    5,
    ['a', 'b', 'c'],
    [
      { type: 'web', quantity: '6' },
      { type: 'clock', quantity: '1', singleton: true },
    ],
  )
  c.drain('b', true)
  let fewest = 6
  const emptied = await within(c, 120_000, () => {
    fewest = Math.min(fewest, serving(c).length)
    return live(c, 'b').length === 0
  })
  t.ok(emptied > 0, `after ${emptied} ms`)
  t.equal(fewest, 6)
  t.same(overlaps(c, 'clock'), [])
  await pass(c, 30_000)
  t.equal(live(c).length, 7)
  c.drain('b', false)
  await pass(c, 1_000)
  await c.answer(ref(Formation, appId), { type: 'scale', updates: [{ type: 'web', quantity: '7' }], by })
  await pass(c, 5_000)
  t.ok(live(c, 'b').length > 0)
  c.world.end()
})

t.test('a singleton never has two lives: restarted, cut off, frozen, or its host dead', async (t) => {
  for (const how of ['restart', 'cut', 'freeze', 'power', 'crash'] as const) {
    const c = await running(
      6,
      ['a', 'b', 'c'],
      [
        { type: 'web', quantity: '1' },
        { type: 'clock', quantity: '1', singleton: true },
      ],
    )
    const at = (): string | undefined =>
      ['a', 'b', 'c'].find((host) => live(c, host).some(({ run }) => run.type === 'clock'))
    const before = at()!
    if (how === 'restart') await c.answer(ref(Formation, appId), { type: 'restart', by })
    if (how === 'cut') {
      for (const other of ['a', 'b', 'c'].filter((name) => name !== before)) {
        c.world.network.cut(before, other)
        c.world.network.cut(other, before)
      }
    }
    if (how === 'freeze') {
      c.world.freeze(before)
      c.machines.get(before)?.freeze()
    }
    if (how === 'power') powerOff(c, before)
    if (how === 'crash') c.world.crash(before)
    await pass(c, how === 'crash' ? 5_000 : 60_000)
    if (how !== 'restart' && how !== 'crash') t.not(at(), undefined, `${how}: it runs elsewhere`)
    if (how === 'freeze') {
      c.world.thaw(before)
      c.machines.get(before)?.thaw()
    }
    c.world.network.heal()
    c.world.restart(before)
    await pass(c, 60_000)
    const clocks = live(c).filter(({ run }) => run.type === 'clock')
    t.equal(clocks.length, 1, how)
    if (how !== 'freeze')
      t.same(
        overlaps(c, 'clock').map(({ run }) => run.id),
        [],
        how,
      )
    c.world.end()
  }
})

t.test('after a host joined, dynos go to it one by one until the spread is even', async (t) => {
  const c = createCluster(7, ['a', 'b'])
  c.world.crash('b')
  await c.answer(ref(App, appId), { type: 'create', name: 'demo', owner: by, region: 'us', stack: 's' })
  await c.answer(ref(Releases, appId), { type: 'deploy', slug, description: 'Deploy', by })
  await c.answer(ref(Formation, appId), { type: 'scale', updates: [{ type: 'web', quantity: '4' }], by })
  await pass(c, 20_000)
  t.equal(live(c, 'a').length, 4)
  c.world.restart('b')
  let fewest = 4
  const even = await within(c, 120_000, () => {
    fewest = Math.min(fewest, serving(c).length)
    return live(c, 'a').length === 2 && live(c, 'b').length === 2
  })
  t.ok(even > 10_000, `after ${even} ms`)
  t.equal(fewest, 4)
  const started = [...c.machines.values()].reduce((sum, machine) => sum + machine.started(), 0)
  await pass(c, 600_000)
  t.equal(
    [...c.machines.values()].reduce((sum, machine) => sum + machine.started(), 0),
    started,
    'and stay there',
  )
  t.equal((await c.answer(refAt(Placement, 'placement', 'a'), { type: 'hosts' })).moving, 0)
  c.world.end()
})

/** Every host process ends and the record loses so many ms of writes; dynos run on. */
const forget = async (c: Cluster, ms: number) => {
  const hosts = c.world.alive()
  for (const host of hosts) c.world.crash(host)
  c.world.store.rollback(ms)
  for (const host of hosts) c.world.restart(host)
  await c.world.run(() => (c.view()?.members.filter(({ state }) => state === 'up').length ?? 0) === 3, 30_000)
}
const quantities = async (c: Cluster) =>
  Object.fromEntries(
    (await c.answer(ref(Formation, appId), { type: 'types' })).types.map(({ type, quantity }) => [
      type,
      quantity,
    ]),
  )

t.test('a scale that the record lost is had back from the dynos that it started', async (t) => {
  const c = await running(8, ['a', 'b', 'c'], [{ type: 'web', quantity: '2' }])
  await pass(c, 5_000)
  const updates = [
    { type: 'web', quantity: '5' },
    { type: 'clock', quantity: '1', singleton: true },
  ]
  await c.answer(ref(Formation, appId), { type: 'scale', updates, by })
  await c.world.run(() => live(c).length === 6 && serving(c).length === 5, 30_000)
  const runs = () =>
    live(c)
      .map(({ run }) => run.id)
      .sort()
  const before = runs()
  await forget(c, 4_000)
  await pass(c, 40_000)
  t.same(await quantities(c), { clock: 1, web: 5 })
  t.same(runs(), before, 'nothing was ended or started')
  t.same(new Set(Object.values(await states(c))), new Set(['up']))
  t.equal(serving(c).length, 5)
  c.world.end()
})

t.test('what was decided after the record lost a scale stands against the dynos of that scale', async (t) => {
  const c = await running(9, ['a', 'b', 'c'], [{ type: 'web', quantity: '2' }])
  await pass(c, 5_000)
  const scale = (quantity: string) =>
    c.answer(ref(Formation, appId), { type: 'scale', updates: [{ type: 'web', quantity }], by })
  await scale('5')
  await c.world.run(() => live(c).length === 5, 30_000)
  await forget(c, 4_000)
  await scale('1')
  await pass(c, 60_000)
  t.match(await quantities(c), { web: 1 })
  t.equal(live(c).length, 1)
  c.world.end()
})

t.test('lines that wait in a channel are kept when it moves to a host that comes back', async (t) => {
  const c = await running(10, ['a', 'b', 'c'], [{ type: 'web', quantity: '1' }])
  for (const victim of ['a', 'b', 'c']) {
    c.world.crash(victim)
    await pass(c, 20_000)
    c.outsideFaults = { ...calmOutside, fail: 1 }
    const texts = Array.from({ length: 20 }, (_, at) => `${victim} ${at}`)
    const said = c.said.get(c.world.alive()[0]!)!
    for (const text of texts) {
      const atUs = c.world.clock.now() * 1000
      said.add(appId, { atUs, source: 'app', process: 'api', text: Buffer.from(text) })
    }
    said.flush(appId)
    await pass(c, 2_000)
    c.world.restart(victim)
    await pass(c, 20_000)
    c.outsideFaults = calmOutside
    await pass(c, 20_000)
    const kept = c.outside.lines(appId).filter((line) => line.startsWith(`app[api]: ${victim} `))
    t.same(
      kept,
      texts.map((text) => `app[api]: ${text}`),
      `${victim} was away: each once, in order`,
    )
  }
  c.world.end()
})
