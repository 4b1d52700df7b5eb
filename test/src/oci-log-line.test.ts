/** Lines of a container's log, pure: records joined to lines, resumed at any byte, each counted. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'

import { lineBytesMax, logStart, type LogCursor, type LogLine } from '../../src/oci/driver.ts'
import { logReader, type LogReader, type LogRun } from '../../src/oci/log-line.ts'
import { makePace, type Pace } from '../../src/oci/pace.ts'

const at = '2026-11-23T03:24:09.607366857+00:00'
const record = (text: string, stream = 'stdout', tag = 'F'): string => `${at} ${stream} ${tag} ${text}\n`
/** Lets everything pass. */
const free: Pace = { admits: () => true, isShut: () => false }
const file = 1
const linesOf = (reader: LogReader, text: string | Buffer): LogLine[] =>
  reader.push(Buffer.from(text), file).flatMap(({ lines }) => lines)
const show = ({ stream, bytes }: LogLine): string => `${stream}:${bytes.toString()}`

/** Line `n` of `length` bytes, as the writer cuts it; each a tenth of a second after the last. */
const recordsOf = (n: number, length: number): string => {
  const time = new Date(Date.UTC(2026, 10, 23) + 100 * n).toISOString().replace('Z', '000000+00:00')
  const cuts = Array.from({ length: Math.max(1, Math.ceil(length / 8_000)) }, (_, cut) => cut)
  const [stream, size] = [
    n % 3 === 0 ? 'stderr' : 'stdout',
    (cut: number) => Math.min(8_000, length - 8_000 * cut),
  ]
  const tag = (cut: number): string => (cut === cuts.length - 1 ? 'F' : 'P')
  return cuts.map((cut) => `${time} ${stream} ${tag(cut)} ${'x'.repeat(size(cut))}\n`).join('')
}

t.test('records of both streams are joined to lines while they interleave', async (t) => {
  const reader = logReader(logStart, free)
  const text = [
    record('whole'),
    record('half ', 'stdout', 'P'),
    record('other ', 'stderr', 'P'),
    record('line'),
    record('one', 'stderr'),
    record(''),
    'damage\n',
    record('open', 'stderr', 'P'),
  ].join('')
  const lines = linesOf(reader, text)
  t.same(lines.map(show), ['stdout:whole', 'stdout:half line', 'stderr:other one', 'stdout:'])
  t.equal(lines[0]?.at, at)
  t.same(reader.flush(file).lines.map(show), ['stderr:open'])
  t.same(reader.flush(file).lines, [])
})

t.test('a line longer than ten thousand bytes is split there', async (t) => {
  const long = 'é'.repeat(12_500)
  const bytes = Buffer.from(long)
  const cuts = [0, 8_000, 16_000, 24_000].map((start) =>
    bytes.subarray(start, start + 8_000).toString('latin1'),
  )
  const text = cuts.map((cut, n) => record(cut, 'stdout', n === cuts.length - 1 ? 'F' : 'P')).join('')
  const lines = linesOf(logReader(logStart, free), Buffer.from(text, 'latin1'))
  t.same(
    lines.map((line) => line.bytes.length),
    [10_000, 10_000, 5_000],
  )
  t.equal(Buffer.concat(lines.map((line) => line.bytes)).toString(), long)
  t.equal(linesOf(logReader(logStart, free), record('x'.repeat(lineBytesMax))).length, 1)
})

t.test('a reader resumed at any byte gives what one reader gives', async (t) => {
  const text = Buffer.from(
    record('a') +
      record('b1', 'stdout', 'P') +
      record('c', 'stderr', 'P') +
      record('b2') +
      record('d', 'stderr'),
  )
  const whole = linesOf(logReader(logStart, free), text).map(show)
  for (let cut = 0; cut <= text.length; cut++) {
    const first = logReader(logStart, free)
    const runs = first.push(text.subarray(0, cut), file)
    const { lines, cursor } = runs.at(-1) ?? { lines: [], cursor: logStart }
    const kept = JSON.parse(JSON.stringify(cursor)) as LogCursor
    const rest = linesOf(logReader(kept, free), text.subarray(kept.offset))
    t.same([...lines, ...rest].map(show), whole, `cut at ${cut}`)
  }
})

t.test('what passes and what is told as dropped are all lines, wherever a reader resumes', async () => {
  const arbitrary = fc.record({
    lengths: fc.array(fc.oneof(fc.nat(40), fc.nat(25_000)), { maxLength: 40 }),
    chunkBytes: fc.integer({ min: 1, max: 70_000 }),
    resumes: fc.array(fc.nat(5), { maxLength: 20 }),
    drops: fc.array(fc.boolean(), { maxLength: 20 }),
    linesPerSecond: fc.integer({ min: 1, max: 40 }),
  })
  fc.assert(
    fc.property(arbitrary, ({ lengths, chunkBytes, resumes, drops, linesPerSecond }) => {
      const text = Buffer.from(lengths.map((length, n) => recordsOf(n, length)).join(''))
      const wanted = linesOf(logReader(logStart, free), text)
      const pace = (): Pace => makePace({ linesPerSecond, bytesPerSecond: 20_000, burstSeconds: 2 })
      let [reader, cursor, passed, dropped] = [logReader(logStart, pace()), logStart, 0, 0]
      const told = (runs: readonly LogRun[]): void => {
        for (const run of runs) {
          // What was dropped came first.
          dropped += run.dropped?.count ?? 0
          for (const line of run.lines) assert.deepEqual(line, wanted[dropped + passed++])
          ;({ cursor } = run)
          assert.equal(cursor.lines, passed + dropped, 'a line has its number, whether it passes or not')
        }
      }
      for (let n = 0; reader.position() < text.length; n++) {
        const at = reader.position()
        told(reader.push(text.subarray(at, at + chunkBytes), file, drops[n]))
        if (resumes[n] === 0) reader = logReader(cursor, pace())
      }
      told([reader.flush(file)])
      assert.equal(passed + dropped, wanted.length)
    }),
    { numRuns: 100 },
  )
})

t.test('which lines pass does not depend on how much is read at once', async (t) => {
  const odd = [record('half ', 'stdout', 'P'), record('line'), record('e', 'stderr'), 'damage\n', record('')]
  const most = record('most of a flood').repeat(7)
  const times = Array.from({ length: 60 }, (_, n) => String(n * 40).padStart(4, '0'))
  const timed = times.map((ms) => (odd.join('') + most).replaceAll('09.607', `1${ms[0]}.${ms.slice(1)}`))
  const text = Buffer.from(timed.join(''))
  const passed = (chunkBytes: number): { dropped: number; lines: string[] } => {
    const pace = makePace({ linesPerSecond: 30, bytesPerSecond: 10_000, burstSeconds: 1.5 })
    const reader = logReader(logStart, pace)
    const runs: LogRun[] = []
    for (let at = 0; at < text.length; at += chunkBytes)
      runs.push(...reader.push(text.subarray(at, at + chunkBytes), file))
    const all = [...runs, reader.flush(file)]
    const dropped = all.reduce((sum, run) => sum + (run.dropped?.count ?? 0), 0)
    return { dropped, lines: all.flatMap(({ lines }) => lines.map((line) => `${line.at} ${show(line)}`)) }
  }
  const oneByOne = passed(20)
  for (const chunkBytes of [500, 2_000, 9_000, 20_000]) t.same(passed(chunkBytes), oneByOne)
  t.equal(oneByOne.dropped + oneByOne.lines.length, 10 * times.length)
  t.ok(oneByOne.dropped > 400 && oneByOne.lines.length > 100)
})
