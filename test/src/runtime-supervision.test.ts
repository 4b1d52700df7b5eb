/**
 * One node: supervision, shutting down, watches.
 */
import t from 'tap'
import type { Performer } from '../../src/ports/effects.ts'
import { child, dynamic, supervise } from '../../src/runtime/index.ts'
import { Lab } from '../kit/lab.ts'
import {
  calm,
  root,
  there,
  note,
  probe,
  worker,
  workerThere,
  open,
  notesOf,
  failureOf,
  at,
} from '../kit/probe.ts'

t.test('one_for_one restarts the failed child alone', async (t) => {
  const host = await open(root(...['x', 'y', 'z'].map((id) => child(id, probe, {}))))
  for (const key of ['x', 'y', 'z']) host.node.tell(there(key), note('before'))
  host.node.tell(there('y'), { type: 'boom' })
  await host.lab.run(10)
  const notes = await Promise.all(['x', 'y', 'z'].map((key) => notesOf(host.lab, host, key)))
  t.same(notes, [['before'], [], ['before']])
  t.equal(host.node.report().restarts, 1)
})

t.test('rest_for_one restarts the failed child and those after it, stopped right to left', async (t) => {
  const group = supervise(
    'group',
    { ...calm, strategy: 'rest_for_one' },
    ['x', 'y', 'z', 'w'].map((id) => child(id, probe, {})),
  )
  const host = await open(root(child('diary', probe, {}), group))
  for (const key of ['x', 'y', 'z', 'w']) host.node.tell(there(key), note('before'))
  host.node.tell(there('y'), { type: 'boom' })
  await host.lab.run(10)
  const notes = await Promise.all(['x', 'y', 'z', 'w'].map((key) => notesOf(host.lab, host, key)))
  t.same(notes, [['before'], [], [], []])
  t.same(await notesOf(host.lab, host, 'diary'), ['w stops: shutdown', 'z stops: shutdown'])
})

t.test('restarted siblings bring back what had ended well, and never a temporary one', async (t) => {
  const group = supervise('group', { ...calm, strategy: 'one_for_all' }, [
    child('x', probe, {}),
    child('done', probe, {}, { restart: 'transient' }),
    child('once', probe, {}, { restart: 'temporary' }),
  ])
  const host = await open(root(group))
  host.node.tell(there('done'), { type: 'end', reason: 'normal' })
  await host.lab.run(10)
  t.match(await failureOf(host.lab, notesOf(host.lab, host, 'done')), { reason: 'noproc' })
  host.node.tell(there('x'), { type: 'boom' })
  await host.lab.run(10)
  t.same(await notesOf(host.lab, host, 'done'), [])
  t.match(await failureOf(host.lab, notesOf(host.lab, host, 'once')), { reason: 'noproc' })
})

t.test('one_for_all restarts all of them', async (t) => {
  const group = supervise(
    'group',
    { ...calm, strategy: 'one_for_all' },
    ['x', 'y'].map((id) => child(id, probe, {})),
  )
  const host = await open(root(child('diary', probe, {}), group))
  for (const key of ['x', 'y']) host.node.tell(there(key), note('before'))
  host.node.tell(there('y'), { type: 'boom' })
  await host.lab.run(10)
  t.same(await Promise.all(['x', 'y'].map((key) => notesOf(host.lab, host, key))), [[], []])
})

t.test('a transient child that ends normally stays away, a permanent one comes back', async (t) => {
  const tree = root(
    child('t', probe, {}, { restart: 'transient' }),
    child('p', probe, {}),
    child('diary', probe, {}),
  )
  const host = await open(tree)
  for (const key of ['t', 'p']) host.node.tell(there(key), { type: 'end', reason: 'normal' })
  await host.lab.run(10)
  t.same(await notesOf(host.lab, host, 'p'), [])
  t.match(await failureOf(host.lab, notesOf(host.lab, host, 't')), { reason: 'noproc' })
  t.same(
    await notesOf(host.lab, host, 'diary'),
    ['t stops: normal', 'p stops: normal'],
    'each with last words',
  )
})

