/**
 * The host and its dynos, driven by hand: what reaches them late, twice, too old or not at all.
 */
import t from 'tap'
import { expandCommand } from '../../actors/dyno/command.ts'
import { host } from '../../actors/host.ts'
import type { RunReport } from '../../actors/protocols/shapes.ts'
import { refAt } from '../../src/runtime/index.ts'
import { Dyno } from '../../actors/protocols/dyno.ts'
import { drive } from '../kit/drive.ts'
import { announced, begun, launched, phases, runOf, said, tells } from '../kit/dynos.ts'

const adoptedHost = () => {
  const h = drive(host, { key: 'host', args: null })
  h.done('container.list', { runs: [] })
  h.done('container.capacity', { memoryBytes: 2 ** 30 })
  h.clear()
  return h
}

t.test('launches wait until the host knows what runs, and what it finds is adopted', (t) => {
  const h = drive(host, { key: 'host', args: null })
  h.send({ type: 'launch', run: runOf('late') })
  h.send({ type: 'launch', run: runOf('unwanted', { name: 'web.2' }) })
  h.send({ type: 'halt', runId: 'unwanted', appId: 'app-1', name: 'web.2' })
  t.same(h.spawned, [])
  t.same(announced(h), [], 'nothing is announced that is not the whole')
  const found = { run: runOf('kept', { name: 'web.3' }), startedAt: 5, address: '10.0.0.1', port: 3000 }
  h.done('container.list', { runs: [found] })
  t.match(h.spawned, [
    { key: 'kept', args: { adopted: { address: '10.0.0.1', port: 3000, startedAt: 5 } } },
    { key: 'late', args: { adopted: null } },
  ])
  t.same(
    announced(h).map((report) => report.id),
    ['kept', 'late'],
  )
  t.end()
})

t.test('apps of which nothing is here are told so when a host comes up', (t) => {
  const h = adoptedHost()
  h.fire('census')
  h.done('census.formations', { appIds: ['app-7'] })
  t.match(h.told.at(-1), { to: { key: 'app-7' }, message: { type: 'announced', runs: [] } })
  t.end()
})

t.test('a launch is done once, an older decision for the slot is refused and reported', (t) => {
  const h = adoptedHost()
  h.send({ type: 'launch', run: runOf('new', { epoch: 10 }) })
  h.send({ type: 'launch', run: runOf('new', { epoch: 10 }) })
  t.equal(h.spawned.length, 1)
  h.send({ type: 'launch', run: runOf('old', { epoch: 9 }) })
  t.equal(h.spawned.length, 1)
  t.match(announced(h), [
    { id: 'new', phase: 'starting' },
    { id: 'old', phase: 'exited' },
  ])
  h.send({ type: 'launch', run: runOf('newer', { epoch: 11 }) })
  t.equal(h.spawned.length, 2)
  t.end()
})

t.test('routers are told of a web dyno that stands in, when it is up and when it is over', (t) => {
  const h = adoptedHost()
  const words = () => h.ran.filter(({ name }) => name === 'routes.standIn').map(({ args }) => args)
  h.send({ type: 'launch', run: runOf('own') })
  h.send({ type: 'launch', run: runOf('clock', { type: 'clock', name: 'clock.1' }), standsIn: true })
  h.send({ type: 'launch', run: runOf('new', { name: 'web.2' }), standsIn: true })
  const report = (id: string, name: string, phase: RunReport['phase']): RunReport => ({
    id,
    appId: 'app-1',
    name,
    epoch: 10,
    releaseVersion: 3,
    phase,
    address: '10.0.0.1',
    port: 3000,
    outer: null,
    startedAt: 1,
    code: null,
    error: null,
  })
  h.send({ type: 'changed', report: report('own', 'web.1', 'up') })
  h.send({ type: 'changed', report: report('clock', 'clock.1', 'up') })
  h.send({ type: 'changed', report: report('new', 'web.2', 'starting') })
  t.same(words(), [])
  h.send({ type: 'changed', report: report('new', 'web.2', 'up') })
  const target = { runId: 'new', dyno: 'web.2', address: '10.0.0.1', port: 3000, epoch: 10, outer: null }
  t.match(words(), [{ standIn: { appId: 'app-1', target, over: false } }])
  h.send({ type: 'changed', report: report('new', 'web.2', 'exited') })
  t.match(words().slice(1), [{ standIn: { appId: 'app-1', target, over: true } }])
  t.end()
})

t.test('a halt that overtakes its launch leaves a mark', (t) => {
  const h = adoptedHost()
  h.send({ type: 'halt', runId: 'early', appId: 'app-1', name: 'web.1' })
  t.match(announced(h), [{ id: 'early', phase: 'exited' }])
  h.send({ type: 'launch', run: runOf('early') })
  t.same(h.spawned, [])
  for (let i = 0; i < 13; i++) h.fire('tick')
  h.clear()
  h.fire('tick')
  t.same(announced(h), [], 'and is forgotten after a while')
  t.end()
})

