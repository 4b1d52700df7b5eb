/**
 * One node: turns, asks, timers, effects, supervision. Each promise of src/runtime/actor.ts has its test here.
 */
import t from 'tap'
import { EffectFailed, type Performer } from '../../src/ports/effects.ts'
import {
  actor,
  ask,
  child,
  createNode,
  dynamic,
  effect,
  is,
  protocol,
  refAt,
  stop,
  supervise,
  tell,
  type ActorDef,
  type Caller,
  type Policy,
  type Ref,
  type TreeNode,
} from '../../src/runtime/index.ts'
import { Lab, type Fields, type HostOptions, type LabHost } from '../kit/lab.ts'

const calm: Policy = { strategy: 'one_for_one', intensity: 5, periodMs: 10_000 }
const root = (...children: readonly TreeNode[]): TreeNode => supervise('root', calm, children)
const mailbox = { capacity: 100, overflow: 'reject' } as const

/** Does whatever a message says: the subject of most tests. */
const Probe = protocol('probe', 1, {
  note: tell({ text: is.str }),
  noteTo: tell({ key: is.str, text: is.str, boom: is.opt(is.bool) }),
  boom: tell({}),
  boomAsk: ask({}, is.str),
  end: tell({ reason: is.str }),
  notes: ask({}, is.arr(is.str)),
  echo: ask({ text: is.str }, is.str),
  refuseMe: ask({}, is.str),
  later: ask({}, is.str),
  answerLater: tell({ text: is.str, times: is.int }),
  timer: tell({ name: is.str, ms: is.int, text: is.str }),
  cancel: tell({ name: is.str }),
  askOther: tell({
    key: is.str,
    host: is.str,
    question: is.oneOf('echo', 'later', 'refuseMe', 'boomAsk'),
    ms: is.int,
  }),
  run: tell({ name: is.str, arg: is.str }),
  spawn: tell({ key: is.str, text: is.str }),
  halt: tell({ key: is.str }),
  watch: tell({ key: is.str }),
  unwatch: tell({ key: is.str }),
  log: tell({ text: is.str }),
})
type ProbeArgs = {
  readonly notes?: readonly string[]
  readonly brokenInit?: () => boolean
  readonly lastWords?: boolean
}
type ProbeState = {
  readonly notes: readonly string[]
  readonly caller: Caller | null
  readonly args: ProbeArgs
}
const there = (key: string, host = 'a'): Ref<typeof Probe> => refAt(Probe, key, host)
const noted = (s: ProbeState, text: string): ProbeState => ({ ...s, notes: [...s.notes, text] })
const note = (text: string) => ({ type: 'note', text }) as const
const perform = (name: string, arg: string) => effect<string, string>(name)(arg)

