/**
 * The release phase, driven by hand: a release holds when its command has succeeded, and not before; it runs
 * once, and whoever asks hears how it ended.
 */
import t from 'tap'
import { build } from '../../actors/build.ts'
import { releases } from '../../actors/releases.ts'
import { append, currentOf, emptyLedger, settlePhase } from '../../actors/releases/ledger.ts'
import { heroku } from '../../config/heroku.ts'
import { drive, textsOf } from '../kit/drive.ts'
import { by, place, placed, record, releaseOf, report, said, slug, tellsTo } from '../kit/formations.ts'
import { slugOf } from '../kit/runs.ts'

const pages = { error: '', maintenance: '' }
/** v3 holds: it was released when there was no release command yet. */
const ledger = () => {
  const r = drive(releases, { key: 'app-1', args: undefined })
  r.send({ type: 'open', appName: 'demo', by })
  r.send({ type: 'deploy', slug: slugOf('0'), description: 'Deploy 0', by })
  r.send({ type: 'received', version: 3 })
  r.clear()
  return r
}
type Ledger = ReturnType<typeof ledger>
const deploy = (r: Ledger, description = 'Deploy 1') => r.send({ type: 'deploy', slug, description, by })
const told = (r: Ledger, type: string) => r.told.filter(({ message }) => message.type === type)
const version = (r: Ledger) =>
  (r.send({ type: 'current' })!.value as { release: { version: number } }).release.version
const idOf = (answer: unknown): string => (answer as { id: string }).id

t.test('a release with a command is pending until that has succeeded; then it holds', (t) => {
  const r = ledger()
  const made = deploy(r)
  t.match(made?.value, { version: 4, status: 'pending', hasPhase: true }, 'its maker does not wait')
  t.equal(version(r), 3, 'the old one holds')
  t.strictSame(told(r, 'released'), [])
  t.match(told(r, 'runPhase'), [{ to: { to: 'formation' }, message: { release: { version: 4 } } }])
  r.fire('phase')
  t.equal(told(r, 'runPhase').length, 2, 'said until it has ended')
  const next = drive(releases, { key: 'app-1', args: undefined, saved: r.saved()! })
  t.equal(next.told.filter(({ message }) => message.type === 'runPhase').length, 1, 'by the next life too')
  r.clear()
  r.nowMs += 5_000
  r.send({ type: 'phaseEnded', releaseId: 'another', ok: true })
  t.equal(version(r), 3)
  r.send({ type: 'phaseEnded', releaseId: idOf(made?.value), ok: true })
  t.equal(version(r), 4)
  t.match(told(r, 'released'), [{ to: { to: 'formation' }, message: { release: { version: 4 } } }, {}])
  t.strictSame(textsOf(r), [`Release v4 created by user ${by.email}`])
  t.notOk(r.timers.has('phase'))
  t.notOk(r.reminders.has('phase'))
  t.match(r.send({ type: 'find', which: 'v4' })?.value, {
    release: { status: 'succeeded', hasPhase: true, updatedAt: r.nowMs },
    current: true,
  })
  r.clear()
  r.send({ type: 'phaseEnded', releaseId: idOf(made?.value), ok: false })
  t.equal(version(r), 4, 'what has ended has ended')
  t.end()
})

t.test('when its command fails the old release stays, and it can be tried again', (t) => {
  const r = ledger()
  const made = deploy(r)
  t.strictSame(textsOf(r), [
    `Deploy 1 by user ${by.email}`,
    `Running release v4 commands by user ${by.email}`,
  ])
  r.send({ type: 'phaseEnded', releaseId: idOf(made?.value), ok: false })
  t.equal(textsOf(r).at(-1), `Release v4 command failed by user ${by.email}`)
  t.equal(version(r), 3)
  t.match(r.send({ type: 'find', which: 'v4' })?.value, { release: { status: 'failed' }, current: false })
  t.match(r.send({ type: 'rollback', to: 'v4', by })?.refused, {
    code: 'invalid_params',
    reason: 'Cannot roll back to v4: its release command failed.',
  })
  t.match(deploy(r)?.value, { version: 5, status: 'pending' }, 'the same again is another try')
  t.end()
})

