/**
 * The parts of the runtime that need no node: mailbox, turn, supervision, ownership, trees, the wire.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { actor, stop, stopReason } from '../../src/runtime/actor.ts'
import { decode, encode } from '../../src/runtime/codec.ts'
import { fromWire, toWire, type Outgoing } from '../../src/runtime/envelope.ts'
import { ActError, AskFailed, errorCodes } from '../../src/runtime/errors.ts'
import { Letter, type Item, type Op } from '../../src/runtime/letter.ts'
import { backoffMs, checkLimits, limitsDefault } from '../../src/runtime/limits.ts'
import { Mailbox } from '../../src/runtime/mailbox.ts'
import { Ownership } from '../../src/runtime/ownership.ts'
import { ask, protocol, ref, refAt, tell } from '../../src/runtime/protocol.ts'
import { RecordFormat, noReminders, recordKey, sameRecord, writeNames } from '../../src/runtime/record.ts'
import { earliestMs, withReminders } from '../../src/runtime/remind.ts'
import { is } from '../../src/runtime/schema.ts'
import type { Subject } from '../../src/runtime/subject.ts'
import { affected, isFailure, RestartWindow, wantsRestart } from '../../src/runtime/supervise.ts'
import { Timers } from '../../src/runtime/timers.ts'
import { acceptTraceparent, validTraceparent } from '../../src/runtime/trace.ts'
import { check, child, dynamic, each, format, keyed, supervise } from '../../src/runtime/tree.ts'
import { runTurn, Turn } from '../../src/runtime/turn.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { drive } from '../kit/drive.ts'

const nowMs = (): number => 7

const Light = protocol('light', 2, {
  flip: tell({ times: is.int }),
  colour: ask({}, is.obj({ colour: is.str })),
})
const light = actor(Light, {
  mailbox: { capacity: 10, overflow: 'reject' },
  init: (on: boolean) => ({ on }),
  receive: {
    flip: (s, { times }, ctx) => {
      ctx.tell(ref(Light, 'other'), { type: 'flip', times })
      if (times < 0) throw new RangeError('times')
      if (times === 0) return stop('normal')
      return { on: !s.on }
    },
    colour: (s, _, ctx) => {
      ctx.reply({ colour: s.on ? 'white' : 'black' })
      return s
    },
  },
})

t.test('a mailbox that rejects turns the newcomer away and counts the loss', async (t) => {
  const mailbox = new Mailbox<number>(2, 'reject')
  t.equal(mailbox.offer(1, nowMs), undefined)
  t.equal(mailbox.offer(2, nowMs), undefined)
  t.equal(mailbox.offer(3, nowMs), 3)
  t.equal(
    mailbox.offer(4, () => 99),
    4,
  )
  t.same(mailbox.takeLosses(), { count: 2, sinceMs: 7 }, 'since the first of them')
  t.equal(mailbox.takeLosses(), undefined)
  t.same([mailbox.take(), mailbox.take(), mailbox.take()], [1, 2, undefined])
})

t.test('a mailbox that drops the oldest keeps the newest and counts the loss', async (t) => {
  const mailbox = new Mailbox<number>(2, 'drop-oldest')
  t.same(
    [1, 2, 3].map((n) => mailbox.offer(n, nowMs)),
    [undefined, undefined, 1],
  )
  t.equal(mailbox.lostCount, 1)
  t.same([mailbox.take(), mailbox.take()], [2, 3])
})

t.test('a mailbox keeps only the latest message of a key, in the place of the first', async (t) => {
  type Route = { key?: string; n: number }
  const mailbox = new Mailbox<Route>(2, 'latest-per-key', (route) => route.key)
  mailbox.offer({ key: 'a', n: 1 }, nowMs)
  mailbox.offer({ n: 2 }, nowMs)
  t.same(mailbox.offer({ key: 'a', n: 3 }, nowMs), { key: 'a', n: 1 }, 'the old one goes')
  t.equal(mailbox.lostCount, 0, 'and that is no loss')
  t.same(mailbox.take(), { key: 'a', n: 3 })
  t.equal(mailbox.offer({ key: 'a', n: 4 }, nowMs), undefined, 'its place is free again')
  t.same(mailbox.offer({ key: 'b', n: 5 }, nowMs), { n: 2 }, 'full: the oldest goes')
  t.same([mailbox.take()?.n, mailbox.take()?.n, mailbox.take()], [4, 5, undefined])
})

t.test('the system lane of a mailbox goes first and never overflows into the user lane', async (t) => {
  const mailbox = new Mailbox<string>(1, 'reject')
  mailbox.offer('user', nowMs)
  for (const n of ['s1', 's2', 's3']) mailbox.offerSystem(n)
  t.same(
    [1, 2, 3, 4].map(() => mailbox.take()),
    ['s1', 's2', 's3', 'user'],
  )
})

t.test('a mailbox accounts for every message: taken, turned away, or waiting (property)', async (t) => {
  const step = fc.oneof(
    fc.record({ op: fc.constant('offer' as const), key: fc.option(fc.integer({ min: 0, max: 3 })) }),
    fc.constant({ op: 'take' as const }),
  )
  const overflow = fc.constantFrom('reject' as const, 'drop-oldest' as const, 'latest-per-key' as const)
  fc.assert(
    fc.property(
      overflow,
      fc.integer({ min: 1, max: 5 }),
      fc.array(step, { maxLength: 200 }),
      (how, capacity, steps) => {
        type Item = { readonly n: number; readonly key: number | null }
        const mailbox = new Mailbox<Item>(capacity, how, (item) =>
          item.key === null ? undefined : String(item.key),
        )
        let [offered, taken, away, last] = [0, 0, 0, -1]
        for (const each of steps) {
          if (each.op === 'offer') {
            offered += 1
            if (mailbox.offer({ n: offered, key: each.key }, nowMs) !== undefined) away += 1
          } else {
            const item = mailbox.take()
            if (item === undefined) continue
            taken += 1
            if (how !== 'latest-per-key' && item.n <= last) return false
            last = item.n
          }
          if (mailbox.size > capacity) return false
        }
        return offered === taken + away + mailbox.size
      },
    ),
  )
  t.pass('for every order of offers and takes')
})

const env = (durable = false): ConstructorParameters<typeof Turn>[0] => ({
  self: ref(Light, 'x'),
  host: 'h',
  random: seededRandom(1),
  nowMs: () => 5,
  durable,
  timerMsMax: 1_000,
  askTimeoutMsMax: 1_000,
})

t.test('a turn records what was asked for, in order, and gives the new state', async (t) => {
  const turn = new Turn(env(), 3, 'trace', undefined)
  const letter = new Letter(ref(Light, 'x'), { type: 'flip', times: 1 } as never, undefined, '', 0)
  const next = runTurn(light.behaviour as never, { on: false }, letter, turn)
  t.same(next, { on: true })
  t.equal(turn.ops.length, 1)
  t.match(turn.ops[0], { op: 'letter', trace: 'trace', message: { type: 'flip', times: 1 } })
  t.equal(turn.revision, 3)
  t.equal(turn.now, 5)
})

t.test('a stop is told from a state', async (t) => {
  t.equal(stopReason(stop('shutdown')), 'shutdown')
  for (const state of [undefined, null, 0, 'normal', {}, { reason: 'normal' }])
    t.equal(stopReason(state), undefined)
})

t.test('a ctx kept beyond its turn refuses to act', async (t) => {
  const turn = new Turn(env(), 0, '', undefined)
  turn.close()
  t.throws(() => turn.tell(ref(Light, 'x'), { type: 'flip' }), { code: 'ACT_CTX_CLOSED' })
  t.throws(() => turn.after('a', 1, { type: 'flip' }), { code: 'ACT_CTX_CLOSED' })
})

t.test('a turn refuses what its actor may not ask for', async (t) => {
  const turn = new Turn(env(), 0, '', { host: 'h', id: '1', deadlineMs: 9 })
  turn.reply(1)
  t.throws(() => turn.reply(2), { code: 'ACT_REPLIED_TWICE' })
  t.throws(() => turn.refuseCaller('no', 'no'), { code: 'ACT_REPLIED_TWICE' })
  t.throws(() => turn.remind('a', 1, { type: 'flip' }), { code: 'ACT_NOT_DURABLE' })
  t.throws(() => turn.after('a', -1, { type: 'flip' }), { code: 'ACT_RANGE' })
  t.throws(() => turn.after('a', 1_001, { type: 'flip' }), { code: 'ACT_RANGE' })
  t.throws(
    () =>
      turn.ask(
        ref(Light, 'x'),
        { type: 'colour' },
        0,
        () => ({ type: 'flip' }),
        () => ({ type: 'flip' }),
      ),
    {
      code: 'ACT_RANGE',
    },
  )
  t.throws(() => new Turn(env(true), 0, '', undefined).remind('a', Number.NaN, { type: 'flip' }), {
    code: 'ACT_RANGE',
  })
})

t.test('drive runs an actor turn by turn and records what it asked for', async (t) => {
  const driver = drive(light, { key: 'x', args: false })
  driver.send({ type: 'flip', times: 1 })
  t.same(driver.state, { on: true })
  t.match(driver.told, [{ to: { key: 'other' }, message: { times: 1 } }])
  t.same(driver.send({ type: 'colour' }), { type: 'colour', value: { colour: 'white' } })
  t.throws(() => driver.send({ type: 'flip', times: -1 }), { name: 'RangeError' })
  t.equal(driver.told.length, 1, 'a turn that threw told nothing')
  driver.send({ type: 'flip', times: 0 })
  t.equal(driver.stopped, 'normal')
  t.throws(() => driver.send({ type: 'flip', times: 1 }), 'it has stopped')
})

t.test('a timer that fired is stale once its name was cancelled or set again', async (t) => {
  const clock = virtualClock()
  const delivered: Item[] = []
  const timers = new Timers(clock, { deliver: (item: Item) => void delivered.push(item) } as Subject)
  const taken = (): readonly boolean[] => delivered.map((item) => item.op === 'timer' && timers.take(item))
  timers.set('x', 5, { type: 'flip' }, '')
  timers.set('y', 5, { type: 'flip' }, '')
  timers.set('z', 5, { type: 'flip' }, '')
  while (clock.step(clock.now() + 10));
  t.equal(delivered.length, 3, 'all fired; their messages wait in the mailbox')
  timers.cancel('x')
  timers.set('y', 50, { type: 'flip' }, '')
  t.same(taken(), [false, false, true])
  t.equal(timers.size, 1)
})

t.test('supervision affects the children that its strategy names', async (t) => {
  t.same(affected('one_for_one', 1, 4), { from: 1, to: 2 })
  t.same(affected('one_for_all', 1, 4), { from: 0, to: 4 })
  t.same(affected('rest_for_one', 1, 4), { from: 1, to: 4 })
})

t.test('supervision restarts what its restart type says', async (t) => {
  const reasons = ['normal', 'shutdown', 'crash:TypeError']
  t.same(
    reasons.map((reason) => wantsRestart('permanent', reason)),
    [true, true, true],
  )
  t.same(
    reasons.map((reason) => wantsRestart('transient', reason)),
    [false, false, true],
  )
  t.same(
    reasons.map((reason) => wantsRestart('temporary', reason)),
    [false, false, false],
  )
  t.same(['moved', 'idle', 'killed'].map(isFailure), [false, false, true])
})

t.test('a restart window allows its intensity in its period and no more (property)', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }),
      (intensity, periodMs, gaps) => {
        const window = new RestartWindow(intensity, periodMs)
        const times: number[] = []
        let atMs = 1
        for (const gap of gaps) {
          atMs += gap
          times.push(atMs)
          const recent = times.filter((timeMs) => atMs - timeMs <= periodMs).length
          if (window.add(atMs) !== recent <= intensity) return false
        }
        return true
      },
    ),
  )
  t.pass('for every sequence of failures')
})

t.test('a back-off grows, is jittered and bounded', async (t) => {
  t.equal(backoffMs(1, 100, 1_000, 0), 50)
  t.equal(backoffMs(1, 100, 1_000, 0.999999), 100)
  t.equal(backoffMs(3, 100, 1_000, 0), 200)
  t.equal(backoffMs(60, 100, 1_000, 0.999999), 1_000)
})

t.test('limits that contradict each other are refused at load', async (t) => {
  t.doesNotThrow(() => checkLimits(limitsDefault))
  t.throws(() => checkLimits({ ...limitsDefault, stallMs: limitsDefault.sliceMs }))
  t.throws(() => checkLimits({ ...limitsDefault, watchForgetMs: limitsDefault.watchAssertMs }))
  t.throws(() => checkLimits({ ...limitsDefault, hopsMax: 0 }))
})

t.test('ownership is the same everywhere, spread evenly, and moves only what it must', async (t) => {
  const names = ['h1', 'h2', 'h3', 'h4']
  const viewOf = (hosts: readonly string[]): Ownership => {
    const ownership = new Ownership()
    const infos = hosts.map((name) => ({ name, roles: ['control'] }))
    ownership.setView({ number: 1, hosts: [...infos, { name: 'edge', roles: ['edge'] }] })
    return ownership
  }
  const keys = Array.from({ length: 4_000 }, (_, i) => `app-${i}`)
  const ownerIn = (ownership: Ownership, key: string): string => ownership.owner('control', 'app', key) ?? ''
  const [all, reversed, fewer] = [viewOf(names), viewOf(names.toReversed()), viewOf(names.slice(0, 3))]
  const counts = new Map<string, number>()
  let moved = 0
  for (const key of keys) {
    const owner = ownerIn(all, key)
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
    if (ownerIn(reversed, key) !== owner) t.fail(`${key} has two owners`)
    if (ownerIn(fewer, key) !== owner) moved += owner === 'h4' ? 0 : 1
  }
  t.equal(moved, 0, 'only the keys of the host that left have moved')
  for (const name of names) {
    const share = (counts.get(name) ?? 0) / keys.length
    t.ok(share > 0.2 && share < 0.3, `${name} owns ${share}`)
  }
  t.equal(all.owner('nobody', 'app', 'x'), undefined)
  t.equal(all.owner('edge', 'app', 'x'), 'edge')
})

t.test('a traceparent is accepted when it is valid and replaced when it is not', async (t) => {
  const random = seededRandom(1)
  const given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  t.equal(acceptTraceparent(given, random), given)
  const wrong = [
    '',
    'x',
    given.toUpperCase(),
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `ff${given.slice(2)}`,
  ]
  for (const text of wrong) {
    const made = acceptTraceparent(text, random)
    t.not(made, text)
    t.ok(validTraceparent(made))
  }
})

t.test('a tree is printed on one screen', async (t) => {
  const tree = supervise('root', { strategy: 'rest_for_one', intensity: 3, periodMs: 60_000 }, [
    ...each(['left', 'right'], (id) => child(id, light, true, { shutdownMs: 100 })),
    supervise('inner', { strategy: 'one_for_one', intensity: 1, periodMs: 5_000, shutdownMs: 9_000 }, [
      dynamic(
        actor(protocol('lamp', 1, {}), {
          mailbox: { capacity: 1, overflow: 'reject' },
          init: () => 0,
          receive: {},
        }),
      ),
    ]),
  ])
  check(tree)
  t.equal(
    format(tree),
    [
      'root/  rest_for_one 3/60000ms stop<=9200ms',
      '  left  light permanent stop<=100ms',
      '  right  light permanent stop<=100ms',
      '  inner/  one_for_one 1/5000ms stop<=9000ms',
      '    lamp/*  dynamic transient stop<=5000ms',
    ].join('\n'),
  )
})

t.test('a tree that cannot work is refused with everything that is wrong', async (t) => {
  const policy = { strategy: 'one_for_one', intensity: 1, periodMs: 1_000 } as const
  const durable = actor(protocol('kept', 1, {}), {
    mailbox: { capacity: 0, overflow: 'latest-per-key' },
    init: () => 0,
    durable: { version: 1, schema: is.int, save: (s: number) => s, load: (s) => s },
    receive: {},
  })
  const tree = supervise('ro/ot', { ...policy, intensity: -1, periodMs: 0, shutdownMs: 10 }, [
    child('a', light, true),
    child('a', light, true),
    keyed(light, { idleMs: 0 }),
    child('b', durable, undefined, { shutdownMs: 0 }),
  ])
  const wanted = [
    /ro\/ot: an id/,
    /intensity is/,
    /periodMs is/,
    /a twice/,
    /the same address/,
    /light: keyed, and/,
  ]
  const more = [/idleMs is/, /kept: durable/, /shutdownMs is/, /capacity 0/, /needs keyOf/, /stops in 10 ms/]
  for (const message of [...wanted, ...more]) t.throws(() => check(tree), { code: 'ACT_TREE', message })
})

t.test('every error code has a meaning, and failed asks say which kind they are', async (t) => {
  for (const [code, meaning] of Object.entries(errorCodes))
    t.ok(/^ACT_[A-Z_]+$/.test(code) && meaning.length > 10)
  t.match(new AskFailed({ kind: 'nobody', reason: 'noproc' }, 'x'), { kind: 'nobody', code: 'ACT_NOBODY' })
  t.match(new AskFailed({ kind: 'unknown', reason: 'timeout' }, 'x'), {
    kind: 'unknown',
    code: 'ACT_UNKNOWN',
  })
  t.match(new AskFailed({ kind: 'refused', code: 'taken', reason: 'r' }, 'x'), {
    kind: 'refused',
    code: 'taken',
    reason: 'r',
  })
})

t.test('what schemas allow survives the codec unchanged (property)', async (t) => {
  const leaf = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(null),
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.array(tie('tree')),
      fc.dictionary(fc.stringMatching(/^[a-z]\w*$/), tie('tree')),
    ),
  }))
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
  fc.assert(
    fc.property(tree, (value) => {
      const back = decode(encode({ value })) as { value: unknown }
      t.same(plain(back.value), plain(value))
    }),
    { numRuns: 200 },
  )
  const bytes = Uint8Array.from([0, 1, 255])
  const back = decode(encode({ bytes })) as { bytes: Uint8Array }
  t.ok(back.bytes instanceof Uint8Array)
  t.same([...back.bytes], [0, 1, 255])
})

t.test('a record says the same whichever write made it, and not when its state differs', async (t) => {
  const name = writeNames('abcdefghijkl')
  const format = new RecordFormat(
    {
      version: 2,
      schema: is.obj({ n: is.int }),
      save: (s: { n: number }) => s,
      load: (s) => s,
      upcast: { 1: (n) => ({ n }) },
    },
    64_000,
  )
  const first = format.encode({ n: 1 }, noReminders, name(), []) ?? new Uint8Array()
  const second =
    format.encode({ n: 1 }, noReminders, name(), [name(), name(), name(), name()]) ?? new Uint8Array()
  const third = format.encode({ n: 2 }, noReminders, name(), []) ?? new Uint8Array()
  t.ok(sameRecord(first, second))
  t.notOk(sameRecord(first, third))
  t.same(format.decode(third, 'k').state, { n: 2 })
  t.not(writeNames('a')(), writeNames('b')(), 'names of two lives differ')
  t.throws(() => format.encode({ n: 0.5 }, noReminders, name(), []), { code: 'ACT_RECORD_SCHEMA' })
  const small = new RecordFormat({ version: 1, schema: is.str, save: (s: string) => s, load: (s) => s }, 200)
  t.throws(() => small.encode('x'.repeat(200), noReminders, name(), []), { code: 'ACT_RECORD_BYTES' })
  const old = encode({ v: 1, state: 7, reminders: [], writes: [] })
  t.same(format.decode(old, 'k').state, { n: 7 }, 'an old version is lifted')
  for (const bytes of [
    encode({ v: 0, state: 7, reminders: [], writes: [] }),
    encode({ v: 3, state: { n: 1 }, reminders: [], writes: [] }),
    encode('x'),
    Uint8Array.of(0xc1),
  ]) {
    t.throws(() => format.decode(bytes, 'k'), { code: 'ACT_RECORD' })
  }
  t.equal(recordKey('app', 'a/b%'), 'actor/app/a%2Fb%25')
})

t.test('durable timers change with the turn that set, replaced, forgot or handled them', async (t) => {
  const remind = (timer: string, atMs: number): Op => ({
    op: 'remind',
    timer,
    atMs,
    message: { type: 'flip' },
  })
  t.equal(
    withReminders(noReminders, [{ op: 'forget', timer: 'a' }], undefined, 9),
    noReminders,
    'nothing changed',
  )
  const one = withReminders(noReminders, [remind('a', 5), remind('b', 3), remind('a', 7)], undefined, 9)
  t.equal(earliestMs(one), 3)
  t.equal(one.get('a')?.atMs, 7)
  const fired = one.get('b')
  const two = withReminders(one, [], fired, 9)
  t.same([...two.keys()], ['a'])
  t.same(
    [...withReminders(one, [remind('b', 9)], fired, 9).keys()].toSorted(),
    ['a', 'b'],
    'set again in its own turn',
  )
  t.throws(() => withReminders(one, [remind('c', 1)], undefined, 2), { code: 'ACT_TOO_MANY' })
  t.equal(earliestMs(noReminders), undefined)
})

const outgoing: readonly Outgoing[] = [
  new Letter(refAt(Light, 'lamp', 'h2'), { type: 'flip', times: 3 } as never, undefined, 'trace', 0),
  new Letter(ref(Light, 'k'), { type: 'colour' }, { host: 'h1', id: 'life.1', deadlineMs: 5_000 }, '', 2),
  {
    op: 'reply',
    caller: { host: 'h1', id: 'life.1', deadlineMs: 0 },
    failure: undefined,
    value: { colour: 'red' },
    trace: '',
  },
  {
    op: 'reply',
    caller: { host: 'h1', id: 'life.2', deadlineMs: 0 },
    failure: { kind: 'refused', code: 'no', reason: 'why' },
    value: undefined,
    trace: 't',
  },
  ...(['watch', 'watching', 'unwatch', 'down', 'wake'] as const).map((kind) => ({
    op: 'signal' as const,
    kind,
    ref: ref(Light, 'k'),
    id: 'life.3',
    from: 'h1',
    incarnation: 'life.9',
    reason: kind === 'down' ? 'normal' : '',
  })),
]

t.test('version 1 of the wire is frozen: this build writes and reads what the first one wrote', async (t) => {
  const fixture = JSON.parse(readFileSync(new URL('fixtures/wire-v1.json', import.meta.url), 'utf8')) as {
    hex: string
    decoded: unknown[]
  }
  const batch = outgoing.map((out) => toWire(out, () => 2, 1_000))
  t.equal(Buffer.from(encode(batch)).toString('hex'), fixture.hex)
  const raws = decode(Buffer.from(fixture.hex, 'hex')) as unknown[]
  const arrivals: unknown[] = raws.map((raw) => fromWire(raw, 'h9', 10_000))
  t.same(JSON.parse(JSON.stringify(arrivals)), fixture.decoded)
})

t.test('what arrived is told by its kind, and fields of later builds are ignored', async (t) => {
  const [first] = outgoing
  const raw = [...toWire(first as Outgoing, () => 2, 0), 'later', { field: 1 }]
  t.match(fromWire(raw, 'h9', 0), {
    op: 'letter',
    version: 2,
    letter: { ref: { to: 'light', key: 'lamp' }, hops: 1 },
  })
})

t.test(
  'an envelope that cannot be read is a fault that names the field, never a throw (property)',
  async (t) => {
    const good = toWire(outgoing[1] as Outgoing, () => 2, 0)
    const withField = (at: number, value: unknown): unknown[] => good.with(at, value)
    t.same(fromWire(withField(0, 2), 'h', 0), { op: 'fault', reason: 'unknown_version', path: '/0' })
    for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]) {
      t.same(fromWire(withField(at, {}), 'h', 0), { op: 'fault', reason: 'malformed', path: `/${at}` })
    }
    t.match(fromWire(withField(8, 'flip'), 'h', 0), { op: 'fault', path: '/10' }, 'a body of another type')
    fc.assert(
      fc.property(fc.anything(), fc.array(fc.anything(), { maxLength: 13 }), (any, tuple) => {
        fromWire(any, 'h', 0)
        fromWire([1, ...tuple], 'h', 0)
      }),
    )
    const failure = toWire(outgoing[3] as Outgoing, () => 0, 0)
    t.match(fromWire(failure.with(10, 'x'), 'h', 0), {
      failure: { kind: 'unknown', reason: 'malformed_reply' },
    })
  },
)

t.test('errors of the runtime carry a code of the table', async (t) => {
  t.equal(new ActError('ACT_TREE', 'x').code, 'ACT_TREE')
  t.match(new ActError('ACT_TREE', 'x').message, /^ACT_TREE: x$/)
})
