/**
 * One node: turns, asks, timers, effects, what is sent. Each promise of src/runtime/actor.ts has its test in
 * these files.
 */
import t from 'tap'
import { EffectFailed, type Performer } from '../../src/ports/effects.ts'
import { actor, child, protocol, refAt, type ActorDef } from '../../src/runtime/index.ts'
import {
  root,
  Probe,
  type ProbeArgs,
  there,
  note,
  probe,
  open,
  notesOf,
  failureOf,
  at,
} from '../kit/probe.ts'

t.test('an actor takes messages one at a time, in the order of their sender', async (t) => {
  const host = await open(root(child('one', probe, {})))
  for (const text of ['a', 'b', 'c']) host.node.tell(there('one'), note(text))
  t.same(
    host.node.report().mailboxes,
    [{ actor: 'probe/one@a', queued: 3 }],
    "nothing runs on the sender's stack",
  )
  t.notOk(host.node.settled())
  t.same(await notesOf(host.lab, host, 'one'), ['a', 'b', 'c'])
  t.ok(host.node.settled())
})

t.test('a turn that throws does nothing: no tell, timer, effect, log or state leaves it', async (t) => {
  const echoed: string[] = []
  const echo = (async (text: string) => void echoed.push(text)) as unknown as Performer
  const tree = root(child('one', probe, { notes: ['fresh'] }), child('two', probe, {}))
  const host = await open(tree, { effects: { echo } })
  host.node.tell(there('one'), { type: 'noteTo', key: 'two', text: 'kept' })
  await host.lab.run(100)
  host.node.tell(there('one'), { type: 'noteTo', key: 'two', text: 'void', boom: true })
  await host.lab.run(100)
  t.same(await notesOf(host.lab, host, 'two'), ['kept'])
  t.same(echoed, ['kept'])
  t.same(
    at(host.log, 'turn').map((fields) => fields['text']),
    ['kept'],
  )
  t.same(await notesOf(host.lab, host, 'one'), ['fresh'], 'restarted with its args')
  t.match(at(host.log, 'crash'), [{ actor: 'probe/one@a', type: 'noteTo', error: 'boom' }])
})

t.test(
  'a crash answers the ask it was handling with unknown, and those still queued with nobody',
  async (t) => {
    const host = await open(root(child('one', probe, {})))
    const options = { timeoutMs: 1_000 }
    const crashed = host.node.ask(there('one'), { type: 'boomAsk' }, options)
    const queued = host.node.ask(there('one'), { type: 'echo', text: 'x' }, options)
    const failures = Promise.allSettled([crashed, queued])
    t.match(await host.lab.answer(failures), [
      { reason: { kind: 'unknown', reason: 'crashed' } },
      { reason: { kind: 'nobody', reason: 'stopped' } },
    ])
  },
)

t.test('an ask says whether nobody, perhaps somebody, or somebody unwilling got it', async (t) => {
  const small = actor(protocol('small', 1, Probe.spec), {
    ...probe.behaviour,
    mailbox: { capacity: 1, overflow: 'reject' },
  } as never) as unknown as ActorDef<ProbeArgs>
  const Small = protocol('small', 1, Probe.spec)
  const host = await open(root(child('one', probe, {}), child('tiny', small, {})))
  const tiny = refAt(Small, 'tiny', 'a')
  const options = { timeoutMs: 50 }
  t.match(await failureOf(host.lab, host.node.ask(there('none'), { type: 'notes' }, options)), {
    kind: 'nobody',
    code: 'ACT_NOBODY',
    reason: 'noproc',
  })
  t.match(await failureOf(host.lab, host.node.ask(there('one'), { type: 'later' }, options)), {
    kind: 'unknown',
    code: 'ACT_UNKNOWN',
    reason: 'timeout',
  })
  t.match(await failureOf(host.lab, host.node.ask(there('one'), { type: 'refuseMe' }, options)), {
    kind: 'refused',
    code: 'not_today',
    reason: 'because',
  })
  const first = host.node.ask(tiny, { type: 'echo', text: '1' }, options)
  const second = host.node.ask(tiny, { type: 'echo', text: '2' }, options)
  t.match(await host.lab.answer(Promise.allSettled([first, second])), [
    { value: '1' },
    { reason: { kind: 'nobody', reason: 'mailbox_full' } },
  ])
  t.same(
    await host.lab.answer(host.node.ask(tiny, { type: 'notes' }, options)),
    ['lost 1', 'echoed 1'],
    'told in-band',
  )
  t.equal(host.node.report().lost, 1)
  await t.rejects(host.node.ask(there('one'), { type: 'notes' }, { timeoutMs: 0 }), { code: 'ACT_RANGE' })
})

