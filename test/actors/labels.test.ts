/**
 * Labels that a process type requires of its host: where its runs go, what is said when there is no such
 * host, and that nothing ever takes them elsewhere.
 */
import t from 'tap'
import { formationRecord } from '../../actors/formation/kept.ts'
import type { Formed } from '../../actors/formation/record.ts'
import { scaleTypes, typesOf } from '../../actors/formation/scale.ts'
import { formation } from '../../actors/formation.ts'
import { choose, Spread } from '../../actors/placement/choose.ts'
import { Fleet } from '../../actors/placement/fleet.ts'
import { placement } from '../../actors/placement.ts'
import { App } from '../../actors/protocols/app.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import { Releases } from '../../actors/protocols/releases.ts'
import type { Announcement, FleetRun, FleetView } from '../../actors/protocols/shapes.ts'
import { createCluster, type Cluster } from '../../scripts/sim/cluster.ts'
import { liveOf } from '../../scripts/sim/engine.ts'
import { ref } from '../../src/runtime/index.ts'
import { drive, textsOf } from '../kit/drive.ts'

const mb = 2 ** 20
const ssd = { disk: 'ssd' }
const by = { id: 'u1', email: 'e@example.com' }
const slug = {
  id: 'slug-1',
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3',
  description: 'Deploy',
  processTypes: { web: 'web', db: 'db' },
  buildpackDescription: 'Procfile',
  createdAt: 1,
}

type Member = FleetView['members'][number]
type Hosts = Readonly<
  Record<string, { readonly labels?: Member['labels']; readonly state?: Member['state'] }>
>
const viewOf = (number: number, hosts: Hosts): FleetView => ({
  number,
  leader: 'a',
  braked: false,
  members: Object.entries(hosts).map(([name, { labels = {}, state = 'up' }]) => ({
    name,
    incarnation: 1,
    roles: ['control', 'dyno'],
    labels,
    state,
  })),
})
const said = (host: string, runs: readonly FleetRun[] = [], memoryBytes = 8_192 * mb): Announcement => ({
  host,
  since: 1,
  seq: 1,
  full: true,
  memoryBytes,
  load: 0,
  count: runs.length,
  runs: [...runs],
  gone: [],
})
const runOf = (id: string, labels?: Member['labels']): FleetRun => ({
  id,
  appId: id,
  name: 'db.1',
  bytes: 512 * mb,
  epoch: 10,
  singleton: false,
  ...(labels && { labels }),
})
const driven = (view: FleetView, ...all: readonly Announcement[]) => {
  const p = drive(placement, { key: 'placement', args: null, host: 'a' })
  p.send({ type: 'viewChanged', view })
  for (const one of all) p.send({ type: 'announced', ...one })
  p.clear()
  return p
}
const question = (labels: Member['labels'], ...names: readonly string[]) => ({
  type: 'place' as const,
  appId: 'app-1',
  processType: 'db',
  memoryBytes: 512 * mb,
  singleton: false,
  labels,
  held: [],
  runs: names.map((name) => ({ runId: name, name, epoch: 20 })),
  relayed: false,
})
const moves = (p: ReturnType<typeof driven>) =>
  p.told.flatMap(({ message }) =>
    message.type === 'move' ? (message as unknown as { runs: object[] }).runs : [],
  )

t.test('a run goes only to hosts that have all its labels, in whatever zone they are', (t) => {
  const fleet = new Fleet()
  const hosts = {
    a: {},
    b: { labels: { ...ssd, zone: 'x' } },
    c: { labels: { ...ssd, gpu: 'y', zone: 'z' } },
  }
  fleet.setView(viewOf(1, hosts))
  for (const host of ['a', 'b', 'c']) fleet.announce(said(host), 1)
  const go = (labels: Member['labels'], held: readonly string[] = []) =>
    choose(fleet, new Spread(fleet, held), { bytes: mb, labels })
  t.equal(go({ gpu: 'y', ...ssd }), 'c')
  t.equal(go(ssd, ['c', 'c']), 'b', 'spread among those')
  t.equal(go({ gpu: 'y' }, ['c', 'c', 'c']), 'c')
  t.equal(go({ disk: 'hdd' }), undefined)
  t.equal(go({}, ['b', 'c']), 'a')
  t.end()
})

