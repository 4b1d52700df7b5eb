/**
 * The formation: its calculations, and what it says again when nobody hears.
 */
import t from 'tap'
import { crashPolicy } from '../../actors/formation/crash-policy.ts'
import { scaleTypes, typesOf } from '../../actors/formation/scale.ts'
import { formation } from '../../actors/formation.ts'
import { dynoSizes, findDynoSize } from '../../config/dyno-sizes.ts'
import { heroku } from '../../config/heroku.ts'
import { drive, textsOf } from '../kit/drive.ts'
import { appId, by, place, placed, record, releaseOf, reportOf, slug, tellsTo } from '../kit/formations.ts'

t.test('the crash policy restarts at once first, then cools off under a growing bound', (t) => {
  const crash = { before: 0, upMs: 0, error: null, chance: 1 }
  t.same(crashPolicy(crash), { crashes: 1, waitMs: 0 })
  const waits = [1, 2, 3, 4, 5, 6, 7].map((before) => crashPolicy({ ...crash, before }).waitMs / 60_000)
  t.same(waits, [20, 40, 60, 180, 320, 320, 320])
  t.equal(crashPolicy({ ...crash, before: 3, chance: 0.5 }).waitMs, 30 * 60_000, 'random within the bound')
  const steady = crashPolicy({ ...crash, before: 5, upMs: heroku.steadyMs + 1 })
  t.same(steady, { crashes: 1, waitMs: 0 }, 'long up: no boot crash')
  const fault = crashPolicy({ ...crash, before: 3, error: 'R99' })
  t.equal(fault.crashes, 3, "the platform's own faults are not counted against the app")
  t.ok(fault.waitMs > 0 && fault.waitMs <= 15_000)
  t.equal(
    crashPolicy({ ...crash, before: 3, upMs: 1, error: 'R99' }).waitMs,
    0,
    'what was up is up again at once',
  )
  t.end()
})

t.test('process types follow the slug and keep their scale', (t) => {
  const fresh = { now: 5, uuid: () => 'id' }
  const first = typesOf(slug, [], true, fresh)
  t.same(
    first.map((type) => [type.type, type.quantity, type.size]),
    [
      ['release', 0, 'Basic'],
      ['web', 1, 'Basic'],
      ['worker', 0, 'Basic'],
    ],
  )
  const grown = first.map((type) => ({ ...type, quantity: 4 }))
  const next = typesOf({ ...slug, processTypes: { web: 'other', clock: 'tick' } }, grown, false, fresh)
  t.same(
    next.map((type) => [type.type, type.quantity, type.command]),
    [
      ['clock', 0, 'tick'],
      ['web', 4, 'other'],
    ],
  )
  t.end()
})

t.test('scaling takes absolute and relative quantities, all or none', (t) => {
  const types = typesOf(slug, [], true, { now: 1, uuid: () => 'id' })
  const quantities = (updates: { type: string; quantity?: string; size?: string }[]) => {
    const scaled = scaleTypes(types, updates, 2)
    return scaled.ok ? scaled.types.map((type) => type.quantity) : scaled.reason
  }
  t.same(
    quantities([
      { type: 'web', quantity: '+2' },
      { type: 'worker', quantity: '1' },
    ]),
    [0, 3, 1],
  )
  t.same(quantities([{ type: 'web', quantity: '-5' }]), [0, 0, 0])
  t.match(quantities([{ type: 'release', quantity: '1' }]), /Cannot scale release/)
  t.same(quantities([{ type: 'release', size: 'standard-2x' }]), [0, 1, 0], 'it has a size of its own')
  t.match(
    quantities([
      { type: 'web', quantity: '2' },
      { type: 'worker', quantity: 'many' },
    ]),
    /Invalid quantity many/,
  )
  t.match(quantities([{ type: 'web', size: 'performance-m', quantity: '11' }]), /more than 10 Performance-M/)
  t.equal(findDynoSize('STANDARD-2x')?.name, 'Standard-2X')
  t.equal(findDynoSize('hobby')?.name, 'Basic')
  t.equal(new Set(dynoSizes.map((size) => size.id)).size, dynoSizes.length)
  t.end()
})

t.test('a launch that no host reports is told again, then goes elsewhere under a new id', (t) => {
  const f = placed()
  t.equal(tellsTo(f, 'launch').length, 1)
  f.fire('reconcile')
  t.equal(tellsTo(f, 'launch').length, 2)
  const before = record(f).slots[0]?.run
  for (let i = 0; i < 20 && record(f).slots[0]?.run?.id === before?.id; i++) f.fire('reconcile')
  place(f, 'other')
  const after = record(f).slots[0]?.run
  t.not(after?.id, before?.id)
  t.ok((after?.epoch ?? 0) > (before?.epoch ?? 0), 'the newer decision has the larger epoch')
  t.match(record(f).ending, [{ id: before?.id, host: 'h' }], 'should it come up after all, it must end')
  t.end()
})

