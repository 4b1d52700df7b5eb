/**
 * The text of a line, and the shuttle from a container's log.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { formatLine, formatTime, lineMatches } from '../../actors/logplex/line.ts'
import { createShuttle, fileCursors, microseconds } from '../../actors/logplex/shuttle.ts'
import type { Line, Part } from '../../actors/protocols/channel.ts'
import { logStart, type Driver, type LogBatch, type LogCursor } from '../../src/oci/driver.ts'
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

t.test('the shuttle carries a log on from where it stood, and says what rotation took', async (t) => {
  const folder = await scratch(t)
  const written: Line[] = []
  const asked: LogCursor[] = []
  const at = '2023-11-14T22:13:20.123456789+00:00'
  const logLine = (text: string) => ({ at, stream: 'stdout' as const, bytes: Buffer.from(text) })
  const stored = { isAway: false, parts: [] as Part[] }
  let lives = 0
  const deliver = async (appId: string, part: Part) => {
    if (stored.isAway) throw new Error('away')
    t.equal(appId, 'a1')
    t.match(part.source, /^r1:life\d\.0$/)
    stored.parts.push(part)
    written.push(...part.lines)
  }
  const shipAll = async (batches: readonly LogBatch[]): Promise<void> => {
    const follow: Driver['follow'] = (_, from, onBatch) => {
      asked.push(from)
      const done = (async () => {
        for (const batch of batches) await onBatch(batch)
      })()
      return { done, close: () => undefined }
    }
    const shuttle = createShuttle(fileCursors(folder), { follow }, deliver, `life${++lives}`)
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

  await shipAll([
    { lines: [logLine('near')], cursor: { file: 2_600_939, offset: 100 }, lost: true },
    { lines: [logLine('nearer')], cursor: { file: 2_600_939, offset: 101 }, lost: false },
  ])
  const [first, second] = stored.parts.slice(-2)
  t.equal(first?.source, second?.source)
  t.strictSame([first?.first, second?.first], [0, 2], 'what is said of a loss is numbered like a line')
  t.equal(new Set(stored.parts.map(({ source, first }) => `${source} ${first}`)).size, stored.parts.length)
  stored.isAway = true
  await t.rejects(shipAll([{ lines: [logLine('d')], cursor: { file: 3, offset: 1 }, lost: false }]))
  await shipAll([])
  t.strictSame(asked.at(-1), { file: 2_600_939, offset: 101 }, 'it stands where the last stored line is')

  const file = join(folder, 'r1.json')
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 5))
  await shipAll([])
  t.strictSame(asked.at(-1), logStart, 'half a cursor is none: doubled at worst, never lost')
  await createShuttle(fileCursors(folder), {} as Driver, deliver, 'last').forget('r1')
  await t.rejects(readFile(file), { code: 'ENOENT' })
})
