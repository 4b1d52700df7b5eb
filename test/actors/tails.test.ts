/**
 * Tails: history joined to live, resumed, shared by all readers of an app, and what a slow one is told; over
 * a history in memory and virtual time.
 */
import t from 'tap'
import { openTails, type TailWanted } from '../../actors/logplex/tails.ts'
import { parseCursor } from '../../actors/logplex/tail-line.ts'
import { formatTime } from '../../src/syslog/time.ts'
import { lineUs, logger, lossOf, openLogs, range, reading } from '../kit/tails.ts'

t.setTimeout(300_000)

const since = (line: number): string => formatTime(lineUs + line * 1000)
const l11 = (count: number, from: number): string =>
  `Error L11 (Tail buffer overflow) -> This tail session dropped ${count} messages since ${since(from)}.`

t.test('log_history: the last 1,500 lines are given, or as many as are asked for', async (t) => {
  const { tails, settle, app } = openLogs()
  for (const count of [1_499, 1, 1_000, 500, 3]) await app.write(count)
  const whole = reading(tails, { tail: false })
  const few = reading(tails, { tail: false, lines: 3 })
  const none = reading(tails, { tail: false, lines: 0 })
  await settle()
  t.strictSame(whole.tokens(), range(1_503, 3_003))
  t.strictSame(few.tokens(), [3_000, 3_001, 3_002])
  t.strictSame(none.tokens(), [])
  for (const { state } of [whole, few, none]) t.ok(state.hasEnded)
  t.match(few.state.text, /^2023-11-14T22:13:23\.000000\+00:00 app\[web\.1\]: line 3000\n/)
})

t.test('a filter is before the count, in the past and live, for source, dyno and type', async (t) => {
  const { tails, settle, app } = openLogs()
  const processes = ['web.1', 'web.2', 'worker.1', 'website.1']
  const write = async (rounds: number): Promise<void> => {
    for (let at = 0; at < 4 * rounds; at += 1)
      await app.write(1, { process: processes[at % 4] ?? '', source: at % 8 < 4 ? 'app' : 'heroku' })
  }
  await write(10)
  const open2 = (filter: TailWanted['filter']) => reading(tails, { lines: 3, filter })
  const dyno = open2({ process: 'web.2' })
  const type = open2({ process: 'web' })
  const source = open2({ source: 'heroku', process: 'web.1' })
  await settle()
  t.strictSame(dyno.lines(), [29, 33, 37])
  t.strictSame(type.lines(), [33, 36, 37])
  t.strictSame(source.lines(), [20, 28, 36])
  await write(2)
  await settle()
  t.strictSame(dyno.lines().slice(3), [41, 45])
  t.strictSame(type.lines().slice(3), [40, 41, 44, 45])
  t.strictSame(source.lines().slice(3), [44])
})

t.test('hundreds of tails follow the stream once, and lines are written in bursts', async (t) => {
  const { stream, tails, settle, app } = openLogs()
  await app.write(10)
  const all = range(0, 300).map(() => reading(tails, { form: 'events' }))
  await settle()
  t.same([stream.reads(), stream.followers()], [1, 1])
  for (let at = 0; at < 100; at += 1) {
    await app.write(10)
    await settle(1)
  }
  await settle()
  const whole = String(range(0, 1_010))
  t.ok(all.every(({ lines, state }) => String(lines()) === whole && state.writes <= 4))
  for (const { tail } of all.slice(1)) tail.close()
  for (let at = 0; at < 100; at += 1) {
    await app.write(1)
    await settle(1)
  }
  t.ok((all[0]?.state.writes ?? 0) > 90, 'one alone has them at once')
  for (const { tail } of all) tail.close()
  t.equal(stream.followers(), 0, 'it ends with the last of them')
  await app.write(1)
  const late = reading(tails, { lines: 1 })
  await settle()
  t.strictSame(late.lines(), [1_110])
  t.same([stream.reads(), stream.followers()], [2, 1])
})

t.test('a tail that is closed before the past is there is given nothing', async (t) => {
  const { stream, tails, settle, app } = openLogs()
  await app.write(5)
  const gone = reading(tails)
  const other = reading(tails, { tail: false })
  gone.tail.close()
  await settle()
  t.same([gone.state.text, other.lines().length], ['', 5])
  t.equal(stream.followers(), 0)
  const early = reading(tails)
  early.tail.finish()
  t.match(early.told(), [/^Error L15/], 'a host that stops does not pretend that there is nothing')
  t.ok(early.state.hasEnded)
})

