/**
 * Several hosts and a record: durable turns, keyed actors, what crosses hosts, watches, durable timers.
 */
import t from 'tap'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { decode, encode } from '../../src/runtime/codec.ts'
import {
  actor,
  ask,
  child,
  is,
  keyed,
  protocol,
  ref,
  refAt,
  stop,
  supervise,
  tell,
  type KeyedOptions,
  type TreeNode,
} from '../../src/runtime/index.ts'
import { calmNetwork } from '../../src/sim/network.ts'
import { Ownership } from '../../src/runtime/ownership.ts'
import { Lab, type Fields, type HostOptions, type LabHost } from '../kit/lab.ts'

const Count = protocol('count', 1, {
  add: ask({ n: is.int }, is.int),
  bump: tell({ n: is.int }),
  total: ask({}, is.obj({ n: is.int, fired: is.int, host: is.str })),
  boom: tell({}),
  clear: tell({}),
  end: tell({}),
  remind: tell({ name: is.str, ms: is.int }),
  forget: tell({ name: is.str }),
  due: tell({}),
})
type Saved = { readonly n: number; readonly fired: number }
const count = actor(Count, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init: (): Saved => ({ n: 0, fired: 0 }),
  durable: {
    version: 1,
    schema: is.obj({ n: is.int, fired: is.int }),
    save: (s: Saved) => (s.n < 0 ? undefined : s),
    load: (saved): Saved => saved,
  },
  receive: {
    add: (s, { n }, ctx) => {
      ctx.reply(s.n + n)
      return { ...s, n: s.n + n }
    },
    bump: (s, { n }) => (n === 0 ? { ...s } : { ...s, n: s.n + n }),
    total: (s, _, ctx) => {
      ctx.reply({ ...s, host: ctx.host })
      return s
    },
    boom: () => {
      throw new RangeError('boom')
    },
    clear: (s) => ({ ...s, n: -1 }),
    end: () => stop('normal'),
    remind: (s, { name, ms }, ctx) => {
      ctx.remind(name, ctx.now + ms, { type: 'due' })
      return s
    },
    forget: (s, { name }, ctx) => {
      ctx.forget(name)
      return s
    },
    due: (s) => ({ ...s, fired: s.fired + 1 }),
  },
})

/** An actor that watches what it is told to, and notes what it sees. */
const Eye = protocol('eye', 1, {
  watch: tell({ to: is.str, key: is.str, host: is.str }),
  unwatch: tell({ to: is.str, key: is.str, host: is.str }),
  end: tell({ reason: is.str }),
  note: tell({ text: is.str }),
  pad: tell({ bytes: is.bytes }),
  notes: ask({}, is.arr(is.str)),
  silence: ask({}, is.str),
})
const target = (m: { to: string; key: string; host: string }) =>
  m.host === '' ? { to: m.to, key: m.key } : { to: m.to, key: m.key, host: m.host }
const eye = actor(Eye, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init: () => [] as readonly string[],
  receive: {
    watch: (s, m, ctx) => {
      ctx.watch(target(m))
      return s
    },
    unwatch: (s, m, ctx) => {
      ctx.unwatch(target(m))
      return s
    },
    end: (_, { reason }) => stop(reason),
    note: (s, { text }) => [...s, text],
    pad: (s, { bytes }) => [...s, `${bytes.length} bytes`],
    notes: (s, _, ctx) => {
      ctx.reply([...s])
      return s
    },
    silence: (s) => s,
  },
  down: (s, { ref, reason }) => [...s, `down ${ref.key} ${reason}`],
})

const policy = { strategy: 'one_for_one', intensity: 20, periodMs: 1_000 } as const
const tree = (options: KeyedOptions = {}): TreeNode =>
  supervise('root', policy, [
    child('eye', eye, undefined, { restart: 'transient' }),
    keyed(count, options as KeyedOptions<void>),
  ])
