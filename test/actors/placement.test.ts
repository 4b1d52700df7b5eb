/**
 * Placement: where runs go, and what becomes of those whose host is lost or drained; driven by hand.
 */
import t from 'tap'
import { choose, Spread } from '../../actors/placement/choose.ts'
import { Fleet } from '../../actors/placement/fleet.ts'
import { placement } from '../../actors/placement.ts'
import type { Announcement, FleetRun, FleetView } from '../../actors/protocols/shapes.ts'
import { drive } from '../kit/drive.ts'

const mb = 2 ** 20
type State = FleetView['members'][number]['state']

/** `b:suspect@zone` */
const viewOf = (number: number, names: readonly string[], more: Partial<FleetView> = {}): FleetView => ({
  number,
  leader: 'a',
  braked: false,
  members: names.map((text) => {
    const [, name = '', state = 'up', zone] = /^(\w+)(?::(\w+))?(?:@(\w+))?$/.exec(text) ?? []
    return {
      name,
      incarnation: 1,
      roles: ['control', 'dyno'],
      labels: { zone: zone ?? '' },
      state: state as State,
    }
  }),
  ...more,
})
const runOf = (id: string, more: Partial<FleetRun> = {}): FleetRun => ({
  id,
  appId: 'app-1',
  name: 'web.1',
  bytes: 512 * mb,
  epoch: 10,
  singleton: false,
  ...more,
})
const said = (
  host: string,
  runs: readonly FleetRun[] = [],
  more: Partial<Announcement> = {},
): Announcement => ({
  host,
  since: 1,
  seq: 1,
  full: true,
  memoryBytes: 8_192 * mb,
  load: 0,
  count: runs.length,
  runs: [...runs],
  gone: [],
  ...more,
})

const fleetOf = (view: FleetView, ...all: readonly Announcement[]): Fleet => {
  const fleet = new Fleet()
  fleet.setView(view)
  for (const one of all) fleet.announce(one, 1)
  return fleet
}

t.test('a run goes to the emptiest zone, then the emptiest host, then where most memory is free', (t) => {
  const fleet = fleetOf(
    viewOf(1, ['a@x', 'b@x', 'c@y']),
    said('a', [], { memoryBytes: 4_096 * mb }),
    said('b'),
    said('c', [], { memoryBytes: 2_048 * mb }),
  )
  const go = (hosts: readonly string[], bytes = 512 * mb) =>
    choose(fleet, new Spread(fleet, hosts), { bytes })
  t.equal(go([]), 'b', 'most free')
  t.equal(go(['b']), 'c', 'the other zone first')
  t.equal(go(['b', 'c']), 'a', 'then the host without any')
  t.equal(go(['a', 'b', 'c']), 'c', 'zone y has one, zone x two')
  t.equal(go(['c'], 4_096 * mb), 'b', 'room must be')
  t.equal(go([], 9_000 * mb), undefined)
  t.end()
})

t.test('only hosts that are up and have announced themselves take runs', (t) => {
  const fleet = fleetOf(viewOf(1, ['a', 'b:suspect', 'c:draining', 'd:joining', 'e']), said('a'), said('b'))
  for (const host of ['c', 'd']) fleet.announce(said(host), 1)
  const taken = [1, 2, 3].map(() => choose(fleet, new Spread(fleet, []), { bytes: 1 }))
  t.same(taken, ['a', 'a', 'a'])
  fleet.setView(viewOf(2, ['a:dead', 'b', 'c', 'd:left']))
  t.equal(choose(fleet, new Spread(fleet, ['b']), { bytes: 1 }), 'c')
  t.end()
})

t.test('announcements are taken in order, gaps are noticed, promises are kept until announced', (t) => {
  const fleet = fleetOf(viewOf(1, ['a']), said('a', [runOf('r1')]))
  const free = () => fleet.freeOf('a') / mb
  t.equal(free(), 7_680)
  fleet.promise('a', runOf('r2'), 1)
  t.equal(free(), 7_168, 'promised')
  const delta = said('a', [runOf('r2')], { full: false, seq: 2, count: 1, gone: ['r1'] })
  t.same(fleet.announce(delta, 2), { understood: true, freed: true })
  t.equal(free(), 7_680)
  t.same(fleet.announce({ ...delta, seq: 4 }, 3).understood, false, 'one was missed')
  t.same(fleet.announce({ ...delta, seq: 2 }, 3).understood, true, 'an old one is no news')
  const counted = fleet.announce(said('a', [], { full: false, seq: 3, count: 9 }), 3)
  t.equal(counted.understood, false, 'it counts otherwise')
  fleet.promise('a', runOf('r3'), 4)
  fleet.announce(said('a', [], { seq: 5 }), 5)
  t.equal(free(), 7_680, 'a promise outlives a full announcement')
  fleet.expire(60_000)
  t.equal(free(), 8_192, 'but not for ever')
  fleet.announce(said('a', [runOf('old')], { since: 0, seq: 99 }), 6)
  t.equal(free(), 8_192, 'what an earlier life said comes too late')
  t.end()
})

