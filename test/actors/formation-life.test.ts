/**
 * How dynos follow each other, in virtual time: the daily cycle, and preboot.
 */
import t from 'tap'
import { heroku } from '../../config/heroku.ts'
import { by, place, placed, record, releaseOf, report, said, settleAll, tellsTo } from '../kit/formations.ts'

const hour = 3_600_000
const scaled = (updates: { type: string; quantity: string }[]) => {
  const f = placed()
  f.send({ type: 'scale', updates, by })
  settleAll(f)
  f.clear()
  return f
}
const withFeatures = (f: ReturnType<typeof placed>, features: string[]): void =>
  void f.send({
    type: 'appChanged',
    appName: 'demo',
    hostnames: [],
    maintenance: false,
    features,
    at: f.nowMs,
  })
const targets = (f: ReturnType<typeof placed>): string[] =>
  (f.send({ type: 'route' })!.value as { targets: { runId: string }[] }).targets.map(({ runId }) => runId)
const runsOf = (f: ReturnType<typeof placed>) =>
  Object.fromEntries(record(f).slots.map(({ name, run, old }) => [name, { run: run?.id, old: old?.id }]))

t.test('a dyno is cycled after a day and up to 216 minutes, one of a type at a time', (t) => {
  const f = scaled([
    { type: 'web', quantity: '4' },
    { type: 'worker', quantity: '1' },
  ])
  const began = f.nowMs
  const cycled = new Map<string, number>()
  for (let i = 0; i < 40 && cycled.size < 5; i++) {
    const before = said(f).length
    f.fire('reconcile')
    for (const line of said(f).slice(before)) if (line.endsWith(' Cycling')) cycled.set(line, f.nowMs - began)
    const starting = record(f).slots.filter(({ state, type }) => state === 'starting' && type === 'web')
    t.ok(starting.length <= 1, 'the others of its type are up')
    settleAll(f)
    for (const { name, id } of record(f).ending) report(f, name, id, 'exited')
  }
  t.strictSame([...cycled.keys()].toSorted(), [
    ...[1, 2, 3, 4].map((n) => `web.${n} Cycling`),
    'worker.1 Cycling',
  ])
  for (const [line, ms] of cycled)
    t.ok(ms >= 24 * hour && ms < 24 * hour + heroku.cycleSpreadMs + 60_000, line)
  t.ok(new Set(cycled.values()).size > 3, 'each at a moment of its own')
  const lines = said(f).filter((line) => line.startsWith('worker.1 '))
  t.strictSame(lines, [
    'worker.1 Cycling',
    'worker.1 State changed from up to starting',
    'worker.1 State changed from starting to up',
  ])
  t.end()
})

t.test('two of a type that are due at once go one after the other, and others do not wait', (t) => {
  const f = scaled([
    { type: 'web', quantity: '3' },
    { type: 'worker', quantity: '1' },
  ])
  f.nowMs += 40 * hour
  const cycled = () => said(f).filter((line) => line.endsWith(' Cycling')).length
  f.send({ type: 'reconcile' })
  t.equal(cycled(), 2, 'a web and the worker')
  f.send({ type: 'reconcile' })
  t.equal(cycled(), 2, 'the new one is not up yet')
  settleAll(f)
  f.send({ type: 'reconcile' })
  t.equal(cycled(), 3)
  t.end()
})

t.test('a restart begins the day anew, and who is on its way out is left alone', (t) => {
  const f = scaled([])
  f.nowMs += 20 * hour
  f.send({ type: 'restart', by })
  settleAll(f)
  t.ok((f.timers.get('reconcile')?.ms ?? 0) < 3_000, 'the old one is told to end')
  const old = record(f).ending[0]!
  report(f, 'web.1', old.id, 'exited')
  t.ok((f.timers.get('reconcile')?.ms ?? 0) >= 24 * hour)
  f.clear()
  f.send({ type: 'stopDyno', dyno: 'web.1', by })
  f.nowMs += 30 * hour
  f.send({ type: 'reconcile' })
  t.notMatch(said(f).join(), /Cycling/)
  t.end()
})

t.test('preboot: after a release the old web dynos serve until the new have settled', (t) => {
  const f = scaled([
    { type: 'web', quantity: '2' },
    { type: 'worker', quantity: '1' },
  ])
  withFeatures(f, ['preboot'])
  const before = runsOf(f)
  f.send({ type: 'released', release: releaseOf(4), by })
  settleAll(f)
  const after = runsOf(f)
  const olds = [before['web.1']?.run, before['web.2']?.run]
  t.strictSame([after['web.1']?.old, after['web.2']?.old], olds)
  t.strictSame(targets(f), olds, 'the new are up and serve nobody')
  t.equal(after['worker.1']?.old, undefined, 'only web')
  t.strictSame(
    record(f).ending.map(({ name }) => name),
    ['worker.1'],
  )
  const worker = record(f).ending[0]!
  report(f, 'worker.1', worker.id, 'exited')
  t.equal(f.timers.get('reconcile')?.ms, heroku.bootTimeoutMs + 2 * 60_000)
  f.fire('reconcile')
  t.strictSame(targets(f), [after['web.1']?.run, after['web.2']?.run], 'all at once')
  t.strictSame(
    record(f).ending.map(({ id }) => id),
    olds,
    'and then the old are stopped',
  )
  t.equal(record(f).preboots, undefined)
  t.end()
})