t.test('what no host matches has a reason that names the labels; a host that joins ends the wait', (t) => {
  const hosts: Hosts = { a: {}, b: {} }
  const p = driven(viewOf(1, hosts), said('a'), said('b'))
  const ask = (...names: readonly string[]) => p.send(question(ssd, ...names))?.value
  t.match(ask('db.1'), { placed: [], failed: { code: 'no_match', reason: 'No host has disk=ssd' } })
  t.match(p.logs, [{ at: 'unplaceable', reason: 'No host has disk=ssd' }])
  p.send({ type: 'viewChanged', view: viewOf(2, { ...hosts, c: { labels: ssd } }) })
  t.match(ask('db.1'), {
    failed: { code: 'no_host', reason: 'No host with disk=ssd takes dynos (1 starting)' },
  })
  p.send({ type: 'announced', ...said('c', [], 512 * mb) })
  p.fire('room')
  t.match(p.told.at(-1), { to: { to: 'formation', key: 'app-1' }, message: { type: 'room' } })
  t.match(ask('db.1'), { placed: [{ host: 'c' }], failed: null })
  const reason = 'No host with disk=ssd has 512 MB of memory to spare'
  t.match(ask('db.2'), { failed: { code: 'no_room', reason } })
  t.end()
})

t.test('a lost or draining host, and the balance, take runs only to hosts that have their labels', (t) => {
  const hosts: Hosts = { a: {}, b: { labels: ssd }, c: { labels: ssd } }
  const all = [said('a', [], 65_536 * mb), said('b'), said('c', [runOf('one', ssd), runOf('two', ssd)])]
  const lost = driven(viewOf(1, hosts), ...all)
  lost.send({ type: 'viewChanged', view: viewOf(2, { ...hosts, c: { labels: ssd, state: 'suspect' } }) })
  t.match(moves(lost), [{ host: 'b' }, { host: 'b' }])
  const draining = driven(viewOf(1, hosts), ...all)
  draining.send({ type: 'viewChanged', view: viewOf(2, { ...hosts, c: { labels: ssd, state: 'draining' } }) })
  t.match(moves(draining), [{ host: 'b' }, { host: 'b' }])
  const full = driven(viewOf(1, { a: {}, c: { labels: ssd } }), said('a'), all[2]!)
  full.send({ type: 'viewChanged', view: viewOf(2, { a: {}, c: { labels: ssd, state: 'draining' } }) })
  t.same(moves(full), [])
  t.match(full.logs.at(-1), { reason: 'c is draining, and no other host with disk=ssd has room' })
  const crowd = Array.from({ length: 8 }, (_, n) => runOf(`r${n}`, ssd))
  const uneven = driven(viewOf(1, { a: {}, c: { labels: ssd } }), said('c', crowd), said('a'))
  for (let tick = 0; tick < 60; tick += 1) uneven.fire('tick')
  t.same(moves(uneven), [], 'the empty host has not the label')
  t.end()
})

t.test('labels are checked, kept by a scale, and taken away by none', (t) => {
  const types = typesOf(slug, [], true, { now: 1, uuid: () => 'id' })
  const scaled = (labels: Member['labels'] | undefined, from = types) =>
    scaleTypes(from, [{ type: 'db', labels }], 2)
  const labelled = scaled(ssd)
  t.match(labelled, { ok: true, types: [{ type: 'db', labels: ssd }, { type: 'web' }] })
  if (labelled.ok) {
    t.match(scaleTypes(labelled.types, [{ type: 'db', quantity: '2' }], 3), { types: [{ labels: ssd }, {}] })
    const none = scaled({}, labelled.types)
    t.same(none.ok && none.types[0]?.labels, {})
  }
  t.match(scaled({ Disk: 'ssd' }), { ok: false, reason: /^Invalid label Disk=ssd\. Names are lower-case/ })
  t.match(scaled({ disk: 'a b' }), { ok: false, reason: /Invalid label disk=a b/ })
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`l${n}`, 'x']))
  t.match(scaled(many), { ok: false, reason: 'Cannot require more than 8 labels of a host.' })
  t.end()
})