const one = async (options?: HostOptions, keyedOptions?: KeyedOptions): Promise<LabHost & { lab: Lab }> => {
  const lab = new Lab()
  return { lab, ...(await lab.host('a', tree(keyedOptions), options)) }
}
const k = ref(Count, 'k')
const timeoutMs = 1_000
const add = ({ node }: LabHost, n: number, key = 'k'): Promise<number> =>
  node.ask(ref(Count, key), { type: 'add', n }, { timeoutMs })
const total = (lab: Lab, { node }: LabHost, key = 'k'): Promise<Saved & { host: string }> =>
  lab.answer(node.ask(ref(Count, key), { type: 'total' }, { timeoutMs }))
const failureOf = (lab: Lab, promise: Promise<unknown>): Promise<unknown> =>
  lab.answer(promise).then(
    () => undefined,
    (error: unknown) => error,
  )
const at = (log: readonly Fields[], what: string): readonly Fields[] =>
  log.filter((fields) => fields['at'] === what)
const recordOf = (lab: Lab, key = 'k'): Saved | undefined => {
  const entry = lab.store.peek(`actor/count/${key}`)
  return entry === undefined ? undefined : (decode(entry.value) as { state: Saved }).state
}
/** Writes a state as another activation elsewhere would. */
const foreign = async (store: Store, n: number): Promise<void> => {
  const found = await store.get('actor/count/k')
  const writes = Array.from({ length: 4 }, (_, i) => `foreign${i}`.padEnd(26, '.'))
  const value = encode({ v: 1, state: { n, fired: 0 }, reminders: [], writes })
  if (found === undefined) await store.create('actor/count/k', value)
  else await store.update('actor/count/k', value, found.revision)
}
/** Puts something between the node and the store for one write. */
const onWrite = (act: (store: Store, write: () => Promise<number>) => Promise<number>, times = 1) => {
  let left = times
  const wrap = (store: Store): Store => {
    const guard = (key: string, write: () => Promise<number>): Promise<number> => {
      if (!key.startsWith('actor/') || left === 0) return write()
      left -= 1
      return act(store, write)
    }
    return {
      ...store,
      create: (key, value) => guard(key, () => store.create(key, value)),
      update: (key, value, revision) => guard(key, () => store.update(key, value, revision)),
    }
  }
  return wrap
}

t.test('what a durable turn tells leaves only after the store has accepted its state', async (t) => {
  const host = await one()
  let answered = false
  void add(host, 5).then(() => (answered = true))
  host.lab.store.away(true)
  await host.lab.run(500)
  t.notOk(answered)
  t.equal(recordOf(host.lab), undefined)
  host.lab.store.away(false)
  await host.lab.run(400, () => answered)
  t.same(recordOf(host.lab), { n: 5, fired: 0 })
})

t.test(
  'messages that wait together share one write, and messages that change nothing need none',
  async (t) => {
    const host = await one()
    for (let i = 0; i < 20; i += 1) host.node.tell(k, { type: 'bump', n: 1 })
    t.equal((await total(host.lab, host)).n, 20)
    t.equal(host.node.report().writes, 1)
    host.node.tell(k, { type: 'bump', n: 0 })
    await total(host.lab, host)
    t.equal(host.node.report().writes, 1, 'another object, the same bytes')
  },
)

t.test('a lost race reloads what the winner wrote and replays the messages on it', async (t) => {
  const wrap = onWrite(async (store, write) => {
    await foreign(store, 100)
    return write()
  })
  const host = await one({ store: wrap })
  host.node.tell(k, { type: 'bump', n: 1 })
  t.equal(await host.lab.answer(add(host, 2)), 103, 'on top of theirs, both of the batch')
  t.same(recordOf(host.lab), { n: 103, fired: 0 })
  t.equal(host.node.report().conflicts, 1)
})

t.test('an actor that loses every race crashes with its reason instead of going on for ever', async (t) => {
  let n = 0
  const wrap = onWrite(async (store, write) => {
    n += 1
    await foreign(store, n)
    return write()
  }, 8)
  const host = await one({ store: wrap })
  t.match(await failureOf(host.lab, add(host, 1)), { kind: 'unknown', reason: 'crashed' })
  t.match(at(host.log, 'crash'), [{ actor: 'count/k', error: /ACT_CONFLICT/ }])
  t.equal(await host.lab.answer(add(host, 1)), 9, 'and it comes back')
})

