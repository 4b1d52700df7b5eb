/**
 * Tails that come and go, on one host and another, quick and slow, while lines come and the history is
 * trimmed: whatever happens, each line is had or told of. And once over a real nats-server.
 */
import fc from 'fast-check'
import t from 'tap'
import { openTails } from '../../actors/logplex/tails.ts'
import { openStream } from '../../src/nats/streams.ts'
import { systemClock } from '../../src/system/clock.ts'
import { openBus } from '../kit/bus.ts'
import { logger, lossOf, openLogs, range, reading } from '../kit/tails.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

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
    const { stream, clock, tails, settle, app } = openLogs()
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