t.test('a formation asks for its labels, says what is missing, and lets the old run serve meanwhile', (t) => {
  const f = drive(formation, { key: 'app-1', args: undefined })
  const record = (): Formed => formationRecord.load(f.saved()!, 'app-1')
  f.send({ type: 'open', appName: 'demo' })
  const release = {
    id: 'r3',
    version: 3,
    description: 'Deploy',
    status: 'succeeded' as const,
    userId: by.id,
    userEmail: by.email,
    configId: 'c',
    slug,
    createdAt: 1,
    updatedAt: 1,
  }
  f.send({ type: 'released', release, by })
  f.answered('place', { placed: [{ runId: record().slots[0]!.run!.id, host: 'h' }], failed: null })
  const order = f.told.find(({ message }) => message.type === 'launch')?.message as unknown as {
    run: { id: string; name: string; epoch: number; releaseVersion: number }
  }
  const { id, name, epoch, releaseVersion } = order.run
  const where = { address: '10.0.0.1', port: 3_000, outer: null, startedAt: 1, code: null, error: null }
  const report = { id, appId: 'app-1', name, epoch, releaseVersion, phase: 'up' as const, ...where }
  f.send({ type: 'dynoChanged', host: 'h', report })
  f.clear()
  f.send({ type: 'scale', updates: [{ type: 'web', labels: ssd }], by })
  t.match(f.asked.at(-1)?.message, { type: 'place', labels: ssd })
  const reason = 'No host has disk=ssd'
  f.answered('place', { placed: [], failed: { code: 'no_match', reason } })
  t.match(record().slots, [{ old: { id, phase: 'up' }, run: { phase: 'placing' } }])
  t.match(f.send({ type: 'dynos' })?.value, { dynos: [{ state: 'starting', waiting: reason }] }, 'heroku ps')
  t.equal(textsOf(f).at(-1), `Error R99 (Platform error) -> ${reason}`, 'heroku logs')
  f.send({ type: 'scale', updates: [{ type: 'web', labels: { disk: 'hdd' } }], by })
  t.match(f.asked.at(-1)?.message, { labels: { disk: 'hdd' } }, 'what waits is asked for anew')
  f.send({ type: 'room' })
  const { run } = record().slots[0]!
  f.answered('place', { placed: [{ runId: run!.id, host: 'k' }], failed: null })
  t.match(f.told.at(-1), { to: { host: 'k' }, message: { run: { scale: { labels: { disk: 'hdd' } } } } })
  t.end()
})

t.test(
  'in a cluster: dynos wait for a host of their kind, and go to no other when one is lost',
  async (t) => {
    const labels: Record<string, Member['labels']> = { a: {}, b: {}, c: ssd, d: ssd }
    const specs = Object.entries(labels).map(([name, own]) => ({
      name,
      roles: ['control', 'dyno', 'logplex'],
      labels: own,
    }))
    const c: Cluster = createCluster(11, specs)
    const appId = '0b5ee7a1-0000-4000-8000-000000000001'
    const hostsOf = (type: string): string[] =>
      [...c.machines].flatMap(([name, machine]) =>
        liveOf(machine).flatMap(({ run }) => (run.type === type ? [name] : [])),
      )
    c.world.crash('c')
    c.world.crash('d')
    await c.answer(ref(App, appId), { type: 'create', name: 'demo', owner: by, region: 'us', stack: 's' })
    await c.answer(ref(Releases, appId), { type: 'deploy', slug, description: 'Deploy', by })
    const updates = [{ type: 'db', quantity: '2', labels: ssd }]
    await c.answer(ref(Formation, appId), { type: 'scale', updates, by })
    await c.world.run(() => hostsOf('web').length === 1, 30_000)
    await c.world.run(() => false, 20_000)
    t.same(hostsOf('db'), [])
    const { dynos } = await c.answer(ref(Formation, appId), { type: 'dynos' })
    t.match(
      dynos.filter(({ type }) => type === 'db'),
      [{ waiting: /No host/ }, { waiting: /No host/ }],
    )
    c.world.restart('c')
    await c.world.run(() => hostsOf('db').length === 2, 60_000)
    t.same(hostsOf('db'), ['c', 'c'])
    c.world.restart('d')
    await c.world.run(() => false, 20_000)
    c.world.crash('c')
    c.machines.get('c')?.powerOff()
    await c.world.run(() => hostsOf('db').length === 2, 60_000)
    t.same(hostsOf('db'), ['d', 'd'])
    c.world.end()
  },
)
