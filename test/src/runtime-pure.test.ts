/**
 * The parts of the runtime that need no node: mailbox, turn, timers, supervision, trees.
 */
import fc from 'fast-check'
import t from 'tap'
import { actor, stop, stopReason } from '../../src/runtime/actor.ts'
import { Letter, type Item } from '../../src/runtime/letter.ts'
import { backoffMs, checkLimits, limitsDefault } from '../../src/runtime/limits.ts'
import { Mailbox } from '../../src/runtime/mailbox.ts'
import { ask, protocol, ref, tell } from '../../src/runtime/protocol.ts'
import { is } from '../../src/runtime/schema.ts'
import type { Subject } from '../../src/runtime/subject.ts'
import { affected, isFailure, RestartWindow, wantsRestart } from '../../src/runtime/supervise.ts'
import { Timers } from '../../src/runtime/timers.ts'
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
  const next = runTurn(light.behaviour, { on: false }, letter, turn)
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