t.test('a run is told what its dyno needs to know of features and release', (t) => {
  const f = placed()
  t.match(tellsTo(f, 'launch'), [{ run: { releasedAt: 1, features: undefined } }])
  const features = ['boot-timeout-90', 'http-session-affinity', 'log-runtime-metrics', 'preboot']
  f.send({ type: 'appChanged', appName: 'demo', hostnames: [], maintenance: false, features, at: 1 })
  f.clear()
  f.send({ type: 'restart', by })
  place(f, 'h')
  const [{ run } = {}] = tellsTo(f, 'launch') as { run: { features: string[] } }[]
  t.strictSame(run?.features, ['boot-timeout-90', 'log-runtime-metrics'], 'those for dynos')
  t.end()
})

t.test('a run that its host does not name any more is gone, and no crash is counted', (t) => {
  const f = placed()
  const up = reportOf(f, 'up')
  f.send({ type: 'announced', host: 'h', since: 100, runs: [up] })
  t.match(record(f).slots, [{ state: 'up', run: { phase: 'up', since: 100 } }])
  f.send({ type: 'announced', host: 'h', since: 100, runs: [] })
  t.equal(record(f).slots[0]?.run?.id, up.id, 'an announcement may be older than the report')
  f.send({ type: 'announced', host: 'h', since: 50, runs: [] })
  t.equal(record(f).slots[0]?.run?.id, up.id, 'that of an earlier incarnation is')
  f.send({ type: 'announced', host: 'h', since: 200, runs: [] })
  t.match(record(f).slots, [{ state: 'starting', crashes: 0, run: { phase: 'placing' } }])
  t.not(record(f).slots[0]?.run?.id, up.id)
  t.end()
})

t.test('a run that the record does not know is told to end, also when there is no app', (t) => {
  const f = placed()
  const stray = { ...reportOf(f, 'up'), id: 'stray', name: 'web.9' }
  f.send({ type: 'dynoChanged', host: 'h', report: stray })
  t.match(tellsTo(f, 'halt'), [{ runId: 'stray' }])
  const blank = drive(formation, { key: 'gone', args: undefined })
  blank.send({ type: 'announced', host: 'h', since: 1, runs: [stray] })
  t.match(tellsTo(blank, 'halt'), [{ runId: 'stray' }])
  t.equal(blank.saved(), undefined)
  t.end()
})

t.test('the old run serves until the new one is up; its halt is repeated until it is gone', (t) => {
  const f = placed()
  const up = reportOf(f, 'up')
  f.send({ type: 'dynoChanged', host: 'h', report: up })
  f.clear()
  f.send({ type: 'restart', by })
  place(f, 'h')
  t.match(record(f).slots, [{ state: 'starting', old: { id: up.id } }])
  t.match(f.send({ type: 'route' })?.value, { web: 'up', targets: [{ runId: up.id }] })
  const next = reportOf(f, 'up')
  f.send({ type: 'dynoChanged', host: 'h', report: next })
  t.match(f.send({ type: 'route' })?.value, { targets: [{ runId: next.id }] })
  f.fire('reconcile')
  t.match(tellsTo(f, 'halt'), [{ runId: up.id }, { runId: up.id }])
  f.send({ type: 'dynoChanged', host: 'h', report: { ...up, phase: 'exited', code: 143 } })
  t.same(record(f).ending, [])
  t.end()
})

t.test('features that are on are in the route; a word that names none leaves them', (t) => {
  const f = placed()
  f.clear()
  const told = { type: 'appChanged' as const, appName: 'demo', hostnames: [], maintenance: false }
  const features = ['http-session-affinity']
  f.send({ ...told, features, at: 1 })
  t.match(f.send({ type: 'route' })?.value, { features })
  f.fire('publish')
  t.match(f.ran.at(-1)?.args, { route: { features } }, 'routers hear of it')
  f.send({ ...told, at: 2 })
  t.match(f.send({ type: 'route' })?.value, { features }, 'a host of an older build said that')
  const { affinityKey } = f.saved() as { affinityKey: string }
  t.match(f.send({ type: 'route' })?.value, { affinityKey: /^.{36}$/ }, 'with the key for its cookies')
  f.send({ ...told, features: [], at: 3 })
  t.match(f.send({ type: 'route' })?.value, { features: [], affinityKey: undefined })
  f.send({ ...told, features, at: 4 })
  t.match(f.send({ type: 'route' })?.value, { affinityKey }, 'which is the same for ever')
  t.end()
})

