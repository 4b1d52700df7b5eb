/** Batches of lines as they are kept: packed, and the same again, whoever speaks and whatever is said. */
import fc from 'fast-check'
import t from 'tap'
import { headOf, packBatch, unpackBatch } from '../../actors/logplex/packed.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import { encode } from '../../src/runtime/codec.ts'

const us = fc.integer({ min: 0, max: 4_000_000_000_000_000 })
const name = fc.oneof(fc.constantFrom('app', 'heroku', 'web.1'), fc.string({ maxLength: 12 }))
const line: fc.Arbitrary<Line> = fc
  .record({
    atUs: us,
    source: name,
    process: name,
    text: fc.uint8Array({ maxLength: 300 }),
    priority: fc.option(fc.integer({ min: 0, max: 191 })),
  })
  .map(({ priority, ...rest }) => (priority === null ? rest : { ...rest, priority }))
/** Bytes that are no array which was packed or unpacked just now. */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)
const plain = (lines: readonly Line[]): object[] =>
  lines.map(({ text, ...rest }) => ({ ...rest, text: [...text] }))

t.test('what was packed is unpacked the same, and its extent is known without', async (t) => {
  fc.assert(
    fc.property(us, fc.array(line, { maxLength: 40 }), (first, lines) => {
      const marks = [['run-1:life', first] as const]
      const packed = copyOf(packBatch({ first, lines, marks }))
      const batch = unpackBatch(packed)
      t.strictSame({ ...batch, lines: plain(batch.lines) }, { first, lines: plain(lines), marks })
      t.same(headOf(packed), { first, count: lines.length, untilUs: lines.at(-1)?.atUs ?? 0, marks })
      t.equal(unpackBatch(packed), batch, 'once')
    }),
    { numRuns: 60 },
  )
})

t.test('lines that repeat themselves are kept in a fraction of their bytes', async (t) => {
  const text = Buffer.from('at=info method=GET path="/" host=shop.example.com dyno=web.1 status=200')
  const lines = Array.from({ length: 500 }, (_, at) => ({ atUs: at, source: 'app', process: 'web.1', text }))
  t.ok(packBatch({ first: 0, lines }).length < (500 * text.length) / 5)
})

t.test('batches of before are read', async (t) => {
  const lines = [{ atUs: 5, source: 'app', process: 'web.1', text: Buffer.from('x') }]
  const marks = [['run-1:life', 8]]
  t.same(unpackBatch(copyOf(encode([7, lines, marks]))), { first: 7, lines, marks })
  t.same(unpackBatch(copyOf(encode([7, lines]))), { first: 7, lines, marks: [] })
  t.same(unpackBatch(copyOf(encode(lines))), { first: 0, lines, marks: [] })
  t.same(headOf(copyOf(encode([7, lines]))), { first: 7, count: 1, untilUs: 5, marks: [] })
})