t.test('while a release command runs no other release is made', (t) => {
  const r = ledger()
  r.send({ type: 'setConfig', patch: { A: '1' }, by })
  r.send({ type: 'setConfig', patch: { B: '1' }, by })
  deploy(r)
  const refusal = { code: 'conflict', reason: /^Release v4 is running its release command/ }
  t.match(r.send({ type: 'setConfig', patch: { C: '1' }, by })?.refused, refusal)
  t.match(r.send({ type: 'rollback', to: 'v3', by })?.refused, refusal)
  t.match(deploy(r, 'Deploy 2')?.refused, refusal)
  t.match(deploy(r)?.value, { version: 4, status: 'pending' }, 'asked again: it is made already')
  for (const name of ['A', 'B'])
    r.done('vault.seal', { configId: `c-${name}`, changed: true, set: [name], removed: [], pages })
  t.match(r.replies.slice(-2), [{ refused: refusal }, { refused: refusal }], 'those that waited are too')
  t.end()
})

t.test('a config change of an app with a release command waits for it too', (t) => {
  const r = ledger()
  r.send({ type: 'phaseEnded', releaseId: idOf(deploy(r)?.value), ok: true })
  r.send({ type: 'received', version: 4 })
  r.send({ type: 'setConfig', patch: { A: '1' }, by })
  r.done('vault.seal', { configId: 'c-A', changed: true, set: ['A'], removed: [], pages })
  t.match(r.replies.at(-1)?.value, { version: 5, configId: 'c-A', changed: true })
  t.match(r.send({ type: 'current' })?.value, { release: { version: 4, configId: '' } })
  t.end()
})

t.test('the release that holds is kept, however many failed after it', (t) => {
  const draft = { configId: '', by, at: 1 }
  let kept = append(emptyLedger('demo'), { ...draft, id: 'good', description: '', slug, hasPhase: false })
  for (let i = 0; i < heroku.releasesMax + 10; i++) {
    const bad = { ...draft, id: `bad-${i}`, description: '', slug: slugOf(`s${i}`), hasPhase: true }
    kept = settlePhase(append(kept, { ...bad, slug: { ...bad.slug, id: `s${i}` } }), bad.id, false, 2)
  }
  t.equal(kept.entries.length, heroku.releasesMax)
  t.match(currentOf(kept), { id: 'good', slug: { id: slug.id } })
  t.end()
})

const phase = (f: ReturnType<typeof placed>) => f.send({ type: 'runPhase', release: releaseOf(4), by })
const phaseSlot = (f: ReturnType<typeof placed>) => record(f).slots.find(({ type }) => type === 'release')!

t.test('the command runs once in a dyno of its own, on the release that does not hold yet', (t) => {
  const f = placed()
  f.clear()
  phase(f)
  phase(f)
  place(f, 'h')
  const { name } = phaseSlot(f)
  t.match(name, /^release\.\d{4}$/)
  t.match(tellsTo(f, 'launch'), [
    { run: { name, type: 'release', command: 'migrate', releaseVersion: 4, isPhase: true } },
  ])
  t.match(tellsTo(f, 'launch'), [{ run: { configId: 'config-4', timeToLiveMs: 3_600_000 } }])
  t.equal(record(f).release?.version, 3)
  t.match(
    record(f).types.find(({ type }) => type === 'release'),
    { quantity: 0, size: 'Basic' },
  )
  t.strictSame(said(f), [`api Starting process with command \`migrate\` by user ${by.email}`])
  report(f, name, phaseSlot(f).run!.id, 'up')
  t.strictSame(tellsTo(f, 'phaseEnded'), [])
  report(f, name, phaseSlot(f).run!.id, 'exited', { code: 0 })
  t.match(tellsTo(f, 'phaseEnded'), [{ releaseId: 'release-4', ok: true }])
  t.equal(said(f).at(-1), `${name} State changed from up to complete`)
  f.nowMs += heroku.completeKeptMs
  f.send({ type: 'reconcile' })
  t.equal(phaseSlot(f), undefined)
  phase(f)
  t.equal(tellsTo(f, 'phaseEnded').length, 2, 'who did not hear is told again')
  t.equal(phaseSlot(f), undefined, 'and it is not run again')
  t.end()
})