t.test('a child that keeps failing waits longer each time, then its supervisor gives up', async (t) => {
  const inner = supervise('inner', { strategy: 'one_for_one', intensity: 3, periodMs: 10_000 }, [
    child('one', probe, {}),
  ])
  const tree = supervise('root', { strategy: 'one_for_one', intensity: 1, periodMs: 60_000 }, [inner])
  const host = await open(tree)
  const crash = async (): Promise<void> => {
    await host.lab.run(1_000, () => host.node.report().actors['probe'] === 1)
    host.node.tell(there('one'), { type: 'boom' })
    await host.lab.run(1_000, () => host.node.report().actors['probe'] === 0 || host.exits.length > 0)
  }
  for (let i = 0; i < 4; i += 1) await crash()
  await host.lab.run(500)
  const waits = at(host.log, 'restart').filter((fields) => fields['supervisor'] === 'inner')
  t.match(
    waits.map((fields) => Number(fields['wait_ms'])),
    [0, Number, Number],
  )
  t.ok(Number(waits[2]?.['wait_ms']) > Number(waits[1]?.['wait_ms']), 'longer each time')
  t.match(at(host.log, 'gave_up'), [{ supervisor: 'inner' }])
  t.equal(host.node.report().actors['probe'], 1, 'the supervisor above restarted the whole')
  for (let i = 0; i < 4; i += 1) await crash()
  await host.lab.run(500)
  t.same(host.exits, ['crash:ACT_INTENSITY'], 'the root gave up')
  t.match(await failureOf(host.lab, notesOf(host.lab, host, 'one')), { kind: 'nobody', reason: 'stopped' })
})

t.test('a child whose init throws does not start, and neither does the node', async (t) => {
  const lab = new Lab()
  const tree = root(child('diary', probe, {}), child('one', probe, { brokenInit: () => true }))
  await t.rejects(lab.host('a', tree, { simulateRemote: false }), {
    code: 'ACT_START',
    message: /root\/one.*init is broken/,
  })
})

t.test('a restart whose init throws is one more failure', async (t) => {
  let broken = false
  const host = await open(root(child('one', probe, { brokenInit: () => broken })), { simulateRemote: false })
  broken = true
  host.node.tell(there('one'), { type: 'boom' })
  await host.lab.run(50)
  t.ok(at(host.log, 'restart_failed').length >= 1)
  broken = false
  await host.lab.run(1_000)
  t.same(await notesOf(host.lab, host, 'one'), [], 'it is up once its init works')
})

t.test('a node stops right to left, with last words, and waits for what they ask for', async (t) => {
  const done: string[] = []
  const lab = new Lab()
  const last = ((key: string) =>
    new Promise<void>((resolve) => {
      lab.clock.after(100, () => {
        done.push(key)
        resolve()
      })
    })) as unknown as Performer
  const tree = root(child('x', probe, { lastWords: true }), child('y', probe, { lastWords: true }))
  const host = await lab.host('a', tree, { effects: { last } })
  host.node.tell(there('x'), note('queued'))
  await lab.answer(host.node.stop())
  t.same(done, ['y', 'x'])
  t.equal(host.node.report().actors['probe'], 0)
})

t.test('a child that does not stop within its budget is forgotten', async (t) => {
  const never = (() => new Promise(() => {})) as unknown as Performer
  const tree = root(child('x', probe, {}), child('y', probe, { lastWords: true }, { shutdownMs: 200 }))
  const host = await open(tree, { effects: { last: never } })
  const beforeMs = host.lab.clock.now()
  await host.lab.answer(host.node.stop())
  t.equal(host.lab.clock.now() - beforeMs, 200)
  t.match(at(host.log, 'shutdown_overrun'), [{ child: 'y' }])
})

