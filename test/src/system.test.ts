/**
 * src/system: the machine's clock and chance, and logfmt lines that split into what went in.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { systemClock } from '../../src/system/clock.ts'
import { logfmt, openLog } from '../../src/system/log.ts'
import { systemRandom } from '../../src/system/random.ts'
import { until } from '../kit/until.ts'

/** A reader of logfmt of its own: names, bare values, and quoted values in JSON's escapes. */
const parse = (line: string): [string, string][] =>
  [...line.matchAll(/([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)/g)].map(([, name = '', value = '']) => [
    name,
    value.startsWith('"') ? String(JSON.parse(value)) : value,
  ])

t.test('a log line reads back as the fields that were written', (t) => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '_', '.'), minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(fc.dictionary(name, fc.string({ unit: 'binary' }), { maxKeys: 4 }), (fields) => {
      const line = logfmt(fields)
      if (/[\r\n]/.test(line)) throw new Error('more than one line')
      assert.deepEqual(parse(line), Object.entries(fields))
    }),
    { numRuns: 100 },
  )
  t.equal(
    logfmt({ at: 'crash', code: 1, wait_ms: 0, why: undefined, ok: true }),
    'at=crash code=1 wait_ms=0 ok=true',
  )
  t.equal(
    logfmt({ a: '', b: 'x y', c: 'say "hi"', d: 'two\nlines', e: '1=2' }),
    'a="" b="x y" c="say \\"hi\\"" d="two\\nlines" e="1=2"',
  )
  t.end()
})

t.test('a log whose reader is too slow loses lines and says how many', (t) => {
  const lines: string[] = []
  const stream = { writableLength: 0, write: (line: string) => lines.push(line) > 0 }
  const log = openLog({ stream, fields: { host: 'h1' }, waitingBytesMax: 100 })
  log({ at: 'one' })
  stream.writableLength = 101
  log({ at: 'two' })
  log({ at: 'three' })
  stream.writableLength = 0
  log({ at: 'four' })
  t.strictSame(lines, ['host=h1 at=one\n', 'host=h1 at=log_lost count=2\n', 'host=h1 at=four\n'])
  t.end()
})

t.test('the clock runs what is due, forgets what is cancelled and takes long waits', async (t) => {
  const ran: string[] = []
  systemClock.after(1, () => ran.push('due'))
  systemClock.after(1, () => ran.push('cancelled')).cancel()
  const long = systemClock.after(2 ** 40, () => ran.push('long'))
  systemClock.soon(() => ran.push('soon'))
  await until(() => ran.length === 2, { what: 'both to run' })
  long.cancel()
  t.strictSame(ran.sort(), ['due', 'soon'])
  t.ok(systemClock.now() > 1_700_000_000_000)
  const before = systemClock.monotonicMs()
  t.ok(systemClock.monotonicMs() >= before)
})

t.test('random names are of letters and digits and do not come twice', (t) => {
  const tokens = new Set(Array.from({ length: 1_000 }, () => systemRandom.token(20)))
  t.equal(tokens.size, 1_000)
  t.ok([...tokens].every((token) => /^[0-9A-Za-z]{20}$/.test(token)))
  t.match(systemRandom.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.ok(systemRandom.next() < 1)
  t.end()
})