const probe = actor(Probe, {
  mailbox,
  init: (args: ProbeArgs): ProbeState => {
    if (args.brokenInit?.() === true) throw new TypeError('init is broken')
    return { notes: args.notes ?? [], caller: null, args }
  },
  receive: {
    note: (s, { text }) => noted(s, text),
    noteTo: (s, { key, text, boom }, ctx) => {
      ctx.tell(there(key), note(text))
      ctx.after('never', 1, note('a timer of a turn that threw'))
      ctx.run(perform('echo', text), note)
      ctx.log({ at: 'turn', text })
      if (boom === true) throw new RangeError('boom')
      return noted(s, `sent ${text}`)
    },
    boom: () => {
      throw new RangeError('boom')
    },
    boomAsk: () => {
      throw new RangeError('boom')
    },
    end: (_, { reason }) => stop(reason),
    notes: (s, _, ctx) => {
      ctx.reply([...s.notes])
      return s
    },
    echo: (s, { text }, ctx) => {
      ctx.reply(text)
      return noted(s, `echoed ${text}`)
    },
    refuseMe: (s, _, ctx) => {
      ctx.refuseCaller('not_today', 'because')
      return s
    },
    later: (s, _, ctx) => ({ ...s, caller: ctx.caller }),
    answerLater: (s, { text, times }, ctx) => {
      for (let i = 0; i < times; i += 1) if (s.caller !== null) ctx.answer(s.caller, text)
      return s
    },
    timer: (s, { name, ms, text }, ctx) => {
      ctx.after(name, ms, note(text))
      return s
    },
    cancel: (s, { name }, ctx) => {
      ctx.cancel(name)
      return s
    },
    askOther: (s, { key, host, question, ms }, ctx) => {
      const message =
        question === 'echo' ? ({ type: 'echo', text: 'hello' } as const) : ({ type: question } as const)
      ctx.ask(
        there(key, host),
        message as { readonly type: 'later' },
        ms,
        (text) => note(`answer ${text}`),
        (failure) => note(`${failure.kind} ${failure.kind === 'refused' ? failure.code : failure.reason}`),
      )
      return s
    },
    run: (s, { name, arg }, ctx) => {
      ctx.run(
        perform(name, arg),
        (text) => note(`done ${text}`),
        ({ code }) => note(`failed ${code}`),
      )
      return s
    },
    spawn: (s, { key, text }, ctx) => {
      ctx.spawn(worker, key, { notes: [text] })
      return s
    },
    halt: (s, { key }, ctx) => {
      ctx.halt(refAt(Worker, key, 'a'))
      return s
    },
    watch: (s, { key }, ctx) => {
      ctx.watch(there(key))
      return s
    },
    unwatch: (s, { key }, ctx) => {
      ctx.unwatch(there(key))
      return s
    },
    log: (s, { text }, ctx) => {
      ctx.log({ at: 'probe', text })
      return s
    },
  },
  down: (s, { ref, reason }) => noted(s, `down ${ref.key} ${reason}`),
  lost: (s, { count }) => noted(s, `lost ${count}`),
  stopping: (s, reason, ctx) => {
    ctx.tell(there('diary'), note(`${ctx.self.key} stops: ${reason}`))
    if (s.args.lastWords === true) ctx.run(perform('last', ctx.self.key))
  },
})
const Worker = protocol('worker', 1, Probe.spec)
const worker = actor(Worker, probe.behaviour as never) as unknown as ActorDef<ProbeArgs>
const workerThere = (key: string): Ref<typeof Worker> => refAt(Worker, key, 'a')

const open = async (tree: TreeNode, options?: HostOptions): Promise<LabHost & { lab: Lab }> => {
  const lab = new Lab()
  return { lab, ...(await lab.host('a', tree, options)) }
}
const notesOf = (lab: Lab, { node }: LabHost, key: string): Promise<readonly string[]> =>
  lab.answer(node.ask(there(key), { type: 'notes' }, { timeoutMs: 1_000 }))
const failureOf = async (lab: Lab, promise: Promise<unknown>): Promise<unknown> =>
  lab.answer(promise).then(
    () => undefined,
    (error: unknown) => error,
  )
const at = (log: readonly Fields[], what: string): readonly Fields[] =>
  log.filter((fields) => fields['at'] === what)

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
  const group = supervise('group', { ...calm, strategy: 'rest_for_one' }, [
    ...['x', 'y', 'z', 'w'].map((id) => child(id, probe, {})),
  ])
  const host = await open(root(child('diary', probe, {}), group))
  for (const key of ['x', 'y', 'z', 'w']) host.node.tell(there(key), note('before'))
  host.node.tell(there('y'), { type: 'boom' })
  await host.lab.run(10)
  const notes = await Promise.all(['x', 'y', 'z', 'w'].map((key) => notesOf(host.lab, host, key)))
  t.same(notes, [['before'], [], [], []])
  t.same(await notesOf(host.lab, host, 'diary'), ['w stops: shutdown', 'z stops: shutdown'])
})

t.test('one_for_all restarts all of them', async (t) => {
  const group = supervise('group', { ...calm, strategy: 'one_for_all' }, [
    ...['x', 'y'].map((id) => child(id, probe, {})),
  ])
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
  let lab: Lab | undefined
  const last = ((key: string) =>
    new Promise<void>((resolve) => {
      lab?.clock.after(100, () => {
        done.push(key)
        resolve()
      })
    })) as unknown as Performer
  const told: string[] = []
  const tree = root(child('x', probe, { lastWords: true }), child('y', probe, { lastWords: true }))
  const host = await open(tree, { effects: { last } })
  lab = host.lab
  host.node.tell(there('x'), note('queued'))
  await host.lab.answer(host.node.stop())
  t.same(done, ['y', 'x'])
  t.same(told, [])
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