t.test('a write whose answer is lost is looked up: applied once, whatever became of it', async (t) => {
  const lost = (): never => {
    throw new StoreUnavailable('no answer', 'unknown')
  }
  const applied = await one({ store: onWrite((_, write) => write().then(lost)) })
  t.equal(await applied.lab.answer(add(applied, 5)), 5)
  t.same(recordOf(applied.lab), { n: 5, fired: 0 })
  t.equal(applied.node.report().conflicts, 0)
  const never = await one({ store: onWrite(() => Promise.resolve().then(lost)) })
  t.equal(await never.lab.answer(add(never, 5)), 5)
  t.same(recordOf(never.lab), { n: 5, fired: 0 })
  const other = await one({ store: onWrite((store) => foreign(store, 70).then(lost)) })
  t.equal(await other.lab.answer(add(other, 5)), 75, 'somebody else wrote: reloaded and replayed')
})

t.test('a write is recognised under one that somebody else built on it', async (t) => {
  const wrap = onWrite(async (store, write) => {
    await write()
    const found = await store.get('actor/count/k')
    const record = decode(found?.value ?? new Uint8Array()) as { state: Saved; writes: string[] }
    const writes = ['theirs'.padEnd(26, '.'), ...record.writes].slice(0, 4)
    const value = encode({ ...record, state: { n: record.state.n + 1_000, fired: 0 }, writes })
    await store.update('actor/count/k', value, found?.revision ?? 0)
    throw new StoreUnavailable('no answer', 'unknown')
  })
  const host = await one({ store: wrap })
  t.equal(await host.lab.answer(add(host, 5)), 5)
  t.equal((await total(host.lab, host)).n, 1_005, 'not applied a second time')
})

t.test(
  'while the store is away the mailbox waits, and asks past their deadline are dropped unread',
  async (t) => {
    const host = await one()
    await host.lab.answer(add(host, 1))
    host.lab.store.away(true)
    host.node.tell(k, { type: 'bump', n: 1 })
    await host.lab.run(5)
    const late = host.node.ask(k, { type: 'add', n: 100 }, { timeoutMs: 50 })
    t.match(await failureOf(host.lab, late), { kind: 'unknown', reason: 'timeout' })
    host.node.tell(k, { type: 'bump', n: 1 })
    host.lab.store.away(false)
    t.equal((await total(host.lab, host)).n, 3)
    t.equal(host.node.report().deadLetters['expired'], 1)
  },
)

t.test(
  'a crash in the middle of a batch commits what came before it, and takes what comes after it again',
  async (t) => {
    const host = await one()
    const first = add(host, 1)
    host.node.tell(k, { type: 'boom' })
    const after = add(host, 10)
    t.same(await host.lab.answer(Promise.all([first, after])), [1, 11])
    t.same(recordOf(host.lab), { n: 11, fired: 0 })
    t.match(at(host.log, 'crash'), [{ actor: 'count/k', type: 'boom' }])
  },
)

t.test('a state with nothing to keep removes its record', async (t) => {
  const host = await one()
  await host.lab.answer(add(host, 1))
  host.node.tell(k, { type: 'clear' })
  await host.lab.run(10)
  t.equal(host.lab.store.peek('actor/count/k'), undefined)
  host.node.tell(k, { type: 'end' })
  t.equal(await host.lab.answer(add(host, 1)), 1, 'the next activation starts anew')
})

t.test(
  'a keyed actor is passivated when idle, activated by its next message, and nothing falls in between',
  async (t) => {
    const host = await one({}, { idleMs: 100 })
    await host.lab.answer(add(host, 5))
    await host.lab.run(300)
    t.equal(host.node.report().actors['count'], 0)
    t.equal(host.node.report().passivations, 1)
    t.equal(await host.lab.answer(add(host, 1)), 6)
    for (let i = 0; i < 200; i += 1) {
      host.node.tell(k, { type: 'bump', n: 1 })
      await host.lab.run(i % 60 === 0 ? 150 : 1)
    }
    t.equal((await total(host.lab, host)).n, 206)
    t.same(host.node.report().deadLetters, {})
  },
)