t.test('a dyno actor that dies is looked for in the engine', (t) => {
  const h = adoptedHost()
  h.send({ type: 'launch', run: runOf('a') })
  h.send({ type: 'launch', run: runOf('b', { name: 'web.2' }) })
  h.down(refAt(Dyno, 'a', 'host-1'), 'crash')
  h.down(refAt(Dyno, 'b', 'host-1'), 'crash')
  h.fire('find')
  h.done('container.list', {
    runs: [{ run: runOf('a'), startedAt: 5, address: null, port: null, outer: null }],
  })
  t.match(h.spawned.at(-1), { key: 'a', args: { adopted: { startedAt: 5 } } })
  t.match(announced(h), [
    { id: 'a', phase: 'starting' },
    { id: 'b', phase: 'exited', error: 'R99' },
  ])
  t.end()
})

t.test('a web dyno is up when its port is bound, others when they run', (t) => {
  const web = begun()
  t.same(said(web), ['Starting process with command `serve 4711 ${PORT:-1} $PORTAL`'])
  t.same(phases(web), ['starting', 'starting'])
  web.done('container.bound')
  t.same(phases(web).at(-1), 'up')
  t.notOk(web.timers.has('boot'))
  t.equal(phases(begun({ type: 'worker', name: 'worker.1' })).at(-1), 'up')
  t.equal(phases(begun({ timeToLiveMs: 1_000, name: 'web.4711' })).at(-1), 'up', 'a one-off serves nobody')
  t.equal(expandCommand('$PORT$PORT', 1), '11')
  t.end()
})

t.test('an exited dyno is removed when its last line is shipped, in either order', (t) => {
  const first = begun()
  first.done('container.wait', { code: 3, oomKilled: false })
  t.equal(said(first).at(-1), 'Process exited with status 3')
  t.notOk(first.ran.some((ran) => ran.name === 'container.remove'))
  first.done('container.ship')
  first.done('container.remove')
  t.equal(first.stopped, 'normal')
  const second = begun()
  second.done('container.ship')
  second.done('container.wait', { code: 0, oomKilled: false })
  second.done('container.remove')
  t.equal(second.stopped, 'normal')
  t.end()
})

t.test('a stop before there is a process takes effect as soon as there is one', (t) => {
  const early = launched()
  early.send({ type: 'stop' })
  early.done('container.prepare')
  t.equal(phases(early).at(-1), 'exited')
  t.notOk(
    early.ran.some((ran) => ran.name === 'container.start'),
    'it is not even started',
  )
  const late = launched()
  late.done('container.prepare')
  late.send({ type: 'stop' })
  late.done('container.start', { address: '10.0.0.1', port: 4711, outer: null, startedAt: late.nowMs })
  t.equal(phases(late).at(-1), 'stopping')
  t.match(late.ran.at(-1), { name: 'container.signal', args: { signal: 'SIGTERM' } })
  t.end()
})

t.test('a start that fails says why, in the words of Heroku', (t) => {
  const attach = { host: 'h', token: 'x', terminal: null }
  const lonely = launched({ attach, type: 'run', name: 'run.4711', timeToLiveMs: 1_000 })
  lonely.done('container.prepare')
  t.same(said(lonely), ['Awaiting client'])
  lonely.failed('container.start', 'attach_timeout')
  t.equal(said(lonely).at(-1), 'Error R13 (Attach error) -> Failed to attach to process')
  t.match(lonely.said.at(-1), { source: 'app', process: 'run.4711' })
  const damaged = launched()
  damaged.failed('container.prepare', 'R17', 'Checksum does match expected value.')
  t.equal(said(damaged).at(-1), 'Error R17 (Checksum error) -> Checksum does match expected value.')
  const broken = begun()
  broken.failed('container.wait', 'engine', 'no answer')
  t.ok(broken.timers.has('again/wait'), 'an engine that does not answer is asked again')
  t.end()
})

t.test('an adopted dyno is watched over as one that was started, and its time to live goes on', (t) => {
  const started = 1_800_000_000_000 - 50_000
  const d = launched(
    { type: 'run', name: 'run.4711', timeToLiveMs: 60_000 },
    { address: null, port: null, outer: null, startedAt: started },
  )
  t.same(d.ran.map((ran) => ran.name).sort(), ['container.ship', 'container.wait'])
  t.equal(d.timers.get('expired')?.ms, 10_000)
  d.fire('expired')
  t.equal(said(d).at(-1), 'Stopping all processes with SIGTERM')
  d.fire('exit')
  t.match(said(d).at(-2), /^Error R12/)
  d.fire('exit')
  const kills = d.ran.filter((ran) => ran.name === 'container.signal').length
  t.equal(kills, 3, 'and killed until it is gone')
  t.equal(said(d).filter((line) => line.startsWith('Error R12')).length, 1)
  t.end()
})

