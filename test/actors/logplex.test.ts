/**
 * The text of a line, and the shuttle from a container's log.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { formatLine, formatTime, lineMatches } from '../../actors/logplex/line.ts'
import { createShuttle, filePlaces, microseconds } from '../../actors/logplex/shuttle.ts'
import type { Line, Part } from '../../actors/protocols/channel.ts'
import { logStart, type Driver, type LogBatch, type LogCursor } from '../../src/oci/driver.ts'
import { scratch } from '../kit/files.ts'

t.setTimeout(300_000)
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
    t.match(part.source, /^r1:life\d\.\d$/)
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
    const shuttle = createShuttle(filePlaces(folder), { follow }, deliver, `life${++lives}`)
    await shuttle.ship({ runId: 'r1', appId: 'a1', process: 'web.1' })
  }
  const cursor = (file: number, lines: number): LogCursor => ({ file, offset: 10 * lines, lines })
  const first: LogBatch = { lines: [logLine('a'), logLine('b')], cursor: cursor(1, 2), lost: false }
  stored.isAway = true
  await t.rejects(shipAll([first]))
  stored.isAway = false
  await shipAll([first, { lines: [], cursor: { ...cursor(1, 2), offset: 21 }, lost: false }])
  await shipAll([{ lines: [logLine('c')], cursor: cursor(1, 3), lost: false }])
  await shipAll([{ lines: [logLine('d')], cursor: cursor(3, 4), lost: true }])
  await shipAll([])
  t.strictSame(asked, [logStart, logStart, { ...cursor(1, 2), offset: 21 }, cursor(1, 3), cursor(3, 4)])
  t.strictSame(
    written.map(textOf).map((text) => text.replace(/L12: .*/, 'L12')),
    ['a', 'b', 'c', 'Error L12', 'd'],
  )
  t.match(written[3], { source: 'app', process: 'log-shuttle', atUs })
  t.match(written[0], { source: 'app', process: 'web.1', atUs })
  const named = () => stored.parts.map(({ source, first }) => `${source} ${first}`)
  t.strictSame(
    named(),
    ['r1:life1.0 0', 'r1:life1.0 2', 'r1:life4.0 0', 'r1:life4.0 1'],
    'the next life has the name and goes on with the numbers; behind a hole they begin anew, with what is said of it',
  )

  const dropped = { count: 5, since: at }
  const next = { lines: [logLine('e')], cursor: cursor(3, 10), lost: false, dropped }
  stored.isAway = true
  await t.rejects(shipAll([next]))
  stored.isAway = false
  await shipAll([next])
  t.strictSame(asked.slice(-2), [cursor(3, 4), cursor(3, 4)], 'it stands where the last stored line is')
  t.equal(named().at(-1), 'r1:life4.0 7', 'what was dropped has its numbers')
  t.match(stored.parts.at(-1), { dropped: { count: 5, sinceUs: atUs } })

  const file = join(folder, 'r1.json')
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 5))
  await shipAll([{ lines: [logLine('a')], cursor: cursor(1, 1), lost: false }])
  t.strictSame(asked.at(-1), logStart, 'half a place is none: doubled at worst, never lost')
  t.equal(named().at(-1), 'r1:life8.0 0', 'under a name of its own')
  await writeFile(file, JSON.stringify({ file: 3, offset: 10 }))
  await shipAll([])
  t.strictSame(asked.at(-1), logStart, 'nor is what an earlier version kept')
  await createShuttle(filePlaces(folder), {} as Driver, deliver, 'last').forget('r1')
  await t.rejects(readFile(file), { code: 'ENOENT' })
})