const driven = (view = viewOf(1, ['a', 'b', 'c']), ...all: readonly Announcement[]) => {
  const p = drive(placement, { key: 'placement', args: null, host: 'a' })
  p.send({ type: 'viewChanged', view })
  for (const one of all) p.send({ type: 'announced', ...one })
  return p
}
type Driven = ReturnType<typeof driven>
const question = (...names: readonly string[]) =>
  ({
    type: 'place',
    appId: 'app-1',
    processType: 'web',
    memoryBytes: 512 * mb,
    singleton: false,
    held: [] as { runId: string; host: string }[],
    runs: names.map((name) => ({ runId: `new ${name}`, name, epoch: 20 })),
    relayed: false,
  }) as const
type Placed = { placed: { runId: string; host: string }[]; failed: { code: string; reason: string } | null }
/** What it answers to that question at once. */
const answerTo = (p: Driven, asked: Parameters<Driven['send']>[0]): Placed => p.send(asked)?.value as Placed
const tells = (p: Pick<Driven, 'told'>, type: string) =>
  p.told.filter((told) => told.message.type === type).map((told) => ({ ...told.message, to: told.to }))

t.test(
  'the leader answers, the same when asked again; the others ask it, and decide when it is silent',
  (t) => {
    const p = driven(viewOf(1, ['a', 'b']), said('a'), said('b'))
    const first = answerTo(p, question('web.1', 'web.2'))
    t.same(first.placed.map(({ host }) => host).sort(), ['a', 'b'], 'spread')
    t.same(p.send(question('web.1', 'web.2'))?.value, first)
    p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b'], { leader: 'b' }) })
    t.equal(p.send(question('web.3')), undefined, 'it asks first')
    t.match(p.asked, [{ to: { key: 'placement', host: 'b' }, message: { relayed: true } }])
    p.answered('place', { placed: [{ runId: 'new web.3', host: 'b' }], failed: null })
    t.match(p.replies.at(-1)?.value, { placed: [{ host: 'b' }] })
    p.send(question('web.4'))
    p.askFailed('place', { kind: 'unknown', reason: 'timeout' })
    t.match(p.replies.at(-1)?.value, { placed: [{ runId: 'new web.4' }] })
    const none = drive(placement, { key: 'placement', args: null })
    t.match(none.send(question('web.1'))?.refused, { code: 'no_view' })
    t.end()
  },
)

t.test('what finds no room has a reason, said once, and its formation hears of new room', (t) => {
  const p = driven(viewOf(1, ['a', 'b:draining']), said('a', [], { memoryBytes: 600 * mb }), said('b'))
  p.send(question('web.1'))
  const full = answerTo(p, question('web.2'))
  t.match(full.failed, { code: 'no_room', reason: 'No host has 512 MB of memory to spare' })
  p.send(question('web.2'))
  t.equal(p.logs.filter((log) => log['at'] === 'unplaceable').length, 1)
  t.match(p.send({ type: 'hosts' })?.value, {
    waiting: [{ appId: 'app-1', name: 'web.2', reason: /512 MB/ }],
  })
  p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b']) })
  p.fire('room')
  t.match(tells(p, 'room'), [{ to: { to: 'formation', key: 'app-1' } }])
  p.send({ type: 'viewChanged', view: viewOf(3, ['a:suspect', 'b:draining']) })
  t.match(answerTo(p, question('web.3')).failed, {
    code: 'no_host',
    reason: 'No host takes dynos (1 draining, 1 suspect)',
  })
  t.end()
})

