/**
 * Several hosts: keyed actors and who has them, what crosses hosts, watches.
 */
import t from 'tap'
import { decode, encode } from '../../src/runtime/codec.ts'
import { refAt } from '../../src/runtime/index.ts'
import { calmNetwork } from '../../src/sim/network.ts'
import { limitsDefault } from '../../src/runtime/limits.ts'
import { Ownership } from '../../src/runtime/ownership.ts'
import { Lab, type LabHost } from '../kit/lab.ts'
import { Eye, tree, k, timeoutMs, add, total, failureOf, recordOf, three, ownerOf } from '../kit/count.ts'

t.test('a keyed actor lives on one host, wherever its messages come from', async (t) => {
  const { lab, hosts } = await three()
  await Promise.all(hosts.map((host) => lab.answer(add(host, 1))))
  const active = hosts.map(({ node }) => node.report().actors['count'])
  t.same(
    active.toSorted((x, y) => (x ?? 0) - (y ?? 0)),
    [0, 0, 1],
  )
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
    const state = { settled: false }
    const mark = (): void => void (state.settled = true)
    promise.then(mark, mark)
    for (let i = 0; i < 20_000 && !state.settled; i += 1) {
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

t.test(
  'a message that was sent on too often goes no further, and who asked is told that nobody has it',
  async (t) => {
    const lab = new Lab()
    const a = await lab.host('a', tree())
    await lab.host('b', tree())
    const key = movingKey(['a'], 'b')
    const wire = lab.network.attach('c')
    const told: unknown[] = []
    wire.listen('c', (batch) => told.push(...(decode(batch) as unknown[])))
    const sentOn = (hops: number): Uint8Array =>
      encode([[1, 1, 'count', key, 'c', `ask${hops}`, 1_000, '', 'add', 1, { type: 'add', n: 1 }, hops]])
    wire.send('a', sentOn(1))
    wire.send('a', sentOn(4))
    await lab.run(50)
    t.equal(a.node.report().deadLetters['too_many_hops'], 1)
    t.same(
      told.map((reply) => (reply as unknown[])[10]).toSorted((x, y) => (String(x) < String(y) ? -1 : 1)),
      [1, { kind: 'nobody', reason: 'too_many_hops' }],
    )
  },
)

t.test('an answer that does not fit its protocol is a failure of the ask, and a dead letter', async (t) => {
  const lab = new Lab()
  const a = await lab.host('a', tree())
  const liar = lab.network.attach('c')
  liar.listen('c', (batch) => {
    for (const asked of decode(batch) as unknown[][]) {
      liar.send('a', encode([[1, 2, '', '', asked[4], asked[5], 0, '', '', 0, { not: 'a list' }, 0]]))
    }
  })
  const asked = a.node.ask(refAt(Eye, 'eye', 'c'), { type: 'notes' }, { timeoutMs })
  t.match(await failureOf(lab, asked), { kind: 'unknown', reason: 'malformed_reply' })
  t.equal(a.node.report().deadLetters['malformed'], 1)
})

t.test('a key that no host owns has nobody to take its messages', async (t) => {
  const lab = new Lab()
  const host = await lab.host('a', tree(), { roles: ['edge'] })
  t.match(await failureOf(lab, add(host, 1)), { kind: 'nobody', reason: 'no_owner' })
})

t.test('what is told before any host could own its key waits for the first that can', async (t) => {
  const lab = new Lab()
  const edge = await lab.host('edge', tree(), { roles: ['edge'], limits: { ...limitsDefault, earlyMax: 3 } })
  for (const n of [1, 10, 100, 1_000]) edge.node.tell(k, { type: 'bump', n })
  await lab.run(50)
  t.equal(edge.node.report().deadLetters['no_owner'], 1, 'as many as may wait')
  const owner = await lab.host('owner', tree())
  t.equal((await total(lab, owner)).n, 111)
  lab.leave('owner')
  edge.node.tell(k, { type: 'bump', n: 1 })
  t.equal(edge.node.report().deadLetters['no_owner'], 2, 'from then on nobody is waited for')
})

t.test('what still waits for an owner when its host stops is counted', async (t) => {
  const lab = new Lab()
  const edge = await lab.host('edge', tree(), { roles: ['edge'] })
  edge.node.tell(k, { type: 'bump', n: 1 })
  t.equal(edge.node.report().deadLetters['no_owner'] ?? 0, 0)
  await lab.answer(edge.node.stop())
  t.equal(edge.node.report().deadLetters['no_owner'], 1)
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
