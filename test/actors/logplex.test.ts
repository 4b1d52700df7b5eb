/**
 * Logplex's first form: the text of a line, the order and the losses of a channel, and the shuttle from a
 * container's log.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { channel } from '../../actors/logplex/channel.ts'
import { formatLine, formatTime, lineMatches } from '../../actors/logplex/line.ts'
import { createShuttle, microseconds } from '../../actors/logplex/shuttle.ts'
import type { StoredBatch } from '../../actors/protocols/log-batch.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import { logStart, type Driver, type LogBatch, type LogCursor } from '../../src/oci/driver.ts'
import { drive } from '../kit/drive.ts'
import { scratch } from '../kit/files.ts'

t.setTimeout(120_000)
const atUs = 1_700_000_000_123_456
const line = (text: string, change: Partial<Line> = {}): Line => ({
  atUs,
  source: 'app',
  process: 'web.1',
  text: Buffer.from(text),
  ...change,
})
const textOf = ({ text }: Line): string => Buffer.from(text).toString()

t.test('a line reads as Heroku writes it, to the microsecond', async (t) => {
  t.equal(formatTime(atUs), '2023-11-14T22:13:20.123456+00:00')
  t.equal(formatTime(atUs + 1), '2023-11-14T22:13:20.123457+00:00', 'the same millisecond')
  t.equal(formatTime(1_700_000_001_000_007), '2023-11-14T22:13:21.000007+00:00')
  t.equal(formatLine(line('hé')), '2023-11-14T22:13:20.123456+00:00 app[web.1]: hé')
  const odd = line('', { text: Buffer.from([0x61, 0xff, 0x62]) })
  t.equal(formatLine(odd), '2023-11-14T22:13:20.123456+00:00 app[web.1]: a\ufffdb')
  t.equal(microseconds('2023-11-14T22:13:20.123456789+00:00'), atUs, 'cut, not rounded')
  t.equal(microseconds('2023-11-14T23:13:20.1+01:00'), 1_700_000_000_100_000)
  t.equal(microseconds('2023-11-14T22:13:20Z'), 1_700_000_000_000_000)
})

t.test('a filter takes a type or one process, never a name that only begins alike', async (t) => {
  const web = line('x')
  t.ok(lineMatches(web, {}))
  t.ok(lineMatches(web, { process: 'web' }))
  t.ok(lineMatches(web, { process: 'web.1', source: 'app' }))
  t.notOk(lineMatches(web, { source: 'heroku' }))
  for (const process of ['website.1', 'web.10', 'worker.1'])
    t.notOk(lineMatches(line('x', { process }), { process: 'web.1' }), process)
  t.notOk(lineMatches(line('x', { process: 'website.1' }), { process: 'web' }))
})

const bytes = new Uint8Array()
const stored = (sequence: number): StoredBatch => ({
  sequence,
  after: sequence - 1,
  first: 0,
  count: 1,
  bytes,
})
type Appended = { readonly args: { readonly lines: readonly Line[] } }

t.test('a channel appends one batch at a time, in order, and tries again until it is kept', async (t) => {
  const driven = drive(channel, { key: 'a1', args: null })
  const open = (): readonly string[][] => driven.ran.map((ran) => (ran as Appended).args.lines.map(textOf))
  driven.send({ type: 'write', lines: [line('1')] })
  driven.send({ type: 'write', lines: [line('2'), line('3')] })
  driven.send({ type: 'write', lines: [line('4')] })
  t.strictSame(open(), [['1']])
  driven.failed('history.append', 'store_unavailable')
  t.strictSame(open(), [], 'not at once')
  driven.send({ type: 'write', lines: [line('5')] })
  t.strictSame(open(), [], 'nothing overtakes it')
  const waits: number[] = []
  for (let tries = 0; tries < 8; tries++) {
    waits.push(driven.timers.get('retry')?.ms ?? 0)
    driven.fire('retry')
    t.strictSame(open(), [['1']], 'the same batch')
    driven.failed('history.append', 'store_unavailable')
  }
  t.strictSame(
    waits,
    waits.toSorted((a, b) => a - b),
  )
  t.equal(waits.at(-1), 5_000, 'back-off has an end')
  t.equal(driven.logs.length, 1, 'said once an outage')
  driven.fire('retry')
  driven.done('history.append', stored(1))
  t.strictSame(open(), [['2', '3', '4', '5']])
  driven.send({ type: 'retry', batch: 1 })
  driven.send({ type: 'appended', batch: 1, stored: stored(1) })
  t.equal(open().length, 1, 'late words on an earlier batch change nothing')
  driven.send({ type: 'drop' })
  t.match(driven.ran.at(-1), { name: 'history.drop', args: { appId: 'a1' } })
})

t.test(
  'a source that waits is answered once its lines are stored, and a repeat is stored once',
  async (t) => {
    const driven = drive(channel, { key: 'a1', args: null })
    const deliver = (seq: number, ...texts: readonly string[]): void => {
      driven.send({ type: 'deliver', source: 'r1', seq, lines: texts.map((text) => line(text)) })
    }
    deliver(10, 'a')
    driven.send({ type: 'write', lines: [line('between')] })
    deliver(20, 'b', 'c')
    deliver(20, 'b', 'c')
    driven.send({ type: 'deliver', source: 'r2', seq: 1, lines: [line('d')] })
    t.strictSame(driven.replies, [], 'nothing is stored yet')
    driven.failed('history.append', 'store_unavailable')
    driven.fire('retry')
    t.strictSame(driven.replies, [])
    driven.done('history.append', stored(1))
    t.equal(driven.replies.length, 1, 'the first')
    t.strictSame((driven.ran[0] as unknown as Appended).args.lines.map(textOf), ['between', 'b', 'c', 'd'])
    driven.done('history.append', stored(2))
    t.equal(driven.replies.length, 4, 'the others, and the repeat')
    deliver(10, 'a')
    t.equal(driven.replies.length, 5, 'stored long ago: answered at once')
    t.strictSame(driven.ran, [])
    deliver(30)
    t.equal(driven.replies.length, 6, 'nothing to store')

    deliver(40, 'e')
    deliver(50, ...Array.from({ length: 5_100 }, () => 'x'))
    deliver(60, 'f')
    for (let tries = 0; driven.ran.length > 0 && tries < 100; tries++)
      driven.done('history.append', stored(3 + tries))
    t.equal(driven.replies.length, 9, 'what was dropped and said is settled too')
  },
)

const lossOf = (text: string): number =>
  Number(/^Error L10 \(output buffer overflow\): (\d+) messages dropped since \S+\.$/.exec(text)?.[1] ?? 0)

t.test('a channel accounts for every line: kept, said to be dropped, or still here', async (t) => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('write' as const), count: fc.integer({ min: 1, max: 2_500 }) }),
    fc.record({ do: fc.constant('lost' as const), count: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ do: fc.constantFrom('done' as const, 'failed' as const), count: fc.constant(0) }),
  )
  const check = (steps: readonly { do: 'write' | 'lost' | 'done' | 'failed'; count: number }[]): boolean => {
    const driven = drive(channel, { key: 'a1', args: null })
    let [accepted, reported, next] = [0, 0, 0]
    const kept: number[] = []
    const end = (): void => {
      const ran = driven.ran[0] as Appended | undefined
      for (const text of ran?.args.lines.map(textOf) ?? [])
        if (lossOf(text) > 0) reported += lossOf(text)
        else kept.push(Number(text))
      if (ran !== undefined) driven.done('history.append', stored(1))
    }
    const fail = (): void => {
      if (driven.ran.length === 0) return
      driven.failed('history.append', 'store_unavailable')
      driven.fire('retry')
    }
    for (const { do: what, count } of steps) {
      if (what === 'write') {
        driven.send({ type: 'write', lines: Array.from({ length: count }, () => line(String(next++))) })
        accepted += count
      } else if (what === 'lost') {
        driven.lost(count)
        accepted += count
      } else if (what === 'done') end()
      else fail()
      if (driven.ran.length > 1 || driven.state.buffer.length > 5_000) return false
    }
    const waiting = driven.state.buffer.length + driven.state.dropped
    const inFlight = driven.state.inFlight.reduce((sum, one) => sum + (lossOf(textOf(one)) || 1), 0)
    if (accepted !== kept.length + reported + waiting + inFlight) return false
    // Whatever came before, once the store is well it all gets out.
    driven.send({ type: 'write', lines: [line(String(next++))] })
    for (let tries = 0; driven.ran.length > 0 && tries < 100; tries++) end()
    const inOrder = kept.every((value, at) => at === 0 || value > (kept[at - 1] ?? 0))
    return inOrder && accepted + 1 === kept.length + reported
  }
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), check), { numRuns: 60 })
  const written = (count: number) => ({ do: 'write' as const, count })
  t.ok(check([written(1), written(2_500), written(2_500), written(2_500)]), 'with an overflow for sure')
})

t.test('a channel that moves hands over what no source says again, and what it knows of losses', (t) => {
  const driven = drive(channel, { key: 'a1', args: null })
  const handed = () =>
    driven.told.flatMap(({ message }) => (message as unknown as { lines: Line[] }).lines.map(textOf))
  driven.send({ type: 'write', lines: [line('one')] })
  driven.send({ type: 'deliver', source: 's', seq: 1, lines: [line('its source has it')] })
  driven.send({ type: 'write', lines: [line('two'), line('three')] })
  driven.lost(3)
  driven.failed('history.append', 'store_unavailable')
  driven.moved()
  t.match(driven.told, [{ to: { to: 'channel', key: 'a1' }, message: { type: 'write' } }])
  t.same(handed().slice(0, 3), ['one', 'two', 'three'])
  t.equal(lossOf(handed()[3] ?? ''), 3)
  driven.clear()
  driven.fire('retry')
  driven.done('history.append', stored(1))
  driven.done('history.append', stored(2))
  driven.moved()
  t.same(handed(), [], 'all is kept')
  t.end()
})

t.test('a buffer full of bytes drops its oldest lines and says so where they were', async (t) => {
  const driven = drive(channel, { key: 'a1', args: null })
  const big = (name: string): Line => line(name + 'x'.repeat(1024 * 1024))
  driven.send({ type: 'write', lines: [line('first')] })
  for (const name of ['a', 'b', 'c', 'd', 'e']) driven.send({ type: 'write', lines: [big(name)] })
  driven.done('history.append', stored(1))
  const { lines } = (driven.ran[0] as unknown as Appended).args
  t.equal(lossOf(textOf(lines[0]!)), 2)
  t.match(lines[0], { source: 'heroku', process: 'logplex' })
  t.match(textOf(lines[0]!), '2023-11-14T22:13:20.123456+00:00', 'since the first that was dropped')
  t.equal(textOf(lines[1]!).charAt(0), 'c')
})

t.test('the shuttle carries a log on from where it stood, and says what rotation took', async (t) => {
  const folder = await scratch(t)
  const written: Line[] = []
  const asked: LogCursor[] = []
  const at = '2023-11-14T22:13:20.123456789+00:00'
  const logLine = (text: string) => ({ at, stream: 'stdout' as const, bytes: Buffer.from(text) })
  const stored = { isAway: false, numbers: [] as (readonly [source: string, seq: number])[] }
  let lives = 0
  const deliver = async (appId: string, source: string, seq: number, lines: readonly Line[]) => {
    if (stored.isAway) throw new Error('away')
    t.equal(appId, 'a1')
    t.match(source, /^r1:life\d$/)
    stored.numbers.push([source, seq])
    written.push(...lines)
  }
  const shipAll = async (batches: readonly LogBatch[]): Promise<void> => {
    const follow: Driver['follow'] = (_, from, onBatch) => {
      asked.push(from)
      const done = (async () => {
        for (const batch of batches) await onBatch(batch)
      })()
      return { done, close: () => undefined }
    }
    const shuttle = createShuttle(folder, { follow }, deliver, `life${++lives}`)
    await shuttle.ship({ runId: 'r1', appId: 'a1', process: 'web.1' })
  }
  const cursor = (offset: number): LogCursor => ({ file: 0, offset })
  await shipAll([
    { lines: [logLine('a'), logLine('b')], cursor: cursor(2), lost: false },
    { lines: [], cursor: cursor(3), lost: false },
  ])
  await shipAll([{ lines: [logLine('c')], cursor: { file: 2, offset: 9 }, lost: true }])
  await shipAll([])
  t.strictSame(asked, [logStart, cursor(3), { file: 2, offset: 9 }])
  t.strictSame(
    written.map(textOf).filter((text) => !text.startsWith('Error')),
    ['a', 'b', 'c'],
  )
  t.match(written[2], { source: 'app', process: 'log-shuttle', atUs })
  t.match(textOf(written[2]!), /^Error L12: /)
  t.match(written[0], { source: 'app', process: 'web.1', atUs })

  // A cursor's file is a large number (an inode), too large to be part of a batch's number.
  await shipAll([
    { lines: [logLine('near')], cursor: { file: 2_600_939, offset: 100 }, lost: false },
    { lines: [logLine('nearer')], cursor: { file: 2_600_939, offset: 101 }, lost: false },
  ])
  const [first, second] = stored.numbers.slice(-2)
  t.equal(first?.[0], second?.[0])
  t.ok((second?.[1] ?? 0) > (first?.[1] ?? 0), 'the next batch of a life has a higher number')
  t.ok(Number.isSafeInteger(second?.[1]))
  t.equal(new Set(stored.numbers.map(String)).size, stored.numbers.length, 'no two batches look like one')
  stored.isAway = true
  await t.rejects(shipAll([{ lines: [logLine('d')], cursor: { file: 3, offset: 1 }, lost: false }]))
  await shipAll([])
  t.strictSame(asked.at(-1), { file: 2_600_939, offset: 101 }, 'it stands where the last stored line is')

  const file = join(folder, 'r1.json')
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 5))
  await shipAll([])
  t.strictSame(asked.at(-1), logStart, 'half a cursor is none: doubled at worst, never lost')
  await createShuttle(folder, {} as Driver, deliver, 'last').forget('r1')
  await t.rejects(readFile(file), { code: 'ENOENT' })
})
