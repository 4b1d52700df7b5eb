/**
 * What the membership says, as bytes, and the times it is built on.
 */
import fc from 'fast-check'
import t from 'tap'
import { memberStates, type MemberInfo, type Membership } from '../../src/membership/contract.ts'
import { checkTimes, timesDefault } from '../../src/membership/times.ts'
import { decodeSaid, decodeTold, encodeSaid, encodeTold, type Told } from '../../src/membership/wire.ts'

await t.test('what is said is understood as it was meant, and anything else is ignored', (t) => {
  const text = fc.string({ maxLength: 40 })
  const count = fc.nat({ max: 2 ** 31 })
  const info = (name: fc.Arbitrary<string>): fc.Arbitrary<MemberInfo> =>
    fc.record({
      name,
      incarnation: count,
      roles: fc.array(text, { maxLength: 5 }),
      address: text,
      labels: fc.dictionary(
        text.filter((key) => key !== '__proto__'),
        text,
        { maxKeys: 4, noNullPrototype: true },
      ),
      version: text,
      protocol: count,
      draining: fc.boolean(),
      server: text,
    })
  const beat = info(fc.constant('h')).chain((own) =>
    fc.record({
      op: fc.constant('beat' as const),
      seq: count,
      incarnation: fc.constant(own.incarnation),
      proven: fc.boolean(),
      leading: fc.boolean(),
      number: count,
      leader: text,
      leaderAgeMs: fc.nat({ max: 65_535 }),
      info: fc.constantFrom(own, undefined),
    }),
  )
  const others: fc.Arbitrary<Told> = fc.oneof(
    fc.record({ op: fc.constant('bye' as const), incarnation: count }),
    fc.record({ op: fc.constant('remove' as const), host: text }),
    fc.record({ op: fc.constant('want' as const), number: count }),
  )
  fc.assert(
    fc.property(fc.oneof(beat, others), (told) => {
      t.same(decodeTold(encodeTold(told), 'h'), told)
    }),
    { numRuns: 200 },
  )
  const members = fc.array(
    fc
      .tuple(info(text), fc.constantFrom(...memberStates), count)
      .map(([own, state, since]) => ({ ...own, state, since })),
    { maxLength: 4 },
  )
  const view: fc.Arbitrary<Membership> = fc.record({
    number: count,
    leader: text,
    braked: fc.boolean(),
    members,
  })
  fc.assert(
    fc.property(view, (one) => {
      const said = { op: 'view', leads: one.braked, view: one } as const
      t.same(decodeSaid(encodeSaid(said)), said)
    }),
    { numRuns: 100 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (junk) => {
      decodeTold(junk, 'h')
      decodeSaid(junk)
    }),
    { numRuns: 2_000 },
  )
  t.end()
})

await t.test('times that make no lease are refused', (t) => {
  t.same(checkTimes(timesDefault), timesDefault)
  t.throws(() => checkTimes({ ...timesDefault, fenceMs: 11_000 }), { message: /leaseMs leaves room/ })
  t.throws(() => checkTimes({ ...timesDefault, suspectMs: 300 }), { message: /four beats/ })
  t.throws(() => checkTimes({ ...timesDefault, beatMs: 0 }), { message: /beatMs/ })
  t.end()
})