t.test('an ask may be answered later, once, and not after its deadline', async (t) => {
  const host = await open(root(child('one', probe, {})))
  const promise = host.node.ask(there('one'), { type: 'later' }, { timeoutMs: 1_000 })
  host.node.tell(there('one'), { type: 'answerLater', text: 'here', times: 2 })
  t.equal(await host.lab.answer(promise), 'here')
  await host.lab.run(10)
  t.equal(host.node.report().deadLetters['late_reply'], 1, 'the second answer')
  const late = failureOf(host.lab, host.node.ask(there('one'), { type: 'later' }, { timeoutMs: 10 }))
  await host.lab.run(20)
  t.match(await late, { reason: 'timeout' })
  host.node.tell(there('one'), { type: 'answerLater', text: 'late', times: 1 })
  await host.lab.run(10)
  t.equal(host.node.report().deadLetters['late_answer'], 1)
})

t.test('an actor asks and goes on: the answer or the failure comes back as its own message', async (t) => {
  const host = await open(root(child('one', probe, {}), child('two', probe, {})))
  const ask = (key: string, question: 'echo' | 'later' | 'refuseMe' | 'boomAsk'): void =>
    host.node.tell(there('one'), { type: 'askOther', key, host: 'a', question, ms: 50 })
  ask('two', 'echo')
  await host.lab.run(1)
  ask('two', 'refuseMe')
  await host.lab.run(1)
  ask('none', 'echo')
  await host.lab.run(1)
  ask('two', 'boomAsk')
  await host.lab.run(1)
  ask('two', 'later')
  await host.lab.run(100)
  t.same(await notesOf(host.lab, host, 'one'), [
    'answer hello',
    'refused not_today',
    'nobody noproc',
    'unknown crashed',
    'unknown timeout',
  ])
})

t.test('a named timer is replaced by its name, cancelled by it, and dies with its actor', async (t) => {
  const host = await open(root(child('one', probe, {})))
  const arm = (name: string, ms: number, text: string): void =>
    host.node.tell(there('one'), { type: 'timer', name, ms, text })
  arm('x', 10, 'first')
  arm('x', 20, 'second')
  arm('y', 10, 'cancelled')
  host.node.tell(there('one'), { type: 'cancel', name: 'y' })
  await host.lab.run(50)
  t.same(await notesOf(host.lab, host, 'one'), ['second'])
  arm('z', 10, 'of an earlier life')
  host.node.tell(there('one'), { type: 'boom' })
  await host.lab.run(50)
  t.same(await notesOf(host.lab, host, 'one'), [])
})

t.test('a timer that fired is not handled once another message has cancelled it', async (t) => {
  const host = await open(root(child('one', probe, {})))
  host.node.tell(there('one'), { type: 'cancelLater', name: 'x', ms: 10 })
  host.node.tell(there('one'), { type: 'timer', name: 'x', ms: 10, text: 'stale' })
  await host.lab.run(50)
  t.same(await notesOf(host.lab, host, 'one'), [])
})

t.test('effects are performed after the turn, and their results come back as messages', async (t) => {
  const effects = {
    echo: (async (text: string) => text) as Performer,
    typed: (async () => {
      throw new EffectFailed('no_disk', 'there is none')
    }) as Performer,
    bug: (() => {
      throw new TypeError('bug')
    }) as unknown as Performer,
  }
  const host = await open(root(child('one', probe, {})), { effects })
  for (const name of ['echo', 'typed', 'bug', 'unheard', 'constructor']) {
    host.node.tell(there('one'), { type: 'run', name, arg: 'x' })
    await host.lab.run(1)
  }
  const failures = ['failed no_disk', 'failed crashed', 'failed no_performer', 'failed no_performer']
  t.same(await notesOf(host.lab, host, 'one'), ['done x', ...failures])
  t.match(at(host.log, 'effect_crashed'), [{ effect: 'bug', error: 'bug' }])
})

t.test(
  'the result of an effect for an actor that died meanwhile is dropped, counted and aborted',
  async (t) => {
    let finish: (text: string) => void = () => {}
    let signal: AbortSignal | undefined
    const slow = ((_: string, cancelled: AbortSignal) => {
      signal = cancelled
      return new Promise((resolve) => (finish = resolve))
    }) as Performer
    const host = await open(root(child('one', probe, {})), { effects: { slow } })
    host.node.tell(there('one'), { type: 'run', name: 'slow', arg: '' })
    await host.lab.run(10)
    t.equal(signal?.aborted, false)
    host.node.tell(there('one'), { type: 'boom' })
    await host.lab.run(10)
    t.equal(signal?.aborted, true)
    finish('late')
    t.same(await notesOf(host.lab, host, 'one'), [])
    t.equal(host.node.report().deadLetters['late_result'], 1)
  },
)

t.test('an actor with too many timers crashes instead of growing without bound', async (t) => {
  const host = await open(root(child('one', probe, {})), { limits: { timersMax: 3 } })
  for (let i = 0; i < 4; i += 1) {
    host.node.tell(there('one'), { type: 'timer', name: `t${i}`, ms: 100, text: '' })
  }
  await host.lab.run(10)
  t.match(at(host.log, 'crash'), [{ error: /ACT_TOO_MANY/ }])
})