t.test('children of a dynamic node are spawned once, restarted alone, and halted', async (t) => {
  const tree = root(child('one', probe, {}), child('diary', probe, {}), dynamic(worker, { childrenMax: 2 }))
  const host = await open(tree)
  const spawn = (key: string, text: string): void =>
    host.node.tell(there('one'), { type: 'spawn', key, text })
  const workerNotes = (key: string): Promise<readonly string[]> =>
    host.lab.answer(host.node.ask(workerThere(key), { type: 'notes' }, { timeoutMs: 100 }))
  spawn('w1', 'first')
  spawn('w1', 'second')
  spawn('w2', 'other')
  spawn('w3', 'too many')
  await host.lab.run(10)
  t.same(await workerNotes('w1'), ['first'], 'already there: nothing happens')
  t.match(at(host.log, 'spawn_refused'), [{ key: 'w3', max: 2 }])
  host.node.tell(workerThere('w1'), note('more'))
  host.node.tell(workerThere('w1'), { type: 'boom' })
  await host.lab.run(10)
  t.same(await workerNotes('w1'), ['first'], 'restarted with its args')
  t.same(await workerNotes('w2'), ['other'])
  host.node.tell(there('one'), { type: 'halt', key: 'w2' })
  host.node.tell(there('one'), { type: 'halt', key: 'w9' })
  await host.lab.run(10)
  t.match(await failureOf(host.lab, workerNotes('w2')), { reason: 'noproc' })
  t.same(await notesOf(host.lab, host, 'diary'), ['w2 stops: shutdown'])
  t.match(at(host.log, 'halt_ignored'), [{ child: 'worker/w9@a' }])
})

t.test('dynamic children that fail too often make their supervisor give up', async (t) => {
  const tree = supervise('root', { strategy: 'one_for_one', intensity: 1, periodMs: 10_000 }, [
    child('one', probe, {}),
    dynamic(worker),
  ])
  const host = await open(tree)
  host.node.tell(there('one'), { type: 'spawn', key: 'w', text: '' })
  await host.lab.run(10)
  for (let i = 0; i < 2; i += 1) {
    host.node.tell(workerThere('w'), { type: 'boom' })
    await host.lab.run(200)
  }
  t.same(host.exits, ['crash:ACT_INTENSITY'])
})

t.test('exactly one down comes for each watch: noproc, the end, or none after unwatch', async (t) => {
  const host = await open(root(child('one', probe, {}), ...['x', 'y', 'z'].map((id) => child(id, probe, {}))))
  const say = (type: 'watch' | 'unwatch', key: string): void => host.node.tell(there('one'), { type, key })
  for (const key of ['none', 'x', 'x', 'y', 'z']) say('watch', key)
  say('unwatch', 'z')
  await host.lab.run(10)
  host.node.tell(there('x'), { type: 'boom' })
  host.node.tell(there('y'), { type: 'end', reason: 'normal' })
  host.node.tell(there('z'), { type: 'boom' })
  await host.lab.run(100)
  for (const key of ['x', 'y']) host.node.tell(there(key), { type: 'boom' })
  await host.lab.run(1_000)
  t.same(await notesOf(host.lab, host, 'one'), [
    'down none noproc',
    'down x crash:RangeError',
    'down y normal',
  ])
})

t.test('a killed node says nothing more: no last words, no timers, no answers', async (t) => {
  const host = await open(root(child('one', probe, {}), child('diary', probe, {})))
  host.node.tell(there('one'), { type: 'timer', name: 'x', ms: 5, text: 'late' })
  await host.lab.run(1)
  let answered = false
  const promise = host.node.ask(there('one'), { type: 'later' }, { timeoutMs: 10 })
  promise.then(
    () => (answered = true),
    () => (answered = true),
  )
  const lines = host.log.length
  host.node.kill()
  await host.lab.run(1_000)
  t.notOk(answered)
  t.equal(host.log.length, lines)
})

t.test('a down that waits to be handled is void once its watch has ended', async (t) => {
  const host = await open(root(...['one', 'first', 'second'].map((id) => child(id, probe, {}))))
  for (const key of ['first', 'second']) host.node.tell(there('one'), { type: 'watch', key })
  await host.lab.run(10)
  for (const key of ['first', 'second']) host.node.tell(there(key), { type: 'end', reason: 'normal' })
  await host.lab.run(10)
  t.same(await notesOf(host.lab, host, 'one'), ['down first normal'])
})