t.test('no room is said once in the log, and tried again; a predecessor makes room', (t) => {
  const f = placed()
  f.send({ type: 'dynoChanged', host: 'h', report: reportOf(f, 'up') })
  f.clear()
  f.send({ type: 'restart', by })
  const noRoom = {
    kind: 'refused',
    code: 'no_room',
    reason: 'No host has 512 MB of memory to spare',
  } as const
  f.askFailed('place', noRoom)
  f.fire('retry')
  f.askFailed('place', noRoom)
  t.same(textsOf(f).filter((line) => line.startsWith('Error R99')).length, 1)
  t.equal(record(f).ending.length, 1, 'the old run goes first')
  f.fire('retry')
  t.equal(f.asked.length, 1)
  t.end()
})

t.test('an activation takes up what an earlier one left', (t) => {
  const f = drive(formation, { key: appId, args: undefined })
  f.send({ type: 'open', appName: 'demo' })
  f.send({ type: 'released', release: releaseOf(3), by })
  const again = drive(formation, { key: appId, args: undefined, saved: f.saved()! })
  t.match(again.asked, [{ message: { type: 'place' } }])
  t.match(again.ran, [{ name: 'routes.announce' }])
  t.ok(again.timers.has('reconcile'))
  t.end()
})

t.test('a cool-off is a durable reminder, and ends in a new start', (t) => {
  const f = placed()
  const crash = () =>
    f.send({ type: 'dynoChanged', host: 'h', report: { ...reportOf(f, 'exited'), code: 1 } })
  crash()
  f.clear()
  f.asked.length = 0
  t.match(record(f).slots, [{ state: 'starting', crashes: 1 }])
  const run = record(f).slots[0]?.run
  f.send({ type: 'placed', asked: [], runs: [{ runId: run?.id ?? '', host: 'h' }], failed: null })
  crash()
  t.match(record(f).slots, [{ state: 'crashed', crashes: 2, run: null }])
  const dueAt = record(f).slots[0]?.dueAt
  t.equal(f.reminders.get('coolOff')?.atMs, dueAt)
  const left = { ...reportOf(f, 'starting'), id: run?.id ?? '', epoch: run?.epoch ?? 0 }
  f.send({ type: 'announced', host: 'h', since: 9, runs: [left] })
  t.match(record(f).slots, [{ state: 'crashed', crashes: 2, run: null, dueAt }], 'a host finds its remains')
  f.remind('coolOff')
  t.match(record(f).slots, [{ state: 'starting', run: { phase: 'placing' } }])
  t.notOk(f.reminders.has('coolOff'))
  t.end()
})

t.test('an app is destroyed when its last run is gone, and only then', (t) => {
  const f = placed()
  const up = reportOf(f, 'up')
  f.send({ type: 'dynoChanged', host: 'h', report: up })
  t.equal(f.send({ type: 'destroy' }), undefined, 'no answer yet')
  t.match(f.send({ type: 'dynos' })?.refused, { code: 'not_found' })
  t.match(f.ran.at(-1)?.args, { route: { gone: true, targets: [] } })
  f.send({ type: 'dynoChanged', host: 'h', report: { ...up, phase: 'exited', code: 143 } })
  t.match(f.replies.at(-1), { type: 'destroy', value: {} })
  t.equal(f.saved(), undefined)
  t.same(f.send({ type: 'destroy' })?.value, {}, 'twice is fine')
  t.end()
})

type Move = Extract<Parameters<ReturnType<typeof placed>['send']>[0], { type: 'move' }>
const moveOf = (runId: string, epoch: number, more: Partial<Move> = {}): Move => ({
  type: 'move',
  by: 'leader',
  view: 7,
  why: 'suspect',
  from: 'h',
  runs: [{ runId, newRunId: 'next', epoch, host: 'other' }],
  ...more,
})

