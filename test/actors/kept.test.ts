/** A formation's record: what is kept comes back, also what an older build kept. */
import fc from 'fast-check'
import t from 'tap'
import { formationFormat, formationRecord } from '../../actors/formation/kept.ts'
import { formed, type Formed, type RunState, type Slot } from '../../actors/formation/record.ts'
import type { Durable } from '../../src/runtime/actor.ts'
import { ActError } from '../../src/runtime/errors.ts'
import { limitsDefault } from '../../src/runtime/limits.ts'
import { noReminders, RecordFormat } from '../../src/runtime/record.ts'
import { recordSchema } from '../../actors/formation/record.ts'

const key = 'actor/formation/app-1'
const few = fc.constantFrom('a', 'b')
const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })

const run: fc.Arbitrary<RunState> = fc.record({
  id: fc.uuid(),
  epoch: time,
  host: fc.option(few),
  phase: fc.constantFrom('placing', 'sent', 'starting', 'up', 'stopping'),
  at: time,
  since: time,
  address: fc.option(few),
  port: fc.option(fc.nat(65_535)),
  outer: fc.option(fc.record({ address: few, port: fc.nat(65_535) })),
  halted: fc.boolean(),
})
const slot: fc.Arbitrary<Slot> = fc
  .record({
    name: few,
    type: few,
    command: few,
    size: few,
    state: fc.constantFrom('starting', 'up', 'crashed', 'down', 'complete', 'idle'),
    createdAt: time,
    updatedAt: time,
    releaseId: few,
    releaseVersion: fc.nat(3),
    run: fc.option(run),
    old: fc.option(run),
    lastRunId: fc.uuid(),
    crashes: fc.nat(),
    dueAt: time,
    oneOff: fc.constant(null),
  })
  // Nearly always the id of its run.
  .chain((slot) => fc.constantFrom(slot, { ...slot, lastRunId: slot.run?.id ?? '' }))
const formation: fc.Arbitrary<Formed> = fc
  .array(slot, { maxLength: 12 })
  .map((slots) => ({ ...formed('demo'), slots }))

/** As version 1 was: everything by its name. */
const first = new RecordFormat(
  { version: 1, schema: recordSchema, save: (f) => f, load: (f) => f } as Durable<unknown>,
  limitsDefault.recordBytesMax,
)
const bytesOf = (format: RecordFormat, f: Formed): Uint8Array =>
  format.encode(f, noReminders, 'w'.repeat(26), []) ?? new Uint8Array()

t.test('what is kept of a formation comes back as it was', async () => {
  fc.assert(
    fc.property(formation, (f) => {
      t.same(formationFormat.decode(bytesOf(formationFormat, f), key).state, f)
    }),
    { numRuns: 200 },
  )
})

t.test('a record of the first version is read', async () => {
  fc.assert(
    fc.property(formation, (f) => {
      t.same(formationFormat.decode(bytesOf(first, f), key).state, f)
    }),
    { numRuns: 50 },
  )
})

t.test('a slot of a kind that is not there is a record that cannot be read', async (t) => {
  const { slots, ...others } = formationRecord.save({
    ...formed('demo'),
    slots: fc.sample(slot, { numRuns: 1, seed: 1 }),
  })!
  t.throws(() => formationRecord.load({ ...others, slots, kinds: [] }, key), { code: 'ACT_RECORD' })
  t.throws(
    () => formationFormat.decode(bytesOf(first, { ...formed('demo'), appName: 1 as never }), key),
    ActError,
  )
})

t.test('many dynos of a type take less than half of what they took by name', async (t) => {
  const [one] = fc.sample(slot, { numRuns: 1, seed: 2 })
  const command = 'npm start'
  const slots = Array.from({ length: 50 }, (_, at) => ({ ...one!, name: `web.${at}`, command }))
  const f = { ...formed('demo'), slots }
  t.ok(2 * bytesOf(formationFormat, f).length < bytesOf(first, f).length)
})