t.test(
  'too many active keyed actors make room by passivating the one that was idle the longest',
  async (t) => {
    const host = await one({}, { activeMax: 2 })
    for (const key of ['x', 'y', 'z']) {
      t.equal(await host.lab.answer(add(host, 1, key)), 1)
      await host.lab.run(5)
    }
    t.equal(host.node.report().actors['count'], 2)
    t.equal((await total(host.lab, host, 'x')).n, 1, 'it is activated again when it is needed')
  },
)

t.test('what was acknowledged survives a crash of the host', async (t) => {
  const lab = new Lab()
  const first = await lab.host('a', tree())
  t.equal(await lab.answer(add(first, 7)), 7)
  first.crash()
  const second = await lab.host('a', tree())
  t.equal((await total(lab, second)).n, 7)
})

t.test(
  'a record that cannot be read turns its messages away with a reason, and says so in the log',
  async (t) => {
    const host = await one()
    await host.lab.store.attach('x').create
    const client = host.lab.store.attach('x')
    await host.lab.answer(
      client.create('actor/count/k', encode({ v: 9, state: {}, reminders: [], writes: [] })),
    )
    t.match(await failureOf(host.lab, add(host, 1)), { kind: 'nobody', reason: 'record_unreadable' })
    t.match(at(host.log, 'crash')[0], { error: /ACT_RECORD: version 9/ })
  },
)

const three = async (
  options?: HostOptions,
  keyedOptions?: KeyedOptions,
): Promise<{ lab: Lab; hosts: readonly LabHost[] }> => {
  const lab = new Lab()
  const hosts: LabHost[] = []
  for (const name of ['a', 'b', 'c']) hosts.push(await lab.host(name, tree(keyedOptions), options))
  return { lab, hosts }
}
/** The host that has the activation of `k`, and another one. */
const ownerOf = async (lab: Lab, hosts: readonly LabHost[]): Promise<{ owner: LabHost; other: LabHost }> => {
  const [first] = hosts
  const { host } = await total(lab, first as LabHost)
  const owner = hosts.find(({ node }) => node.host === host) as LabHost
  return { owner, other: hosts.find((each) => each !== owner) as LabHost }
}

t.test('a keyed actor lives on one host, wherever its messages come from', async (t) => {
  const { lab, hosts } = await three()
  await Promise.all(hosts.map((host) => lab.answer(add(host, 1))))
  const active = hosts.map(({ node }) => node.report().actors['count'])
  t.same(active.toSorted(), [0, 0, 1])
  t.equal((await total(lab, hosts[0] as LabHost)).n, 3)
})

/** A key that moves from one of these hosts to `joining` when that one comes. */
const movingKey = (hosts: readonly string[], joining: string): string => {
  const ownerIn = (names: readonly string[], key: string): string | undefined => {
    const ownership = new Ownership()
    ownership.setView({ number: 1, hosts: names.map((name) => ({ name, roles: ['control'] })) })
    return ownership.owner('control', 'count', key)
  }
  for (let i = 0; ; i += 1) if (ownerIn([...hosts, joining], `k${i}`) === joining) return `k${i}`
}

t.test('a key that gets another owner is handed over: what is queued follows what is written', async (t) => {
  const { lab, hosts } = await three()
  const key = movingKey(['a', 'b', 'c'], 'd')
  const answers: number[] = []
  const ask50 = (): void => {
    for (const host of hosts)
      for (let i = 0; i < 50; i += 1) void add(host, 1, key).then((n) => answers.push(n))
  }
  ask50()
  await lab.run(2)
  ask50()
  const joining = lab.host('d', tree())
  ask50()
  const d = await joining
  await lab.run(200)
  t.equal(answers.length, 450, 'every one was answered')
  t.same(recordOf(lab, key), { n: 450, fired: 0 })
  t.equal((await total(lab, d, key)).host, 'd')
  t.same(
    hosts.map(({ node }) => node.report().actors['count']),
    [0, 0, 0],
  )
})

