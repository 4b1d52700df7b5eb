/**
 * Builds: whose turn it is on a host, one build of an app at a time in the whole cluster, and what becomes of
 * one whose place was taken.
 */
import t from 'tap'
import { build } from '../../actors/build.ts'
import { builds } from '../../actors/builds.ts'
import { Build } from '../../actors/protocols/build.ts'
import { releases } from '../../actors/releases.ts'
import { refAt } from '../../src/runtime/index.ts'
import { drive } from '../kit/drive.ts'
import { slugOf } from '../kit/runs.ts'

const by = { id: 'u1', email: 'me@example.com' }
const job = {
  appId: 'a1',
  appName: 'shop',
  version: 'c0ffee1234',
  sourceDir: '/builds/source-1',
  submodules: [],
  by,
}
const begun = () => drive(build, { key: 'b1', args: job })

const host = (atOnce = 2) => {
  const b = drive(builds, { key: 'builds', args: { atOnce }, nowMs: 5_000 })
  const start = (id: string, appId = `app-${id}`) =>
    b.send({ type: 'start', buildId: id, job: { ...job, appId } })
  const held = (by: string | null) =>
    b.answered('beginBuild', { held: by === null ? null : { buildId: by, host: 'h9', at: 1_000 } })
  const begin = (id: string): void => {
    start(id)
    held(null)
  }
  const turn = (id: string): unknown => b.send({ type: 'turn', buildId: id })?.value
  return { b, start, held, begin, turn }
}

t.test('builds wait for their turn in the order in which they came', async (t) => {
  const { b, start, begin, turn } = host(2)
  t.match(b.ran, [{ name: 'builder.bury', args: { before: 5_000 } }])
  b.failed('builder.bury', 'store_unavailable')
  b.nowMs = 9_000
  b.fire('bury')
  t.match(b.ran, [{ name: 'builder.bury', args: { before: 5_000 } }], 'what began since is not of that life')
  for (let at = 0; at < 200; at++) begin(`b${at}`)
  t.equal(b.spawned.length, 200)
  t.match(start('b0'), { value: {} }, 'again')
  t.match(start('b200'), { refused: { code: 'too_many' } })
  b.down(refAt(Build, 'b3', 'host-1'), 'normal')
  begin('b200')
  t.equal(b.spawned.length, 201)

  t.same(
    ['b0', 'b1', 'b2', 'b4', 'b5'].map(turn),
    [0, 0, 2, 3, 4].map((ahead) => ({ ahead })),
  )
  t.same([turn('b5'), turn('b0')], [{ ahead: 4 }, { ahead: 0 }], 'asked again')
  b.send({ type: 'yield', buildId: 'b1' })
  t.same([turn('b5'), turn('b4'), turn('b2')], [{ ahead: 3 }, { ahead: 2 }, { ahead: 0 }])
  b.down(refAt(Build, 'b4', 'host-1'), 'normal')
  b.send({ type: 'yield', buildId: 'b0' })
  t.same(turn('b5'), { ahead: 0 }, 'who went away is not waited for')
})

t.test('an app has one build at a time, wherever the other is, until that one is over', async (t) => {
  const { b, start, held } = host()
  start('b2', 'a1')
  t.match(b.asked, [{ message: { type: 'beginBuild', buildId: 'b2', host: 'host-1' } }])
  held('b1')
  t.match(b.ran.at(-1), { name: 'builder.look', args: { appId: 'a1', buildId: 'b1', host: 'h9', at: 1_000 } })
  b.done('builder.look', { isOver: false })
  t.match(b.replies, [{ type: 'start', refused: { code: 'busy' } }])
  t.equal(b.spawned.length, 0)

  start('b3', 'a1')
  held('b1')
  b.done('builder.look', { isOver: true })
  t.match(b.asked, [{ message: { type: 'beginBuild', buildId: 'b3', instead: 'b1' } }])
  held(null)
  t.match(b.spawned, [{ key: 'b3' }])
  t.match(b.replies.at(-1), { type: 'start', value: {} })

  start('b4', 'gone')
  b.askFailed('beginBuild', { kind: 'refused', code: 'not_found', reason: 'no such app' })
  t.match(b.replies.at(-1), { refused: { code: 'not_found' } })
  start('b5')
  for (let tries = 0; tries < 100 && b.replies.at(-1)?.refused?.code === 'not_found'; tries++) {
    b.askFailed('beginBuild', { kind: 'nobody', reason: 'unreachable' })
    if (b.timers.has('claim b5')) b.fire('claim b5')
  }
  t.match(b.replies.at(-1), { refused: { code: 'platform' } }, 'nobody is kept waiting')
  t.equal(b.spawned.length, 1)
})