t.test('a moved run starts elsewhere under the id and epoch it was given, and is confirmed', (t) => {
  const f = placed()
  const up = reportOf(f, 'up')
  f.send({ type: 'dynoChanged', host: 'h', report: up })
  f.clear()
  f.send(moveOf(up.id, up.epoch + 5))
  t.match(record(f).slots, [{ state: 'starting', run: { id: 'next', host: 'other' }, old: { id: up.id } }])
  t.match(tellsTo(f, 'launch'), [{ run: { id: 'next', epoch: up.epoch + 5 } }])
  t.match(tellsTo(f, 'moved'), [{ runIds: [up.id] }])
  t.match(f.send({ type: 'route' })?.value, { targets: [{ runId: up.id }] }, 'the old one serves on')
  const before = record(f)
  f.send(moveOf('next', up.epoch + 9, { view: 6 }))
  t.same(record(f), before, 'an older view decides nothing')
  f.send(moveOf('next', up.epoch))
  t.same(record(f), before, 'nor does an older decision')
  f.send(moveOf(up.id, up.epoch + 5, { why: 'dead', view: 8 }))
  t.match(record(f).slots, [{ run: { id: 'next' }, old: null }], 'of a dead host nothing is left')
  f.send(
    moveOf('next', up.epoch + 9, {
      why: 'dead',
      view: 9,
      runs: [{ runId: 'next', newRunId: 'third', epoch: up.epoch + 9, host: null }],
    }),
  )
  t.match(record(f).slots, [{ run: { phase: 'placing' } }], 'no room: it asks for a place')
  t.end()
})

t.test('a live run of a newer decision than the record knows holds its slot; others end', (t) => {
  const f = placed()
  const up = reportOf(f, 'up')
  f.send({ type: 'dynoChanged', host: 'h', report: up })
  f.clear()
  const standIn = { ...up, id: 'stand-in', epoch: up.epoch + 5 }
  f.send({
    type: 'dynoChanged',
    host: 'other',
    report: { ...standIn, phase: 'starting', address: null, port: null },
  })
  t.match(record(f).slots, [{ run: { id: 'stand-in', host: 'other' }, old: { id: up.id } }])
  f.send({ type: 'dynoChanged', host: 'other', report: standIn })
  t.match(record(f).slots, [{ state: 'up', old: null }])
  t.match(tellsTo(f, 'halt'), [{ runId: up.id }])
  f.clear()
  const late = { ...up, id: 'late', epoch: up.epoch + 1 }
  f.send({ type: 'dynoChanged', host: 'third', report: late })
  const other = { ...standIn, id: 'other-release', epoch: up.epoch + 50, releaseVersion: 2 }
  f.send({ type: 'dynoChanged', host: 'third', report: other })
  // The ledger gave version 3 to another release since: the first was lost with the end of the record.
  const namesake = { ...other, id: 'namesake', releaseVersion: 3, releaseId: 'release-3-lost' }
  f.send({ type: 'dynoChanged', host: 'third', report: namesake })
  f.send({ type: 'dynoChanged', host: 'third', report: standIn })
  t.same(
    tellsTo(f, 'halt').map(({ runId }) => runId),
    ['late', 'other-release', 'namesake', 'stand-in'],
    'an older decision, other releases, the same run on a second host',
  )
  t.match(record(f).slots, [{ run: { id: 'stand-in', host: 'other' } }])
  t.end()
})

t.test('a singleton stops before its next life starts, and stays on a suspect', (t) => {
  const f = placed()
  f.send({ type: 'dynoChanged', host: 'h', report: reportOf(f, 'up') })
  f.clear()
  f.send({ type: 'scale', updates: [{ type: 'web', singleton: true }], by })
  const stopped = record(f).slots[0]?.run
  t.match(tellsTo(f, 'halt'), [{ runId: stopped?.id }], 'its process has to learn it')
  t.same(tellsTo(f, 'launch'), [])
  f.send(moveOf(stopped?.id ?? '', (stopped?.epoch ?? 0) + 5))
  t.equal(record(f).slots[0]?.run?.id, stopped?.id, 'not on suspicion')
  f.send(moveOf(stopped?.id ?? '', (stopped?.epoch ?? 0) + 5, { why: 'dead' }))
  t.match(record(f).slots, [{ run: { id: 'next', host: 'other' }, old: null }])
  t.match(tellsTo(f, 'launch'), [{ run: { singleton: true } }])
  t.end()
})

t.test('an activation tells placement of runs whose hosts say nothing, until they do', (t) => {
  const before = placed()
  before.send({ type: 'dynoChanged', host: 'h', report: reportOf(before, 'up') })
  const f = drive(formation, { key: appId, args: undefined, saved: before.saved()! })
  const { id, epoch } = reportOf(before, 'up')
  f.fire('recall')
  t.match(tellsTo(f, 'recalled'), [
    { relayed: false, runs: [{ host: 'h', run: { id, epoch, appId, name: 'web.1', singleton: false } }] },
  ])
  f.fire('recall')
  t.equal(tellsTo(f, 'recalled').length, 2)
  f.send({ type: 'announced', host: 'h', since: 9, runs: [reportOf(before, 'up')] })
  f.fire('recall')
  t.equal(tellsTo(f, 'recalled').length, 2)
  t.equal(f.timers.has('recall'), false, 'nothing is left to be told')
  t.end()
})
