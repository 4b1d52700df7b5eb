/**
 * Durable actors: what leaves when, races, lost answers, passivation, durable timers.
 */
import t from 'tap'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { decode, encode } from '../../src/runtime/codec.ts'
import { Lab } from '../kit/lab.ts'
import {
  type Saved,
  tree,
  one,
  k,
  add,
  total,
  failureOf,
  at,
  recordOf,
  foreign,
  onWrite,
  three,
  ownerOf,
} from '../kit/count.ts'

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
  t.equal(never.node.report().conflicts, 0, 'just written again')
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

    const client = host.lab.store.attach('x')
    await host.lab.answer(
      client.create('actor/count/k', encode({ v: 9, state: {}, reminders: [], writes: [] })),
    )
    t.match(await failureOf(host.lab, add(host, 1)), { kind: 'nobody', reason: 'record_unreadable' })
    t.match(at(host.log, 'crash')[0], { error: /ACT_RECORD: version 9/ })
  },
)

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

t.test('a durable timer that is set again and again costs one index record, which follows it', async (t) => {
  let indexWrites = 0
  const counted = (store: Store): Store => ({
    ...store,
    update: (key, value, revision) => {
      if (key.startsWith('remind/')) indexWrites += 1
      return store.update(key, value, revision)
    },
  })
  const host = await one({ store: counted }, { idleMs: 100 })
  for (let i = 0; i < 10; i += 1) {
    host.node.tell(k, { type: 'remind', name: 'x', ms: 5_000 })
    await host.lab.run(50)
  }
  t.equal(indexWrites, 0)
  await host.lab.run(4_800)
  t.equal(indexWrites, 1, 'moved when its first time came')
  t.equal(recordOf(host.lab)?.fired, 0)
  await host.lab.run(1_000)
  t.equal(recordOf(host.lab)?.fired, 1)
})

t.test('a durable timer is found by its index before its record says that it is set', async (t) => {
  const lab = new Lab()
  const indexed: boolean[] = []
  const look = onWrite((_, write) => {
    indexed.push(lab.store.peek('remind/count/k') !== undefined)
    return write()
  }, 2)
  const host = await lab.host('a', tree(), { store: look })
  host.node.tell(k, { type: 'remind', name: 'x', ms: 5_000 })
  await lab.run(100)
  t.same(indexed, [true], 'a crash in between would only wake it in vain')
})
