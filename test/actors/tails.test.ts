/**
 * Tails: history joined to live, resumed, shared by all readers of an app, and what a slow one is told; over
 * a history in memory and virtual time, and once over a real nats-server.
 */
import fc from 'fast-check'
import t from 'tap'
import { openTails, type TailWanted } from '../../actors/logplex/tails.ts'
import { parseCursor } from '../../actors/logplex/tail-line.ts'
import { formatTime } from '../../src/syslog/time.ts'
import { openStream } from '../../src/nats/streams.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { systemClock } from '../../src/system/clock.ts'
import { openBus } from '../kit/bus.ts'
import { memoryStream } from '../kit/memory-stream.ts'
import { lineUs, logger, lossOf, range, reading } from '../kit/tails.ts'
import { until } from '../kit/until.ts'

t.setTimeout(60_000)

const open = (bytesMax?: number) => {
  const stream = memoryStream()
  const clock = virtualClock()
  const tails = openTails(stream, clock, bytesMax)
  /** What is due by then is done. */
  const settle = async (ms = 100): Promise<void> => {
    await new Promise(setImmediate)
    const limit = clock.now() + ms
    while (clock.step(limit));
    clock.advanceTo(limit)
  }
  return { stream, clock, tails, settle, app: logger(stream) }
}
const since = (line: number): string => formatTime(lineUs + line * 1000)
const l11 = (count: number, from: number): string =>
  `Error L11 (Tail buffer overflow) -> This tail session dropped ${count} messages since ${since(from)}.`

t.test('log_history: the last 1,500 lines are given, or as many as are asked for', async (t) => {
  const { tails, settle, app } = open()
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
  const { tails, settle, app } = open()
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
  const { stream, tails, settle, app } = open()
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
  const { stream, tails, settle, app } = open()
  await app.write(5)
  const gone = reading(tails)
  const other = reading(tails, { tail: false })
  gone.tail.close()
  await settle()
  t.same([gone.state.text, other.lines().length], ['', 5])
  t.equal(stream.followers(), 0)
})

t.test('a slow reader loses the oldest lines, is told where and how many, and harms no other', async (t) => {
  const { tails, settle, app } = open()
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
  const { stream, tails, clock, settle, app } = open()
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
  const { stream, tails, settle, app } = open()
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
  const { stream, clock, tails, settle, app } = open()
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
  const { stream, tails, settle, app } = open()
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

t.test('a carriage return ends no event, and stays in plain text', async (t) => {
  const { tails, settle, app } = open()
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
  const { stream, tails, settle } = open(4 * megabyte)
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

t.test('whatever comes, a reader has each line, or was told of it (property)', async (t) => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('write' as const), count: fc.integer({ min: 1, max: 900 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('reconnect' as const, 'move' as const, 'slow' as const, 'quick' as const),
        count: fc.constant(0),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('trim' as const, 'hold' as const, 'go' as const, 'rest' as const),
        count: fc.constant(0),
      }),
    },
  )
  const check = async (steps: readonly { do: string; count: number }[]): Promise<void> => {
    const { stream, clock, tails, settle, app } = open()
    const hosts = [tails, openTails(stream, clock)]
    let at = 0
    let lastId: string | undefined
    const open1 = () => reading(hosts[at] ?? tails, { form: 'events', lastId })
    await app.write(5)
    const lives = [open1()]
    await settle()
    for (const { do: what, count } of steps) {
      const now = lives.at(-1)
      if (what === 'write') await app.write(count)
      else if (what === 'trim') await stream.trim('a1', app.sequence())
      else if (what === 'hold' || what === 'go') stream.held = what === 'hold'
      else if (what === 'rest') await settle()
      else if (what === 'slow' && now !== undefined) now.state.isSlow = true
      else if (what === 'quick' && now !== undefined) {
        now.state.isSlow = false
        now.tail.ready()
      } else if (now !== undefined) {
        now.tail.close()
        if (what === 'move') at = 1 - at
        lastId = now.lastId() ?? lastId
        lives.push(open1())
        await settle()
      }
    }
    const last = lives.at(-1)
    if (last !== undefined) last.state.isSlow = false
    stream.held = false
    last?.tail.ready()
    await app.write(1)
    await settle()
    let next = 0
    for (const token of lives.flatMap(({ tokens }) => tokens())) {
      if (typeof token === 'string') next += lossOf(token)
      else if (token === next) next += 1
      else throw new Error(`line ${token} where ${next} is due`)
    }
    if (next !== app.written()) throw new Error(`${next} of ${app.written()}`)
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), check), { numRuns: 100 })
  t.pass()
})

t.test('roundtrip: over a real nats-server a tail joins what is written meanwhile', async (t) => {
  const bus = await openBus(t)
  const bounds = { replicas: 1, maxMessagesPerKey: 3_000, maxAgeMs: 0, maxBytes: 64 * 1024 * 1024 }
  const stream = await openStream(await bus.join('h1'), { ...bounds, name: 'history' })
  const tails = openTails(stream, systemClock)
  const app = logger(stream)
  const write = async (batches: number): Promise<void> => {
    for (let at = 0; at < batches; at += 1) await app.write(1 + (at % 3))
  }
  await write(30)
  await logger(stream, 'other').write(3)
  const writing = write(60)
  const live = reading(tails, { form: 'events', lines: 10 })
  await writing
  await until(() => live.lines().at(-1) === app.written() - 1, { what: 'the newest line' })
  const [first = 0] = live.lines()
  t.strictSame(live.tokens(), range(first, app.written()), 'no gap, no double')
  t.ok(first >= 50, 'ten of the past at most, as it was when asked')
  const past = reading(tails, { tail: false })
  await until(() => past.state.hasEnded, { what: 'the end of the past' })
  t.strictSame(past.tokens(), range(0, app.written()))
  live.tail.close()
  const had = live.state.text
  await write(5)
  const resumed = reading(tails, { lastId: live.lastId() })
  await until(() => resumed.lines().at(-1) === app.written() - 1, { what: 'the rest' })
  t.strictSame([...live.tokens(), ...resumed.tokens()], range(first, app.written()))
  t.equal(live.state.text, had, 'a closed tail is silent')
  resumed.tail.close()
})