t.test('a build says that it waits, once, and may be stopped meanwhile', async (t) => {
  const b = begun()
  b.done('builder.keep')
  b.answered('info', { buildpacks: [], buildStack: 'heroku-24' })
  b.answered('turn', { ahead: 3 })
  t.match(b.ran, [{ name: 'builder.showWaiting', args: { ahead: 3 } }])
  b.fire('askAgain')
  b.answered('turn', { ahead: 2 })
  t.equal(b.ran.length, 1)
  b.fire('askAgain')
  b.send({ type: 'cancel' })
  b.answered('turn', { ahead: 0 })
  t.match(b.ran.slice(-2), [
    { args: { outcome: { code: 'unwanted' } } },
    { args: { view: { status: 'failed' } } },
  ])
  const told = b.told.map(({ message }) => message)
  t.match(told.slice(-2), [
    { type: 'yield', buildId: 'b1' },
    { type: 'endBuild', buildId: 'b1' },
  ])
})

t.test('the release of a build whose place another took is not made', async (t) => {
  const r = drive(releases, { key: 'a1', args: undefined })
  const begin = (buildId: string, more: object = {}) =>
    r.send({ type: 'beginBuild', buildId, host: 'h1', ...more })?.value
  const deploy = (build: string, slug: string) => {
    r.send({ type: 'deploy', slug: { ...slugOf(slug), id: slug }, description: `Deploy ${slug}`, by, build })
    r.send({ type: 'received', version: r.state.ledger?.entries.at(-1)?.version ?? 0 })
    return r.replies.findLast(({ type }) => type === 'deploy')
  }
  t.match(r.send({ type: 'beginBuild', buildId: 'b1', host: 'h1' }), { refused: { code: 'not_found' } })
  r.send({ type: 'open', appName: 'shop', by })
  t.same(begin('b1'), { held: null })
  t.same(begin('b1'), { held: null }, 'again')
  t.match(begin('b2'), { held: { buildId: 'b1', host: 'h1', at: r.nowMs } })
  t.match(begin('b2', { instead: 'b0' }), { held: { buildId: 'b1' } }, 'over is another')
  t.same(begin('b2', { instead: 'b1' }), { held: null })
  t.match(deploy('b1', 's1'), { refused: { code: 'superseded' } })
  t.match(deploy('b2', 's2'), { value: { version: 3 } })
  r.send({ type: 'setConfig', patch: { A: '1' }, by })
  r.done('vault.seal', {
    configId: 'c1',
    changed: true,
    set: ['A'],
    removed: [],
    pages: { error: '', maintenance: '' },
  })
  t.match(deploy('b2', 's2'), { value: { version: 3 } }, 'asked again: made already, and another since')
  t.match(deploy('b1', 's1'), { refused: { code: 'superseded' } }, 'nor when the other is over')
  begin('b3')
  r.send({ type: 'endBuild', buildId: 'b1' })
  t.match(begin('b4'), { held: { buildId: 'b3' } })
  r.send({ type: 'endBuild', buildId: 'b3' })
  t.same(begin('b4'), { held: null })
  const next = drive(releases, { key: 'a1', args: undefined, saved: r.saved()! })
  t.match(next.send({ type: 'beginBuild', buildId: 'b5', host: 'h2' })?.value, { held: { buildId: 'b4' } })
  // By the API, without a build: each makes a release.
  const again = () => {
    r.send({ type: 'deploy', slug: { ...slugOf('s2'), id: 's2' }, description: 'Deploy s2', by, isNew: true })
    return r.state.ledger?.entries.at(-1)?.version
  }
  t.same([again(), again()], [5, 6])
})

