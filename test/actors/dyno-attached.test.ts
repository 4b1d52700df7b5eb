/**
 * A dyno and the clients attached to it, driven by hand: who leaves, who says nothing, who comes to run a
 * command inside.
 */
import t from 'tap'
import { dyno, type Adopted } from '../../actors/dyno.ts'
import { drive, textsOf } from '../kit/drive.ts'
import { runOf } from '../kit/runs.ts'

const attach = { host: 'b', token: 'secret', terminal: null }
const r16 =
  'Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed.'
const closed = 'Client connection closed. Sending SIGHUP to all processes'
const at = { address: '10.0.0.1', port: 3000, outer: null, startedAt: 1_800_000_000_000 }

const attached = (adopted: Adopted | null = null, attachment: typeof attach | null = attach) => {
  const run = { ...runOf('run.4711'), type: 'run', attach: attachment, timeToLiveMs: 86_400_000 }
  const d = drive(dyno, { key: run.id, args: { run, adopted } })
  if (adopted === null) {
    d.done('container.prepare')
    d.done('container.start', at)
  }
  return d
}
type Driven = ReturnType<typeof attached>
const signals = (d: Driven) =>
  d.ran
    .filter(({ name }) => name === 'container.signal')
    .map(({ args }) => (args as { readonly signal: string }).signal)

t.test('a one-off whose client is gone gets three SIGHUPs 5 s apart, then R16, and runs on', (t) => {
  const d = attached()
  d.done('container.client', { left: true })
  d.said.splice(0, d.said.length - 1)
  t.same(textsOf(d), [closed])
  t.match(d.said, [{ source: 'heroku', process: 'run.4711' }])
  for (const sent of [1, 2, 3]) {
    t.same(signals(d), Array(sent).fill('SIGHUP'))
    t.equal(d.timers.get('hangup')?.ms, 5_000)
    t.same(textsOf(d), [closed])
    d.fire('hangup')
  }
  t.same(textsOf(d), [closed, r16])
  t.same(signals(d), ['SIGHUP', 'SIGHUP', 'SIGHUP'])
  t.notOk(d.timers.has('hangup'), 'it is left alone')
  t.ok(d.timers.has('expired'), 'until its time is over')
  d.done('container.wait', { code: 0, oomKilled: false })
  t.equal(textsOf(d).at(-1), 'Process exited with status 0')
  t.end()
})

t.test('a one-off that heeds the first SIGHUP gets no other', (t) => {
  const d = attached()
  d.done('container.client', { left: true })
  d.done('container.wait', { code: 129, oomKilled: false })
  t.notOk(d.timers.has('hangup'))
  t.same(signals(d), ['SIGHUP'])
  t.notOk(textsOf(d).includes(r16))
  t.end()
})

t.test(
  'a client that goes because its one-off has ended, or is being stopped, is nothing to speak of',
  (t) => {
    const ended = attached()
    ended.done('container.client', { left: false })
    t.notOk(textsOf(ended).includes(closed))
    t.notOk(ended.timers.has('idle'))
    const stopped = attached()
    stopped.send({ type: 'stop' })
    stopped.done('container.client', { left: true })
    t.notOk(textsOf(stopped).includes(closed))
    t.same(signals(stopped), ['SIGTERM'])
    t.end()
  },
)

t.test('a stop between two SIGHUPs is the end of them', (t) => {
  const d = attached()
  d.done('container.client', { left: true })
  d.send({ type: 'stop' })
  for (let i = 0; i < 3 && d.timers.has('hangup'); i++) d.fire('hangup')
  t.same(signals(d), ['SIGHUP', 'SIGTERM'])
  t.notOk(textsOf(d).includes(r16))
  t.end()
})

t.test('after an hour without a word the client is sent away, and not before', (t) => {
  const hourMs = 3_600_000
  const d = attached()
  t.equal(d.timers.get('idle')?.ms, hourMs)
  d.fire('idle')
  d.done('container.quiet', { quietMs: 600_000 })
  t.equal(d.timers.get('idle')?.ms, hourMs - 600_000)
  t.notOk(d.ran.some(({ name }) => name === 'container.dismiss'))
  d.fire('idle')
  d.done('container.quiet', { quietMs: hourMs })
  t.ok(d.ran.some(({ name }) => name === 'container.dismiss'))
  d.done('container.client', { left: true })
  t.equal(textsOf(d).at(-1), closed)
  t.end()
})

t.test(
  'a one-off found again has lost its client with the host process; a detached one never had any',
  (t) => {
    const found = attached(at)
    found.done('container.client', { left: true })
    t.equal(textsOf(found).at(-1), closed)
    const detached = attached(null, null)
    t.notOk(detached.ran.some(({ name }) => name === 'container.client'))
    t.notOk(detached.timers.has('idle'), 'no client, no time-out')
    t.end()
  },
)

t.test('a command inside is run where the dyno runs, by whoever asked, with Procfile types known', (t) => {
  const d = attached()
  const by = { id: 'u', email: 'ada@example.com' }
  const ask = { command: 'worker --once', env: { A: '1' }, attachToken: 'token', terminal: null, by }
  const run = { ...runOf('web.1'), slug: { ...runOf('web.1').slug, processTypes: { worker: 'work' } } }
  const early = drive(dyno, { key: run.id, args: { run, adopted: null } })
  early.send({ type: 'inside', ...ask })
  t.match(early.replies, [{ refused: { code: 'invalid_params', reason: 'The dyno web.1 is not running.' } }])
  early.done('container.prepare')
  early.done('container.start', at)
  early.clear()
  early.send({ type: 'inside', ...ask })
  t.match(early.replies, [{ value: {} }])
  t.match(early.ran, [
    {
      name: 'container.inside',
      args: {
        port: 3000,
        command: 'work --once',
        env: { A: '1' },
        attach: { token: 'token', terminal: null },
      },
    },
  ])
  t.same(textsOf(early), ['Starting process with command `worker --once` by user ada@example.com'])
  d.send({ type: 'stop' })
  d.send({ type: 'inside', ...ask })
  t.match(d.replies.at(-1), { refused: { code: 'invalid_params' } })
  t.end()
})