t.test('a suspect loses nothing: its stateless runs get successors, those of bare apps first', (t) => {
  const lost = [
    runOf('z1', { appId: 'z', name: 'web.1' }),
    runOf('x1', { appId: 'x', name: 'web.1' }),
    runOf('x2', { appId: 'x', name: 'web.2' }),
    runOf('y1', { appId: 'y', name: 'web.1' }),
    runOf('s1', { appId: 's', name: 'clock.1', singleton: true }),
    runOf('o1', { appId: 'o', name: 'run.4711' }),
  ]
  const p = driven(
    viewOf(1, ['a', 'b', 'c']),
    said('a'),
    said('b', [runOf('z2', { appId: 'z', name: 'web.2' })]),
    said('c', lost),
  )
  p.clear()
  p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b', 'c:suspect']) })
  t.same(
    tells(p, 'move').map(({ to }) => to.key),
    ['x', 'y', 'z'],
    'z has one left',
  )
  const [x] = tells(p, 'move') as unknown as { runs: { runId: string; host: string; epoch: number }[] }[]
  t.match(x, { why: 'suspect', from: 'c', view: 2, by: 'a' })
  t.same(x?.runs.map(({ host }) => host).sort(), ['a', 'b'])
  t.ok(x?.runs.every(({ epoch }) => epoch > 10))
  p.clear()
  p.send({ type: 'moved', appId: 'x', runIds: ['x1', 'x2'] })
  p.send({ type: 'viewChanged', view: viewOf(3, ['a', 'b', 'c:dead']) })
  const dead = tells(p, 'move') as unknown as { to: { key: string }; why: string; runs: unknown[] }[]
  t.same(dead.map(({ to }) => to.key).sort(), ['o', 's', 'x', 'y', 'z'], 'now all of them are told of')
  t.ok(dead.every(({ why }) => why === 'dead'))
  for (const { to, runs } of dead) {
    p.send({ type: 'moved', appId: to.key, runIds: (runs as { runId: string }[]).map(({ runId }) => runId) })
  }
  t.match(p.send({ type: 'hosts' })?.value, { moving: 0, hosts: [{}, {}, { name: 'c', dynos: 0 }] })
  t.end()
})

t.test('nothing moves under the brake, by those who do not lead, or for a host that is back', (t) => {
  const one = said('c', [runOf('r')])
  const braked = driven(viewOf(1, ['a', 'b', 'c']), said('a'), said('b'), one)
  braked.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b:suspect', 'c:suspect'], { braked: true }) })
  t.same(tells(braked, 'move'), [])
  braked.fire('tick')
  t.same(tells(braked, 'move'), [])
  braked.send({ type: 'viewChanged', view: viewOf(3, ['a', 'b', 'c:suspect']) })
  t.equal(tells(braked, 'move').length, 1, 'released')
  braked.clear()
  braked.send({ type: 'viewChanged', view: viewOf(4, ['a', 'b', 'c']) })
  braked.fire('tick')
  braked.fire('check')
  t.same([...tells(braked, 'move'), ...braked.ran], [])
  const follower = driven(viewOf(1, ['a', 'b', 'c'], { leader: 'b' }), said('a'), said('b'), one)
  follower.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b', 'c:suspect'], { leader: 'b' }) })
  t.same(tells(follower, 'move'), [])
  follower.send({ type: 'viewChanged', view: viewOf(3, ['a', 'b:suspect', 'c:suspect']) })
  t.equal(tells(follower, 'move').length, 1, 'until it does')
  t.end()
})

t.test('dynos leave a draining host a few at a time, of one app one after the other', (t) => {
  const runs = [1, 2, 3].flatMap((n) =>
    ['x', 'y'].map((appId) => runOf(`${appId}${n}`, { appId, name: `web.${n}` })),
  )
  const p = driven(viewOf(1, ['a', 'b', 'c']), said('a'), said('b'), said('c', runs))
  p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b', 'c:draining']) })
  t.match(tells(p, 'move'), [
    { why: 'drain', to: { key: 'x' }, runs: [{ runId: 'x1' }] },
    { why: 'drain', to: { key: 'y' }, runs: [{ runId: 'y1' }] },
  ])
  p.send({ type: 'moved', appId: 'x', runIds: ['x1'] })
  p.fire('tick')
  t.equal(tells(p, 'move').length, 2, 'the next one waits for the end of the first')
  p.send({ type: 'announced', ...said('c', [], { full: false, seq: 2, count: 5, gone: ['x1'] }) })
  p.fire('tick')
  t.match(tells(p, 'move')[2], { to: { key: 'x' }, runs: [{ runId: 'x2' }] })
  p.clear()
  p.send({ type: 'viewChanged', view: viewOf(3, ['a', 'b', 'c']) })
  p.fire('tick')
  t.same(tells(p, 'move'), [], 'undrained')
  t.end()
})

t.test('a singleton goes nowhere while another life of it is on a host that is not dead', (t) => {
  const held = runOf('s1', { name: 'clock.1', singleton: true })
  const p = driven(viewOf(1, ['a', 'b']), said('a'), said('b', [held]))
  const ask = { ...question('clock.1'), singleton: true }
  t.match(answerTo(p, ask).failed, { code: 'occupied' })
  t.match(
    tells(p, 'announce'),
    [{ to: { to: 'host', host: 'b' }, appId: 'app-1' }],
    'its formation hears of it',
  )
  p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b:suspect']) })
  t.match(answerTo(p, ask).failed, { code: 'occupied' })
  p.send({ type: 'viewChanged', view: viewOf(3, ['a', 'b:dead']) })
  t.match(answerTo(p, ask).placed, [{ host: 'a' }])
  t.end()
})