t.test('an adopted dyno that had ended before does not count against its app', (t) => {
  const adopted = { address: '10.0.0.1', port: 3000, outer: null, startedAt: 1 }
  const errorOf = (d: ReturnType<typeof launched>) =>
    (tells(d, 'dynoChanged').at(-1)?.['report'] as RunReport | undefined)?.error
  const before = launched({}, adopted)
  before.done('container.wait', { code: 137, oomKilled: false })
  t.equal(errorOf(before), 'R99')
  const after = launched({}, adopted)
  after.nowMs += 5_000
  after.done('container.wait', { code: 1, oomKilled: false })
  t.equal(errorOf(after), null)
  t.end()
})

t.test('placement hears of all runs first, then of what changed, soonest of what ended', (t) => {
  const h = drive(host, { key: 'host', args: null })
  const spoken = () => h.ran.filter((ran) => ran.name === 'fleet.announce').map((ran) => ran.args)
  h.done('container.list', {
    runs: [{ run: runOf('kept', { name: 'web.3' }), startedAt: 5, address: null, port: null, outer: null }],
  })
  h.done('container.capacity', { memoryBytes: 2 ** 30 })
  h.fire('announceRuns')
  t.match(spoken(), [{ full: true, seq: 1, count: 1, runs: [{ id: 'kept' }], gone: [] }])
  h.send({ type: 'launch', run: runOf('new', { singleton: true }) })
  t.equal(h.timers.get('announceRuns')?.ms, 1_000)
  h.fire('announceRuns')
  t.match(spoken().at(-1), { full: false, seq: 2, count: 2, runs: [{ id: 'new', singleton: true }] })
  const report = announced(h).find(({ id }) => id === 'kept')!
  h.send({ type: 'changed', report: { ...report, phase: 'exited' } })
  t.equal(h.timers.get('announceRuns')?.ms, 50)
  h.fire('announceRuns')
  t.match(spoken().at(-1), { full: false, seq: 3, count: 1, runs: [], gone: ['kept'] })
  h.send({ type: 'survey' })
  h.fire('announceRuns')
  t.match(spoken().at(-1), { full: true, seq: 4, runs: [{ id: 'new' }] })
  t.end()
})

t.test('a slot remembers its newest decision after its run has ended', (t) => {
  const h = adoptedHost()
  h.send({ type: 'launch', run: runOf('new', { epoch: 10 }) })
  const report = announced(h)[0]!
  h.send({ type: 'changed', report: { ...report, phase: 'exited' } })
  for (let i = 0; i < 14; i++) h.fire('tick')
  h.send({ type: 'launch', run: runOf('old', { epoch: 9 }) })
  t.equal(h.spawned.length, 1)
  t.match(announced(h), [{ id: 'old', phase: 'exited', error: 'R99' }])
  t.end()
})

t.test('a fenced host stops its singletons at once and starts none until its lease holds', (t) => {
  const h = adoptedHost()
  h.send({ type: 'launch', run: runOf('one', { name: 'clock.1', singleton: true }) })
  h.send({ type: 'launch', run: runOf('many') })
  h.clear()
  h.send({ type: 'fence', isFenced: true })
  t.match(h.told, [{ to: { to: 'dyno', key: 'one' }, message: { type: 'fence' } }])
  t.equal(h.told.length, 1)
  h.send({ type: 'launch', run: runOf('two', { name: 'clock.2', singleton: true }) })
  t.same(h.spawned, [])
  t.notMatch(h.told, [{ message: { runs: [{ id: 'two' }] } }], 'nor is it reported: it is just not here yet')
  h.send({ type: 'fence', isFenced: false })
  h.send({ type: 'launch', run: runOf('two', { name: 'clock.2', singleton: true }) })
  t.match(h.spawned, [{ key: 'two' }], 'when it is said again')
  const d = begun({ singleton: true })
  d.done('container.bound')
  d.send({ type: 'fence' })
  t.equal(said(d).at(-1), 'Stopping all processes with SIGTERM', 'not even the routers are waited for')
  d.fire('fence')
  t.match(d.ran.at(-1), { name: 'container.signal', args: { signal: 'SIGKILL' } })
  d.done('container.wait', { code: 137, oomKilled: false })
  t.match(tells(d, 'dynoChanged').at(-1), { report: { error: 'R99' } }, 'no crash of the app')
  t.end()
})
