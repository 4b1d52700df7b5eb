/**
 * One node: what becomes of a message on its way, what is seen of it, and how turns share the thread.
 */
import t from 'tap'
import type { Performer } from '../../src/ports/effects.ts'
import { actor, ask, child, createNode, is, protocol, refAt, tell } from '../../src/runtime/index.ts'
import { Lab, type Fields } from '../kit/lab.ts'
import { root, mailbox, there, note, perform, probe, open, notesOf, failureOf, at } from '../kit/probe.ts'

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
  const looped: Record<string, unknown> = {}
  looped['self'] = looped
  const careful = await open(root(child('h', holder, undefined)))
  careful.node.tell(refAt(Holder, 'h', 'a'), { type: 'hold', it: looped })
  await careful.lab.run(10)
  t.same(careful.node.report().deadLetters, { malformed: 1 }, 'what cannot be encoded does not arrive')
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
  host.lab.clock.step(host.lab.clock.now())
  t.same(
    host.node.report().mailboxes.map((each) => each.actor),
    ['busy/b@a'],
    'the other one had its turn in the same slice',
  )
  host.lab.clock.step(host.lab.clock.now())
  t.equal(ticks, 1, 'and the slice has ended')
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
  for (let i = 0; i < 3; i += 1) node.tell(refAt(Slow, 's', 'a'), { type: 'think' })
  lab.clock.step(lab.clock.now())
  t.same(node.report().mailboxes, [{ actor: 'slow/s@a', queued: 2 }], 'a slice ends when its time is over')
})

t.test('dead letters are counted by reason, sampled to the log, and kept to be looked at', async (t) => {
  const host = await open(root(child('one', probe, {})))
  for (let i = 0; i < 500; i += 1) host.node.tell(there('none'), note('x'))
  await host.lab.run(10)
  t.equal(host.node.report().deadLetters['noproc'], 500)
  t.equal(at(host.log, 'dead_letter').length, 1, 'one line a second for each reason')
  t.ok(host.node.report().recentDeadLetters.length < 200)
})

t.test('a mailbox key that cannot be made is logged, and its message is taken as it is', async (t) => {
  const Latest = protocol('latest', 1, {
    set: tell({ key: is.str, n: is.int }),
    all: ask({}, is.arr(is.int)),
  })
  const latest = actor(Latest, {
    mailbox: {
      capacity: 10,
      overflow: 'latest-per-key',
      keyOf: (message) => {
        if (message.type === 'set' && message.key === 'bad') throw new TypeError('no key')
        return message.type === 'set' ? message.key : undefined
      },
    },
    init: () => [] as readonly number[],
    receive: {
      set: (s, { n }) => [...s, n],
      all: (s, _, ctx) => {
        ctx.reply([...s])
        return s
      },
    },
  })
  const host = await open(root(child('l', latest, undefined)))
  const to = refAt(Latest, 'l', 'a')
  for (const [n, key] of ['x', 'bad', 'x', 'y', 'x'].entries()) host.node.tell(to, { type: 'set', key, n })
  t.same(await host.lab.answer(host.node.ask(to, { type: 'all' }, { timeoutMs: 100 })), [4, 1, 3])
  t.match(at(host.log, 'key_failed'), [{ actor: 'latest/l@a', type: 'set' }])
  t.same(host.node.report().deadLetters, {}, 'what was superseded is no loss')
})