t.test('two hosts that both think they own a key cost work, never correctness', async (t) => {
  const lab = new Lab()
  const a = await lab.host('a', tree())
  // b is alone in a view of its own: both own every key.
  const elsewhere = new Lab()
  const b = await elsewhere.host('b', tree(), { store: () => lab.store.attach('b') })
  const both = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false
    const mark = (): void => void (settled = true)
    promise.then(mark, mark)
    for (let i = 0; i < 20_000 && !settled; i += 1) {
      await lab.run(1)
      await elsewhere.run(1)
    }
    return promise
  }
  t.equal(await both(add(a, 1)), 1)
  t.equal(await both(add(b, 1)), 2)
  t.equal(await both(add(a, 1)), 3, 'a reloaded what b had written')
  t.equal(a.node.report().conflicts, 1)
  await lab.run(6_000)
  await elsewhere.run(6_000)
  const { n: read } = await both(b.node.ask(k, { type: 'total' }, { timeoutMs }))
  t.equal(read, 3, 'and one that only answers looks again after a while')
})

t.test('a key that no host owns has nobody to take its messages', async (t) => {
  const lab = new Lab()
  const host = await lab.host('a', tree(), { roles: ['edge'] })
  t.match(await failureOf(lab, add(host, 1)), { kind: 'nobody', reason: 'no_owner' })
})

t.test('what one tick sends to a host leaves as one batch, and arrives in order', async (t) => {
  const lab = new Lab()
  const a = await lab.host('a', tree())
  const b = await lab.host('b', tree())
  let batches = 0
  lab.network.attach('c').listen('c', () => (batches += 1))
  const texts = Array.from({ length: 200 }, (_, i) => `n${i}`)
  for (const text of texts) a.node.tell(refAt(Eye, 'eye', 'b'), { type: 'note', text })
  const notes = await lab.answer(a.node.ask(refAt(Eye, 'eye', 'b'), { type: 'notes' }, { timeoutMs }))
  t.same(notes, texts)
  t.same(await lab.answer(b.node.ask(refAt(Eye, 'eye', 'b'), { type: 'notes' }, { timeoutMs })), texts)
  for (const text of texts) a.node.tell(refAt(Eye, 'eye', 'c'), { type: 'note', text })
  await lab.run(10)
  t.equal(batches, 1)
})

t.test(
  'a batch that is too large for the transport is split, and a message that alone is too large goes nowhere',
  async (t) => {
    const lab = new Lab()
    const a = await lab.host('a', tree())
    await lab.host('b', tree())
    const there = refAt(Eye, 'eye', 'b')
    for (let i = 0; i < 8; i += 1) a.node.tell(there, { type: 'pad', bytes: new Uint8Array(200_000) })
    a.node.tell(there, { type: 'pad', bytes: new Uint8Array(600_000) })
    await lab.run(10)
    const notes = await lab.answer(a.node.ask(there, { type: 'notes' }, { timeoutMs }))
    t.equal(notes.length, 8)
    t.equal(a.node.report().deadLetters['too_large'], 1)
  },
)

t.test(
  'an ask to another host fails as nobody when nothing listens there, as unknown when it went silent or down',
  async (t) => {
    const lab = new Lab()
    const a = await lab.host('a', tree())
    const b = await lab.host('b', tree())
    const silence = (host: string): Promise<unknown> =>
      failureOf(lab, a.node.ask(refAt(Eye, 'eye', host), { type: 'silence' }, { timeoutMs }))
    t.match(await silence('nowhere'), { kind: 'nobody', reason: 'unreachable' })
    t.match(await silence('b'), { kind: 'unknown', reason: 'timeout' })
    t.match(await failureOf(lab, a.node.ask(refAt(Eye, 'none', 'b'), { type: 'notes' }, { timeoutMs })), {
      kind: 'nobody',
      reason: 'noproc',
    })
    const waiting = a.node.ask(refAt(Eye, 'eye', 'b'), { type: 'silence' }, { timeoutMs: 60_000 })
    lab.clock.after(50, () => {
      b.crash()
      lab.leave('b')
    })
    t.match(await failureOf(lab, waiting), { kind: 'unknown', reason: 'host_down' })
  },
)