t.test('a command that does not end with status 0 by itself has failed', (t) => {
  const ends: Readonly<Record<string, (f: ReturnType<typeof placed>, name: string, id: string) => void>> = {
    'status 2': (f, name, id) => report(f, name, id, 'exited', { code: 2 }),
    'killed for memory': (f, name, id) => report(f, name, id, 'exited', { code: 137, error: 'R15' }),
    'a platform fault': (f, name, id) => report(f, name, id, 'exited', { code: 0, error: 'R99' }),
    'its host forgot it': (f) => {
      f.nowMs += 5_000
      f.send({ type: 'announced', host: 'h', since: 999, runs: [] })
    },
    'its host died': (f, _, runId) =>
      f.send({
        type: 'move',
        by: 'h',
        view: 9,
        why: 'dead',
        from: 'h',
        runs: [{ runId, newRunId: 'n', epoch: 0, host: null }],
      }),
  }
  for (const [what, end] of Object.entries(ends)) {
    const f = placed()
    phase(f)
    place(f, 'h')
    const { name, run } = phaseSlot(f)
    report(f, name, run!.id, 'up')
    end(f, name, run!.id)
    t.match(tellsTo(f, 'phaseEnded'), [{ releaseId: 'release-4', ok: false }], what)
  }
  const unplaced = placed()
  phase(unplaced)
  unplaced.send({ type: 'stopDyno', dyno: phaseSlot(unplaced).name, by })
  t.match(tellsTo(unplaced, 'phaseEnded'), [{ ok: false }], 'stopped before it had a place')
  t.end()
})

const source = { version: 'c0ffee1234', sourceDir: '/builds/source-1', submodules: [] }
const job = { appId: 'a1', appName: 'shop', ...source, by }
const deployed = (status: string) => {
  const b = drive(build, { key: 'b1', args: job })
  b.done('builder.keep')
  b.answered('info', { buildpacks: [], buildStack: 'heroku-24' })
  b.answered('turn', { ahead: 0 })
  b.answered('current', { release: { configId: 'cfg' } })
  b.done('builder.compile', { slug: { ...slugOf('5'), id: 's1' } })
  if (status === 'conflict') b.askFailed('deploy', { kind: 'refused', code: 'conflict', reason: 'busy' })
  else b.answered('deploy', { id: 'r7', version: 7, status })
  return b
}
const concluded = (b: ReturnType<typeof deployed>) => b.ran.filter(({ name }) => name === 'builder.conclude')

t.test('a build shows what the command says and succeeds, whatever comes of that', (t) => {
  for (const [status, order] of [
    ['succeeded', ['shown', 'ended']],
    ['failed', ['ended', 'shown']],
    ['failed', ['ended', 'late']],
  ] as const) {
    const b = deployed('pending')
    t.match(b.ran, [{ name: 'builder.showRelease', args: { releaseId: 'r7', version: 7, buildId: 'b1' } }])
    b.answered('find', { release: { status: 'pending' } })
    b.fire('askPhase')
    b.askFailed('find', { kind: 'unknown', reason: 'slow' })
    b.fire('askPhase')
    for (const step of order) {
      t.strictSame(concluded(b), [])
      if (step === 'shown') b.done('builder.showRelease')
      else if (step === 'late') b.fire('shown')
      else b.answered('find', { release: { status } })
    }
    t.match(concluded(b), [{ args: { outcome: { version: 7, phase: status } } }])
    t.match(b.ran.at(-1), { args: { view: { status: 'succeeded', releaseId: 'r7' } } })
  }
  t.end()
})

t.test('a build whose release has to wait for the command of another asks until it is made', (t) => {
  const b = deployed('conflict')
  t.strictSame(concluded(b), [])
  b.fire('askAgain')
  b.answered('deploy', { id: 'r8', version: 8, status: 'succeeded' })
  t.match(concluded(b), [{ args: { outcome: { version: 8, phase: 'none' } } }])
  t.end()
})