t.test('a slow reader loses the oldest lines, is told where and how many, and harms no other', async (t) => {
  const { tails, settle, app } = openLogs()
  await app.write(10)
  const slow = reading(tails, { form: 'events' }, true)
  const web = reading(tails, { filter: { process: 'web.1' } }, true)
  const quick = reading(tails)
  await settle()
  t.strictSame(slow.lines(), range(0, 10), 'what was under way')
  for (let at = 0; at < 10; at += 1) {
    await app.write(490)
    await app.write(10, { process: 'worker.1' })
    await settle()
  }
  t.strictSame(quick.tokens(), range(0, 5_010), 'it has all of them')
  slow.tail.ready()
  t.equal(slow.tokens().at(-1), l11(2_000, 10), 'told at once')
  const resumed = reading(tails, { form: 'events', lastId: slow.lastId(), tail: false })
  slow.state.isSlow = false
  slow.tail.ready()
  t.strictSame(slow.tokens(), [...range(0, 10), l11(2_000, 10), ...range(2_010, 5_010)])
  await settle()
  t.strictSame(resumed.tokens(), range(2_010, 5_010), 'what it was told of is not given when it resumes')
  // Of its filter only: 490 of each 500.
  web.state.isSlow = false
  web.tail.ready()
  t.equal(web.told()[0], l11(4 * 490, 10))
  t.equal(web.lines().length + lossOf(web.told()[0] ?? ''), 10 + 4_900)
  t.match(slow.state.text, /^id: \S+\ndata: \S+ heroku\[logplex\]: Error L11/m)
})

t.test('a reader resumes behind its last line, on any host, also one that is behind', async (t) => {
  const { stream, tails, clock, settle, app } = openLogs()
  await app.write(20)
  const first = reading(tails, { form: 'events', lines: 5 })
  await settle()
  await app.write(20)
  await settle()
  const lastId = first.lastId()
  t.strictSame(parseCursor(lastId ?? ''), { sequence: app.sequence(), line: 39, atUs: lineUs + 39_000 })
  first.tail.close()
  await app.write(20)
  const again = reading(tails, { form: 'events', lines: 0, lastId })
  const other = openTails(stream, clock)
  const early = reading(other, { form: 'events', lastId })
  await settle()
  t.strictSame(again.tokens(), range(40, 60))
  t.strictSame(early.tokens(), range(40, 60))

  stream.held = true
  await app.write(10)
  const ahead = reading(openTails(stream, clock), { form: 'events', lines: 1 })
  await settle()
  t.strictSame(ahead.lines(), [69])
  const behind = reading(other, { form: 'events', lastId: ahead.lastId() })
  await settle()
  t.strictSame(behind.tokens(), [], 'nothing that it has already')
  stream.held = false
  await app.write(5)
  await settle()
  t.strictSame(behind.tokens(), range(70, 75))
  t.strictSame(early.tokens(), range(40, 75))
  for (const wrong of ['42', '1-2', 'zzzzzzzzzzzz-1-1', 'A-1-1'])
    t.equal(parseCursor(wrong), undefined, wrong)
})

t.test('what the history lost meanwhile is told to who resumes, and to who is there', async (t) => {
  const { stream, tails, settle, app } = openLogs()
  await app.write(100)
  const first = reading(tails, { form: 'events' })
  await settle()
  const lastId = first.lastId()
  await app.write(40)
  await app.write(60)
  await stream.trim('a1', app.sequence())
  first.tail.close()
  const resumed = reading(tails, { lastId })
  const filtered = reading(tails, { lastId, filter: { process: 'web' } })
  await settle()
  t.strictSame(resumed.tokens(), [l11(40, 99), ...range(140, 200)])
  t.equal(filtered.told()[0], l11(40, 99).replace('40', 'at most 40'), 'nobody knows of whom they were')

  stream.held = true
  await app.write(30)
  app.lose(7)
  await app.write(10)
  await stream.trim('a1', app.sequence())
  stream.held = false
  await settle()
  t.strictSame(resumed.tokens().slice(61), [l11(37, 199), ...range(237, 247)])
  t.equal(filtered.told()[1], l11(37, 199).replace('37', 'at most 37'))
  const fresh = reading(tails, { lines: 11 })
  t.strictSame(fresh.tokens(), [199, l11(37, 199), ...range(237, 247)], 'also in the past')
})