t.test('whatever arrives that cannot be read is a dead letter, never a crash', async (t) => {
  const lab = new Lab()
  const a = await lab.host('a', tree())
  const wire = lab.network.attach('stranger')
  const send = (value: unknown): void => wire.send('a', value instanceof Uint8Array ? value : encode(value))
  const letter = (type: string, version: number, body: unknown): unknown[] => [
    [1, 0, 'eye', 'eye', '', '', 0, '', type, version, body, 0],
  ]
  send(Uint8Array.of(0xc1, 0xff))
  send('text')
  send([[1, 99], 7])
  send([[2, 0, 'eye', 'eye']])
  send(letter('note', 9, { type: 'note', text: 'secret' }))
  send(letter('nothing', 1, { type: 'nothing', text: 'secret' }))
  send(letter('note', 1, { type: 'note', text: { secret: 1 } }))
  send(letter('note', 1, { type: 'note', text: 'fine', later: 'field' }))
  await lab.run(10)
  t.same(await lab.answer(a.node.ask(refAt(Eye, 'eye', 'a'), { type: 'notes' }, { timeoutMs })), ['fine'])
  t.same(a.node.report().deadLetters, { malformed: 5, unknown_version: 2, unknown_type: 1 })
  const noteFault = a.node.report().recentDeadLetters.find((each) => each.path === '/text')
  t.match(noteFault, { reason: 'malformed', to: 'eye/eye@a', type: 'note' })
  t.notMatch(JSON.stringify([a.log, a.node.report()]), /secret/)
})

const notesOf = (lab: Lab, { node }: LabHost): Promise<readonly string[]> =>
  lab.answer(node.ask(refAt(Eye, 'eye', node.host), { type: 'notes' }, { timeoutMs }))
const watch = ({ node }: LabHost, host: string, key = 'eye'): void =>
  node.tell(refAt(Eye, 'eye', node.host), { type: 'watch', to: 'eye', key, host })

t.test('exactly one down comes over a network that loses and doubles half of what it carries', async (t) => {
  const lab = new Lab()
  const a = await lab.host('a', tree())
  const b = await lab.host('b', tree())
  lab.network.faults({ ...calmNetwork, loss: 0.5, duplicate: 0.5 })
  watch(a, 'b')
  watch(a, 'b', 'none')
  await lab.run(60_000)
  b.node.tell(refAt(Eye, 'eye', 'b'), { type: 'end', reason: 'normal' })
  await lab.run(120_000)
  const notes = await notesOf(lab, a)
  t.equal(notes.length, 2)
  t.ok(notes.includes('down none noproc'))
  t.ok(
    notes.includes('down eye normal') || notes.includes('down eye noproc'),
    'the reason, or that it is gone',
  )
})

t.test('a watched actor on a host that left the view is down, once', async (t) => {
  const lab = new Lab()
  const a = await lab.host('a', tree())
  const b = await lab.host('b', tree())
  watch(a, 'b')
  watch(a, 'gone')
  await lab.run(100)
  b.crash()
  lab.leave('b')
  await lab.run(60_000)
  t.same(await notesOf(lab, a), ['down eye host_down', 'down eye host_down'])
})

t.test('a watch ends with unwatch, and an actor that came back unseen is still a down', async (t) => {
  const lab = new Lab()
  const a = await lab.host('a', tree())
  const b = await lab.host('b', tree())
  watch(a, 'b')
  await lab.run(100)
  a.node.tell(refAt(Eye, 'eye', 'a'), { type: 'unwatch', to: 'eye', key: 'eye', host: 'b' })
  await lab.run(100)
  b.node.tell(refAt(Eye, 'eye', 'b'), { type: 'end', reason: 'crash' })
  await lab.run(20_000)
  t.same(await notesOf(lab, a), [])
  watch(a, 'b')
  await lab.run(100)
  b.crash()
  await lab.host('b', tree())
  await lab.run(20_000)
  t.same(await notesOf(lab, a), ['down eye noproc'], 'the activation it watched is gone')
})