t.test('preboot: a release within the wait of another goes back to who serves', (t) => {
  const f = scaled([])
  withFeatures(f, ['preboot'])
  const first = runsOf(f)['web.1']?.run
  f.send({ type: 'released', release: releaseOf(4), by })
  settleAll(f)
  const second = runsOf(f)['web.1']?.run
  f.nowMs += 60_000
  f.send({ type: 'released', release: releaseOf(5), by })
  settleAll(f)
  t.strictSame(targets(f), [first])
  t.match(record(f).ending, [{ id: second }], 'never let serve, not kept')
  t.match(record(f).preboots, { 'web.1': { until: f.nowMs + 180_000, holds: true } })
  t.end()
})

t.test('preboot: what fails to boot takes nothing from those who are served', (t) => {
  const f = scaled([])
  withFeatures(f, ['preboot', 'boot-timeout-120'])
  const first = runsOf(f)['web.1']?.run
  f.send({ type: 'released', release: releaseOf(4), by })
  t.match(record(f).preboots, { 'web.1': { until: f.nowMs + 240_000 } }, 'the boot timeout of the app')
  while (f.asked.length > 0) place(f, 'h')
  report(f, 'web.1', record(f).slots[0]!.run!.id, 'exited', { code: 1 })
  t.strictSame(targets(f), [first])
  t.match(f.send({ type: 'route' })?.value, { web: 'up' })
  t.match(record(f).slots, [{ state: 'starting', old: { id: first } }], 'and it is tried again')
  f.send({ type: 'stopDyno', dyno: 'web.1', by })
  t.match(record(f).ending, [{ id: first }], 'ps:stop ends both at once')
  t.end()
})

/** Deployed with preboot: the old run serves, the new one is up. */
const held = () => {
  const f = scaled([])
  withFeatures(f, ['preboot'])
  const first = runsOf(f)['web.1']?.run
  f.send({ type: 'released', release: releaseOf(4), by })
  return { f, first }
}

t.test(
  'preboot: a new run that its host loses or gives away takes nothing from those who are served',
  (t) => {
    const lost = held()
    settleAll(lost.f)
    lost.f.nowMs += 5_000
    const others = record(lost.f).slots[0]!.old!
    lost.f.send({
      type: 'announced',
      host: 'h',
      since: 999,
      runs: [
        {
          id: others.id,
          appId: 'app-1',
          name: 'web.1',
          epoch: others.epoch,
          releaseVersion: 3,
          phase: 'up',
          address: '10.0.0.1',
          port: 3000,
          outer: null,
          startedAt: 1,
          code: null,
          error: null,
        },
      ],
    })
    t.match(record(lost.f).slots, [{ state: 'starting', old: { id: lost.first } }])
    t.strictSame(targets(lost.f), [lost.first])

    const moved = held()
    settleAll(moved.f)
    const { id: runId, epoch } = record(moved.f).slots[0]!.run!
    const way = { runId, newRunId: 'new', epoch: epoch + 1, host: 'other' }
    moved.f.send({ type: 'move', by: 'h', view: 9, why: 'drain', from: 'h', runs: [way] })
    t.match(record(moved.f).slots, [{ run: { id: 'new' }, old: { id: moved.first } }])
    t.match(record(moved.f).ending, [{ id: runId }])
    t.end()
  },
)

t.test('preboot: when its time is over before the new one is up, the old serves until then', (t) => {
  const { f, first } = held()
  f.nowMs += 10 * 60_000
  f.send({ type: 'reconcile' })
  t.strictSame(targets(f), [first])
  t.strictSame(record(f).ending, [])
  settleAll(f)
  t.strictSame(targets(f), [runsOf(f)['web.1']?.run])
  t.match(record(f).ending, [{ id: first }])
  t.end()
})

t.test('preboot: after a restart the new serve at once, and the old are stopped minutes later', (t) => {
  const f = scaled([])
  withFeatures(f, ['preboot'])
  const first = runsOf(f)['web.1']?.run
  f.send({ type: 'restart', by })
  settleAll(f)
  t.strictSame(targets(f), [runsOf(f)['web.1']?.run])
  t.match(record(f).slots, [{ state: 'up', old: { id: first } }])
  t.strictSame(tellsTo(f, 'halt'), [], 'what it still answers it may finish')
  const waitMs = f.timers.get('reconcile')?.ms ?? 0
  t.ok(waitMs >= 4 * 60_000 && waitMs <= 6 * 60_000)
  f.fire('reconcile')
  t.match(tellsTo(f, 'halt'), [{ runId: first }])
  t.end()
})
