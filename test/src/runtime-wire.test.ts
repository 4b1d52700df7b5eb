/**
 * What the runtime writes and reads: envelopes, records, traces, errors; and who owns what.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { decode, encode } from '../../src/runtime/codec.ts'
import { fromWire, toBatch, toWire, unfoldBatch, type Outgoing } from '../../src/runtime/envelope.ts'
import { ActError, AskFailed, errorCodes } from '../../src/runtime/errors.ts'
import { Letter, type Op } from '../../src/runtime/letter.ts'
import { Ownership } from '../../src/runtime/ownership.ts'
import { ask, protocol, ref, refAt, tell } from '../../src/runtime/protocol.ts'
import { RecordFormat, noReminders, recordKey, sameRecord, writeNames } from '../../src/runtime/record.ts'
import { earliestMs, withReminders } from '../../src/runtime/remind.ts'
import { is } from '../../src/runtime/schema.ts'
import { acceptTraceparent, validTraceparent } from '../../src/runtime/trace.ts'
import { seededRandom } from '../../src/sim/random.ts'

const Light = protocol('light', 2, {
  flip: tell({ times: is.int }),
  colour: ask({}, is.obj({ colour: is.str })),
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
  new Letter(ref(Light, 'run'), { type: 'flip', times: 1 } as never, undefined, '', 0),
  new Letter(ref(Light, 'run'), { type: 'flip', times: 2 } as never, undefined, '', 0),
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
  const batch = toBatch(outgoing, () => 2, 1_000)
  t.equal(Buffer.from(encode(batch)).toString('hex'), fixture.hex)
  const raws = decode(Buffer.from(fixture.hex, 'hex')) as unknown[]
  unfoldBatch(raws)
  const arrivals: unknown[] = raws.map((raw) => fromWire(raw, 'h9', 10_000))
  t.same(JSON.parse(JSON.stringify(arrivals)), fixture.decoded)
})

t.test('a batch that leaves out what repeats is read back as it was (property)', async (t) => {
  const word = fc.constantFrom('', 'a', 'b')
  const letter = fc.tuple(word, word, word, word).map(([to, key, trace, type]) => {
    const caller = key === 'a' ? { host: to, id: 'i', deadlineMs: 9 } : undefined
    return new Letter({ to, key }, { type }, caller, trace, 0)
  })
  fc.assert(
    fc.property(fc.array(letter, { maxLength: 20 }), (letters) => {
      const raws = decode(encode(toBatch(letters, () => 1, 0))) as unknown[]
      unfoldBatch(raws)
      const back = raws.flatMap((raw): unknown => {
        const arrival = fromWire(raw, 'h', 0)
        if (arrival.op === 'letters') return arrival.letters
        return arrival.op === 'letter' ? arrival.letter : arrival
      })
      const each = letters.map((letter) =>
        fromWire(
          toWire(letter, () => 1, 0),
          'h',
          0,
        ),
      )
      t.same(
        back,
        each.map((arrival) => arrival.op === 'letter' && arrival.letter),
      )
    }),
    { numRuns: 50 },
  )
})

t.test('what arrived is told by its kind, and fields of later builds are ignored', async (t) => {
  const [, , first] = outgoing
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
    const good = toWire(outgoing[3] as Outgoing, () => 2, 0)
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
    const failure = toWire(outgoing[5] as Outgoing, () => 0, 0)
    t.match(fromWire(failure.with(10, 'x'), 'h', 0), {
      failure: { kind: 'unknown', reason: 'malformed_reply' },
    })
  },
)

t.test('errors of the runtime carry a code of the table', async (t) => {
  t.equal(new ActError('ACT_TREE', 'x').code, 'ACT_TREE')
  t.match(new ActError('ACT_TREE', 'x').message, /^ACT_TREE: x$/)
})