t.test('a watched keyed actor is activated, not passivated, and its handing over is a down', async (t) => {
  const { lab, hosts } = await three({}, { idleMs: 100 })
  const { owner, other } = await ownerOf(lab, hosts)
  await lab.run(1_000)
  t.equal(owner.node.report().actors['count'], 0)
  other.node.tell(refAt(Eye, 'eye', other.node.host), { type: 'watch', to: 'count', key: 'k', host: '' })
  await lab.run(5_000)
  t.equal(owner.node.report().actors['count'], 1)
  const [, , spare] = [owner, other, hosts.find((host) => host !== owner && host !== other) as LabHost]
  lab.leave(spare.node.host)
  await lab.run(10)
  t.same(await notesOf(lab, other), [], 'others may come and go')
  // A new host takes some keys: add hosts until it takes this one.
  for (let i = 0; owner.node.report().actors['count'] === 1; i += 1) await lab.host(`new${i}`, tree())
  await lab.run(1_000)
  t.same(await notesOf(lab, other), ['down k moved'])
})

t.test('a durable timer wakes its actor after it was passivated', async (t) => {
  const host = await one({}, { idleMs: 100 })
  host.node.tell(k, { type: 'remind', name: 'x', ms: 5_000 })
  host.node.tell(k, { type: 'remind', name: 'forgotten', ms: 4_000 })
  host.node.tell(k, { type: 'forget', name: 'forgotten' })
  await host.lab.run(1_000)
  t.equal(host.node.report().actors['count'], 0, 'it does not keep its actor active')
  t.equal(recordOf(host.lab)?.fired, 0)
  await host.lab.run(4_100)
  t.equal(recordOf(host.lab)?.fired, 1)
  await host.lab.run(60_000)
  t.equal(recordOf(host.lab)?.fired, 1, 'once')
  t.same(host.lab.store.truth('remind/'), [], 'and the index is clean')
})

t.test('a durable timer survives a crash of every host, and fires late rather than never', async (t) => {
  const lab = new Lab()
  const first = await lab.host('a', tree())
  first.node.tell(k, { type: 'remind', name: 'x', ms: 5_000 })
  first.node.tell(k, { type: 'remind', name: 'y', ms: 50_000 })
  await lab.run(100)
  first.crash()
  await lab.run(10_000)
  t.equal(recordOf(lab)?.fired, 0)
  await lab.host('a', tree())
  await lab.run(1_000)
  t.equal(recordOf(lab)?.fired, 1)
  await lab.run(50_000)
  t.equal(recordOf(lab)?.fired, 2)
})

t.test('a durable timer fires on the host that owns the key by then', async (t) => {
  const { lab, hosts } = await three()
  const { owner, other } = await ownerOf(lab, hosts)
  other.node.tell(k, { type: 'remind', name: 'x', ms: 5_000 })
  await lab.run(1_000)
  owner.crash()
  lab.leave(owner.node.host)
  await lab.run(5_000)
  t.equal(recordOf(lab)?.fired, 1)
})

t.test('a durable timer whose index was lost is indexed again when its actor is activated', async (t) => {
  const host = await one({}, { idleMs: 100 })
  host.node.tell(k, { type: 'remind', name: 'x', ms: 60_000 })
  await host.lab.run(1_000)
  const client = host.lab.store.attach('x')
  await host.lab.answer(client.remove('remind/count/k'))
  host.crash()
  const again = await host.lab.host('a', tree({ idleMs: 100 }))
  t.equal((await total(host.lab, again)).fired, 0)
  await host.lab.run(1_000)
  t.equal(host.lab.store.truth('remind/').length, 1)
  await host.lab.run(60_000)
  t.equal(recordOf(host.lab)?.fired, 1)
})