const opened = () => {
  const r = drive(releases, { key: 'a1', args: undefined })
  r.send({ type: 'open', appName: 'shop', by })
  const version = (): number => r.state.ledger?.entries.at(-1)?.version ?? 0
  const last = (type: string) => r.replies.findLast((reply) => reply.type === type)
  const begin = (buildId: string): void => void r.send({ type: 'beginBuild', buildId, host: 'h1' })
  const deploy = (build: string, more: object = {}) => {
    const slug = { ...slugOf(build), id: build, ...more }
    r.send({ type: 'deploy', slug, description: 'Deploy c0ffee12', by, build })
    r.send({ type: 'received', version: version() })
    return last('deploy')
  }
  const giveUp = (buildId: string) => r.send({ type: 'giveUpBuild', buildId })?.value
  return { r, version, last, begin, deploy, giveUp }
}

t.test('a build that was given up releases nothing any more, and the app takes the next', (t) => {
  const { r, version, begin, deploy, giveUp } = opened()
  begin('b1')
  t.same(giveUp('b0'), { released: null })
  t.same(giveUp('b1'), { released: null })
  t.match(deploy('b1'), { refused: { code: 'superseded', reason: /taken for lost/ } })
  t.equal(version(), 2)
  t.equal(r.saved()?.building, undefined, 'on record')
  t.match(r.send({ type: 'beginBuild', buildId: 'b2', host: 'h2' })?.value, { held: null })
  t.same(giveUp('b1'), { released: null }, 'again; it is not the one now')
  t.match(deploy('b2'), { value: { version: 3 } })
  t.end()
})

t.test('what a lost build had released stands, however it is asked for', (t) => {
  const { r, last, begin, deploy, giveUp } = opened()
  begin('b1')
  t.match(deploy('b1'), { value: { version: 3 } })
  const made = r.state.ledger!.entries.at(-1)!.id
  t.same(giveUp('b1'), { released: { id: made, version: 3, slugId: 'b1' } })
  t.match(deploy('b1'), { value: { id: made, version: 3 } }, 'asked again after an unknown outcome')
  begin('b2')
  deploy('b2', { processTypes: { release: 'false' } })
  const failed = r.state.ledger!.entries.at(-1)!.id
  r.send({ type: 'phaseEnded', releaseId: failed, ok: false })
  t.match(
    deploy('b2'),
    { value: { id: failed, version: 4, status: 'failed' } },
    'also when its command failed',
  )
  t.match(giveUp('b2'), { released: { version: 4 } })
  const next = drive(releases, { key: 'a1', args: undefined, saved: r.saved()! })
  t.match(next.send({ type: 'giveUpBuild', buildId: 'b1' })?.value, { released: { version: 3 } })
  t.notMatch(last('deploy')?.value, { build: 'b2' }, 'no part of a release')
  const none = drive(releases, { key: 'a2', args: undefined })
  t.match(none.send({ type: 'giveUpBuild', buildId: 'b1' }), { refused: { code: 'not_found' } })
  t.end()
})

t.test('config vars of a build that was given up are not set, nor when that was as they were sealed', (t) => {
  const { r, version, last, begin, giveUp } = opened()
  const set = () => r.send({ type: 'setConfig', patch: { A: '1' }, by, build: 'b1' })
  const seal = () =>
    r.done('vault.seal', {
      configId: 'c1',
      changed: true,
      set: ['A'],
      removed: [],
      pages: { error: '', maintenance: '' },
    })
  t.match(set(), { refused: { code: 'superseded' } })
  begin('b1')
  set()
  giveUp('b1')
  seal()
  t.match(last('setConfig'), { refused: { code: 'superseded' } })
  t.equal(version(), 2, 'no release of them')
  begin('b1')
  set()
  seal()
  t.equal(version(), 3)
  t.end()
})

t.test('a build asks for its release until it hears of it, and ends as that did', (t) => {
  const b = begun()
  b.done('builder.keep')
  b.answered('info', { buildpacks: [], buildStack: 'heroku-24' })
  b.answered('turn', { ahead: 0 })
  b.answered('current', { release: { configId: 'cfg', slug: slugOf('1') } })
  b.done('builder.compile', { slug: { ...slugOf('5'), id: 's1' } })
  b.askFailed('deploy', { kind: 'unknown', reason: 'its host was lost' })
  b.fire('askAgain')
  t.match(b.asked, [{ message: { type: 'deploy', build: 'b1' } }])
  b.answered('deploy', { id: 'r7', version: 7, status: 'failed' })
  t.match(b.ran, [
    { args: { outcome: { version: 7, phase: 'failed' } } },
    { args: { view: { status: 'succeeded', releaseId: 'r7' } } },
  ])
  t.end()
})