t.test('what the record has on a host that never spoke moves when that host is dead', (t) => {
  const recalled = (host: string) => [{ host, run: runOf('lost', { name: 'web.2' }) }]
  const p = driven(viewOf(1, ['a', 'b', 'c:joining']), said('a'), said('b', [runOf('here')]))
  p.send({ type: 'recalled', runs: [...recalled('c'), ...recalled('b')], relayed: false })
  p.send({ type: 'recalled', runs: recalled('gone'), relayed: false })
  p.fire('tick')
  t.same(tells(p, 'move'), [], 'it may come yet, and b has said what it runs')
  p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b', 'c:dead']) })
  t.match(tells(p, 'move'), [{ why: 'dead', from: 'c', runs: [{ runId: 'lost' }] }])
  p.send({ type: 'moved', appId: 'app-1', runIds: ['lost'] })
  p.clear()
  p.nowMs += 31_000
  p.send({ type: 'recalled', runs: recalled('gone'), relayed: false })
  t.match(tells(p, 'move'), [{ why: 'dead', from: 'gone' }], 'a host that no view names was taken out')

  const follower = driven(viewOf(1, ['a', 'b', 'c:dead'], { leader: 'b' }), said('a'), said('b'))
  follower.send({ type: 'recalled', runs: recalled('c'), relayed: false })
  t.match(tells(follower, 'recalled'), [{ to: { key: 'placement', host: 'b' }, relayed: true }])
  follower.send({ type: 'recalled', runs: recalled('c'), relayed: true })
  t.equal(tells(follower, 'recalled').length, 1, 'said on once')
  t.end()
})

t.test('when there is room for one, an app that has nothing left gets it, before the second of any', (t) => {
  const p = driven(
    viewOf(1, ['a', 'b']),
    said('a', [runOf('z2', { appId: 'z', name: 'web.2' })], { memoryBytes: 1_536 * mb }),
    said('b', [
      runOf('z1', { appId: 'z', name: 'web.1' }),
      runOf('x1', { appId: 'x', name: 'web.1' }),
      runOf('x2', { appId: 'x', name: 'web.2' }),
      runOf('y1', { appId: 'y', name: 'web.1' }),
    ]),
  )
  p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b:suspect']) })
  t.match(tells(p, 'move'), [{ runs: [{ runId: 'x1' }] }, { runs: [{ runId: 'y1' }] }])
  const left = p.logs.filter(({ at }) => at === 'unplaceable').map(({ app, dyno }) => [app, dyno])
  t.same(left, [
    ['z', 'web.1'],
    ['x', 'web.2'],
  ])
  t.end()
})

t.test('after a host joined, runs move one at a time, and only so many an hour', (t) => {
  const names = Array.from({ length: 20 }, (_, n) => `web.${n + 1}`)
  const held = new Map(names.map((name) => [name, runOf(name, { name })]))
  const p = driven(viewOf(1, ['a']), said('a', [...held.values()], { memoryBytes: 65_536 * mb }))
  p.send({ type: 'viewChanged', view: viewOf(2, ['a', 'b']) })
  p.send({ type: 'announced', ...said('b', [], { memoryBytes: 65_536 * mb }) })
  p.clear()
  const started = p.nowMs
  let seq = 1
  const movedAt: number[] = []
  type Told = { runs: { runId: string; newRunId: string; epoch: number }[] }
  while (p.nowMs < started + 7_200_000) {
    p.fire('tick')
    const told = tells(p, 'move') as unknown as Told[]
    p.clear()
    if (told.length === 0) continue
    t.match(told, [{ why: 'rebalance', from: 'a' }])
    const [{ runId, newRunId, epoch }, ...others] = told[0]!.runs as [Told['runs'][0], ...Told['runs']]
    t.same(others, [])
    p.send({ type: 'moved', appId: 'app-1', runIds: [runId] })
    p.fire('tick')
    t.same(tells(p, 'move'), [], 'the next waits until this one has ended')
    movedAt.push(p.nowMs)
    seq += 1
    const { name } = held.get(runId)!
    const delta = { full: false, seq, memoryBytes: 65_536 * mb }
    const gone = { ...delta, count: 20 - movedAt.length, gone: [runId] }
    p.send({
      type: 'announced',
      ...said('b', [runOf(newRunId, { name, epoch })], { ...delta, count: movedAt.length }),
    })
    p.send({ type: 'announced', ...said('a', [], gone) })
  }
  t.equal(movedAt.length, 10, 'until it is even')
  const hour = movedAt.filter((at) => at < movedAt[0]! + 3_600_000)
  t.equal(hour.length, 6)
  t.ok(movedAt[0]! - started >= 10_000, 'when the fleet has been calm')
  t.end()
})
