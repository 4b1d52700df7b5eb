/**
 * One node: turns, asks, timers, effects, what is sent. Each promise of src/runtime/actor.ts has its test in
 * these files.
 */
import t from 'tap'
import { EffectFailed, type Performer } from '../../src/ports/effects.ts'
import {
  actor,
  ask,
  child,
  createNode,
  is,
  protocol,
  refAt,
  tell,
  type ActorDef,
} from '../../src/runtime/index.ts'
import { Lab, type Fields } from '../kit/lab.ts'
import {
  root,
  mailbox,
  Probe,
  type ProbeArgs,
  there,
  note,
  perform,
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

t.test('a local message goes through the codec and its schema, unless it is production', async (t) => {
  const strict = await open(root(child('one', probe, {})))
  strict.node.tell(there('one'), { type: 'note', text: 5 as never })
  strict.node.tell(there('one'), { type: 'secret' } as never)
  t.match(
    await failureOf(
      strict.lab,
      strict.node.ask(there('one'), { type: 'echo', text: 7 as never }, { timeoutMs: 10 }),
    ),
    {
      kind: 'nobody',
      reason: 'malformed',
    },
  )
  t.same(await notesOf(strict.lab, strict, 'one'), [])
  t.same(strict.node.report().deadLetters, { malformed: 2, unknown_type: 1 })
  t.match(strict.node.report().recentDeadLetters[0], {
    reason: 'malformed',
    to: 'probe/one@a',
    type: 'note',
    path: '/text',
  })
  t.notMatch(JSON.stringify([strict.log, strict.node.report()]), /"text":5/, 'the body is quoted nowhere')

  const Holder = protocol('holder', 1, { hold: tell({ it: is.json }), held: ask({}, is.json) })
  const holder = actor(Holder, {
    mailbox,
    init: () => ({ it: null as unknown }),
    receive: {
      hold: (_, { it }) => ({ it }),
      held: (s, _, ctx) => {
        ctx.reply(s.it)
        return s
      },
    },
  })
  const it = { a: 1 }
  for (const simulateRemote of [true, false]) {
    const host = await open(root(child('h', holder, undefined)), { simulateRemote })
    host.node.tell(refAt(Holder, 'h', 'a'), { type: 'hold', it })
    const held = await host.lab.answer(
      host.node.ask(refAt(Holder, 'h', 'a'), { type: 'held' }, { timeoutMs: 100 }),
    )
    t.same(held, it)
    t.equal(held === it, !simulateRemote, simulateRemote ? 'a copy' : 'the same object')
  }
})

t.test('a traceparent goes with everything that follows from a message, and into the log', async (t) => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const Hop = protocol('hop', 1, {
    go: tell({ left: is.int }),
    back: tell({ left: is.int }),
    q: ask({}, is.int),
  })
  const hop = actor(Hop, {
    mailbox,
    init: () => 0,
    receive: {
      go: (s, { left }, ctx) => {
        ctx.log({ at: 'hop', left })
        const to = refAt(Hop, ctx.self.key === 'x' ? 'y' : 'x', 'a')
        if (left === 3) ctx.tell(to, { type: 'go', left: 2 })
        if (left === 2) ctx.after('t', 10, { type: 'go', left: 1 })
        if (left === 1)
          ctx.ask(
            to,
            { type: 'q' },
            100,
            () => ({ type: 'go', left: 0 }),
            () => ({ type: 'go', left: -1 }),
          )
        if (left === 0) ctx.run(perform('echo', ''), () => ({ type: 'back', left: 0 }))
        return s
      },
      back: (s, _, ctx) => {
        ctx.log({ at: 'hop', left: -1 })
        return s
      },
      q: (s, _, ctx) => {
        ctx.reply(1)
        return s
      },
    },
  })
  const effects = { echo: (async () => 'x') as Performer }
  const host = await open(root(child('x', hop, undefined), child('y', hop, undefined)), { effects })
  host.node.tell(refAt(Hop, 'x', 'a'), { type: 'go', left: 3 }, { traceparent })
  await host.lab.run(100)
  t.same(
    at(host.log, 'hop').map((fields) => fields['left']),
    [3, 2, 1, 0, -1],
  )
  t.ok(at(host.log, 'hop').every((fields) => fields['trace'] === traceparent))
})

t.test('a busy actor gives others their turn, and the event loop its own', async (t) => {
  const Busy = protocol('busy', 1, { spin: tell({}) })
  const busy = actor(Busy, {
    mailbox,
    init: () => 0,
    receive: {
      spin: (s, _, ctx) => {
        ctx.tell(ctx.self, { type: 'spin' })
        return s + 1
      },
    },
  })
  const limits = { sliceMessagesMax: 16, cellTurnsMax: 4 }
  const host = await open(root(child('b', busy, undefined), child('one', probe, {})), {
    limits,
    simulateRemote: false,
  })
  host.node.tell(refAt(Busy, 'b', 'a'), { type: 'spin' })
  host.node.tell(there('one'), note('in between'))
  let ticks = 0
  host.lab.clock.soon(() => (ticks += 1))
  for (let i = 0; i < 4; i += 1) host.lab.clock.step(host.lab.clock.now())
  t.equal(ticks, 1)
  t.same(
    host.node.report().mailboxes.map((each) => each.actor),
    ['busy/b@a'],
  )
  host.node.kill()
})

t.test('the watchdog names the actor and message that held the event loop', async (t) => {
  const log: Fields[] = []
  const lab = new Lab()
  let nowMs = 1
  const clock = { ...lab.clock, monotonicMs: () => nowMs }
  const Slow = protocol('slow', 1, { think: tell({}) })
  const slow = actor(Slow, {
    mailbox,
    init: () => 0,
    receive: {
      think: (s) => {
        nowMs += 500
        return s
      },
    },
  })
  const node = createNode(
    {
      clock,
      random: lab.random,
      transport: lab.network.attach('a'),
      store: lab.store.attach('a'),
      effects: {},
      log: (fields) => void log.push(fields),
      directory: { view: () => ({ number: 1, hosts: [] }), onChange: () => {} },
    },
    { host: 'a', cluster: 'lab', tree: root(child('s', slow, undefined)) },
  )
  await node.start()
  node.tell(refAt(Slow, 's', 'a'), { type: 'think' })
  await lab.run(10)
  t.match(at(log, 'stall'), [{ actor: 'slow/s@a', type: 'think', took_ms: 500 }])
  t.equal(node.report().stalls, 1)
})

t.test('dead letters are counted by reason, sampled to the log, and kept to be looked at', async (t) => {
  const host = await open(root(child('one', probe, {})))
  for (let i = 0; i < 500; i += 1) host.node.tell(there('none'), note('x'))
  await host.lab.run(10)
  t.equal(host.node.report().deadLetters['noproc'], 500)
  t.equal(at(host.log, 'dead_letter').length, 1, 'one line a second for each reason')
  t.ok(host.node.report().recentDeadLetters.length < 200)
})

t.test('an actor with too many timers crashes instead of growing without bound', async (t) => {
  const host = await open(root(child('one', probe, {})), { limits: { timersMax: 3 } })
  for (let i = 0; i < 4; i += 1) {
    host.node.tell(there('one'), { type: 'timer', name: `t${i}`, ms: 100, text: '' })
  }
  await host.lab.run(10)
  t.match(at(host.log, 'crash'), [{ error: /ACT_TOO_MANY/ }])
})