t.test('what a reader has from another host is not told to be lost on one that has not', async (t) => {
  const { stream, clock, tails, settle, app } = openLogs()
  await app.write(10)
  reading(tails)
  await settle()
  stream.held = true
  await app.write(5)
  const elsewhere = reading(openTails(stream, clock), { form: 'events' })
  await settle()
  const moved = reading(tails, { lastId: elsewhere.lastId() })
  await app.write(5)
  await app.write(1)
  await stream.trim('a1', app.sequence())
  stream.held = false
  await settle()
  t.strictSame(moved.tokens(), [l11(5, 14), 20])
})

t.test('a history that cannot be read is said (L15), and the tail ends; the next one has it', async (t) => {
  const { stream, tails, settle, app } = openLogs()
  await app.write(3)
  stream.away = true
  const [one, two] = [reading(tails), reading(tails, { tail: false, form: 'events' })]
  await settle()
  for (const { state, told } of [one, two]) {
    t.match(told(), [/^Error L15 \(Tail buffer temporarily unavailable\): .* Run `heroku logs` again\.$/])
    t.ok(state.hasEnded)
  }
  t.match(two.state.text, /^data: /, 'without an id')
  stream.away = false
  const later = reading(tails)
  await settle()
  t.strictSame(later.tokens(), [0, 1, 2])
})

t.test('who asks for the past alone has all of it, or is told, also where the host is behind', async (t) => {
  const { stream, tails, settle, app } = openLogs()
  await app.write(10)
  const tail = reading(tails)
  await settle()
  stream.held = true
  await app.write(10)
  const past = reading(tails, { tail: false, lines: 15 })
  await settle()
  t.strictSame(past.tokens(), range(5, 20))
  t.strictSame(tail.tokens(), range(0, 20))
  stream.held = false
  await settle()
  t.strictSame(tail.tokens(), range(0, 20), 'none twice')
  stream.away = true
  const away = reading(tails, { tail: false })
  await settle()
  t.match(away.told(), [/^Error L15/])
  t.same([past.state.hasEnded, away.state.hasEnded, tail.state.hasEnded], [true, true, false])
})

t.test('a carriage return ends no event, and stays in plain text', async (t) => {
  const { tails, settle, app } = openLogs()
  for (const text of ['10%\r20%\r\r30%', 'from Windows\r', '\r'])
    await app.write(1, { text: Buffer.from(text) })
  const [events, plain] = [reading(tails, { form: 'events' }), reading(tails)]
  await settle()
  const data = events.state.text.split('\n\n').map((event) => event.replace(/^id: .*\n/, ''))
  const head = (line: number): string => `${since(line)} app[web.1]: `
  t.strictSame(data, [
    `data: ${head(0)}10%\ndata: 20%\ndata: 30%`,
    `data: ${head(1)}from Windows`,
    `data: ${head(2)}`,
    '',
  ])
  t.equal(plain.state.text, `${head(0)}10%\r20%\r\r30%\n${head(1)}from Windows\r\n${head(2)}\r\n`)
})

t.test('all windows together stay in their bound, and what is missing of the past is said', async (t) => {
  const megabyte = 1024 * 1024
  const { stream, tails, settle } = openLogs(4 * megabyte)
  const text = Buffer.from('x'.repeat(10_000))
  const apps = range(0, 8).map((at) => `app${at}`)
  const readers = apps.map((appId) => reading(tails, { appId, lines: 0 }))
  await settle()
  for (const appId of apps) {
    const app = logger(stream, appId)
    await app.write(150, { text })
    await settle()
  }
  for (const { state } of readers) t.equal(state.text.split('\n').length, 151, 'whoever reads gets all')
  const past = reading(tails, { appId: 'app0', tail: false })
  await settle()
  t.match(past.told(), [/^Error L15/])
  const lines = past.state.text.split('\n').length - 2
  t.ok(lines > 45 && lines < 53, `an eighth of it: ${lines}`)
  for (const { tail } of readers) tail.close()
  await logger(stream, 'app0').write(80, { text })
  const again = ['app0', 'app1'].map((appId) => reading(tails, { appId, tail: false }))
  await settle()
  t.strictSame(
    again.map(({ state }) => state.text.split('\n').length),
    [231, 151],
    'there is room again',
  )
  for (const { told } of again) t.strictSame(told(), [])
})
