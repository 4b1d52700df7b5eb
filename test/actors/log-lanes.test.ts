/** Lines on their way to channels: in order, one batch of an app at a time, bounded, counted when lost. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { createLanes } from '../../actors/logplex/input/lanes.ts'
import { syslogReader, type Astray } from '../../actors/logplex/input/syslog.ts'
import type { Deliver } from '../../actors/logplex/deliver.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { frame } from '../kit/log-input.ts'
import { until } from '../kit/until.ts'

const line = (text: string): Line => ({ atUs: 1, source: 'cron', process: '-', text: Buffer.from(text) })
const textOf = ({ source, process, text }: Line): string =>
  `${source}[${process}] ${Buffer.from(text).toString()}`.replace(/^cron\[.*?\] /, '')

const open = (limits = { appBytesMax: 1_000, bytesMax: 2_500 }) => {
  const clock = virtualClock()
  const sent: { appId: string; source: string; first: number; lines: readonly string[]; done: () => void }[] =
    []
  const deliver: Deliver = (appId, { source, first, lines }) =>
    new Promise((done) => void sent.push({ appId, source, first, lines: lines.map(textOf), done }))
  const lanes = createLanes({ deliver, source: 'here', clock }, limits)
  const push = (appId: string, texts: readonly string[], bytes = 100): Promise<void> => {
    assert(lanes.reserve(appId, bytes))
    return lanes.push(appId, texts.map(line), bytes)
  }
  const pass = (ms: number): void => {
    const end = clock.now() + ms
    while (clock.step(end)) continue
    clock.advanceTo(end)
  }
  return { clock, sent, lanes, push, pass }
}

t.test('an app has one batch under way, and what comes meanwhile goes together with the next', async (t) => {
  const { sent, push, lanes, pass } = open()
  const first = push('a', ['1'])
  const others = [push('a', ['2', '3']), push('a', ['4'])]
  void push('b', ['x'])
  t.match(sent, [
    { appId: 'a', lines: ['1'] },
    { appId: 'b', lines: ['x'] },
  ])
  sent[0]?.done()
  await first
  t.match(sent[2], { appId: 'a', lines: ['2', '3', '4'] })
  t.equal(sent[2]?.first, 1, 'each line has a number')
  const left = lanes.empty(10)
  pass(10)
  t.equal(await left, 4)
  sent[1]?.done()
  sent[2]?.done()
  await Promise.all(others)
  t.equal(await lanes.empty(10), 0)
  void push('a', ['5'])
  t.match(sent[3], { appId: 'a', source: sent[0]?.source, first: 4 }, 'they go on after a silence')
})

t.test('a large load goes in batches, and is done with its last line', async (t) => {
  const { sent, push } = open()
  let isDone = false
  const done = push(
    'a',
    Array.from({ length: 1_200 }, (_, at) => String(at)),
  ).then(() => (isDone = true))
  for (const at of [0, 1]) {
    sent[at]?.done()
    await until(() => sent.length === at + 2, { what: 'the next batch' })
    t.notOk(isDone)
  }
  sent[2]?.done()
  await done
  t.same(
    sent.map(({ lines }) => lines.length),
    [500, 500, 200],
  )
})

t.test('a batch of long lines is smaller than what the bus carries', async (t) => {
  const { sent, push } = open()
  void push(
    'a',
    Array.from({ length: 100 }, () => 'x'.repeat(10_000)),
  )
  t.equal(sent[0]?.lines.length, 27, '256 KB, and the line that is over it')
})

t.test('an app is stuck since its batch is under way, and no longer once it is stored', async (t) => {
  const { sent, push, lanes, pass } = open()
  t.equal(lanes.stuckMs('a'), 0)
  const first = push('a', ['1'])
  void push('a', ['2'])
  pass(9_000)
  t.equal(lanes.stuckMs('a'), 9_000)
  sent[0]?.done()
  await first
  pass(2_000)
  t.equal(lanes.stuckMs('a'), 2_000)
})

t.test('who waits for all to be stored is told at once, or what is left, lost lines too', async (t) => {
  const { sent, push, lanes, pass } = open()
  const first = push('a', ['1', '2'])
  lanes.lose('a', 5, 0)
  const early = lanes.empty(1_000)
  pass(1_000)
  t.equal(await early, 7)
  const all = lanes.empty(60_000)
  sent[0]?.done()
  await first
  sent[1]?.done()
  t.equal(await all, 0, 'without the time passing')
})

t.test('room is bounded for an app and for all, and comes back once lines are stored', async (t) => {
  const { sent, push, lanes } = open()
  const first = push('a', ['1'], 900)
  t.notOk(lanes.reserve('a', 101), 'of its own')
  t.notOk(lanes.reserve('b', 801), 'more than would be left')
  t.ok(lanes.reserve('b', 800))
  t.notOk(lanes.reserve('c', 401), 'of all')
  lanes.release('b', 800)
  t.ok(lanes.reserve('c', 401))
  let hasRoom = false
  const room = lanes.room(1_000).then(() => (hasRoom = true))
  await Promise.resolve()
  t.notOk(hasRoom)
  sent[0]?.done()
  await Promise.all([first, room])
  t.ok(lanes.reserve('a', 1_000))
})

t.test('however many apps are stuck, there is room for one more', async (t) => {
  const { lanes } = open({ appBytesMax: 8_000, bytesMax: 64_000 })
  const taken = Array.from({ length: 20 }, (_, at) => {
    let bytes = 0
    while (lanes.reserve(`stuck-${at}`, 10)) bytes += 10
    return bytes
  })
  t.same(taken.slice(0, 10), [8_000, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000, 4_000, 2_000, 1_000])
  t.ok(lanes.reserve('well', 1))
})

t.test('what is lost is said where it is missing, with its count and since when', async (t) => {
  const { sent, push, lanes } = open()
  const first = push('a', ['1'])
  lanes.lose('a', 2, Date.UTC(2026, 0, 1) * 1000)
  lanes.lose('a', 3, Date.UTC(2027, 0, 1) * 1000)
  const second = push('a', ['2'])
  sent[0]?.done()
  await first
  t.same(sent[1]?.lines, [
    'heroku[logplex] Error L13: 5 messages lost since 2026-01-01T00:00:00.000000+00:00.',
    '2',
  ])
  sent[1]?.done()
  await second
  lanes.lose('b', 1, 0)
  t.match(sent[2], { appId: 'b', lines: [/Error L13: 1 messages lost/] })
})

t.test('a connection does not wait for a channel that takes nothing, for others are behind it', async (t) => {
  const { sent, lanes, pass, clock, push } = open({ appBytesMax: 500, bytesMax: 5_000 })
  const socket = new PassThrough()
  const tokens = {
    find: async (token: string) => ({ appId: token === 't.stuck' ? 'stuck' : 'well', name: 'cron' }),
  }
  let astray: Astray = { malformed: 0, unknownToken: 0 }
  const read = syslogReader({
    tokens,
    lanes,
    clock,
    isClosing: () => false,
    astray: (what) => (astray = what),
  })(socket)
  void push('stuck', ['0'], 400)
  socket.write(frame('1', 't.stuck') + frame('2', 't.well') + frame('3', 't.stuck'))
  await until(() => clock.pending() > 0, { what: 'it to wait for room' })
  const wellSaid = (): boolean => sent.some(({ appId }) => appId === 'well')
  await until(() => (wellSaid() ? true : (pass(500), false)), { what: 'the other app to be served' })
  sent[0]?.done()
  await until(() => sent.length === 3, { what: 'the news of the loss' })
  t.match(sent[2]?.lines, [/^heroku\[logplex\] Error L13: 2 messages lost since 2023-11-14T22:13:20/])
  socket.end('100 <190>1')
  await read
  t.same(astray, { malformed: 1, unknownToken: 0 }, 'half a frame at the end')
})

t.test(
  'a process that ends waits for no room: what finds none is counted, and the sender let go',
  async (t) => {
    const { sent, lanes, clock, push, pass } = open({ appBytesMax: 500, bytesMax: 5_000 })
    let isClosing = false
    const read = syslogReader({
      tokens: { find: async () => ({ appId: 'a', name: 'cron' }) },
      lanes,
      clock,
      isClosing: () => isClosing,
      astray: () => undefined,
    })
    void push('a', ['0'], 400)
    const socket = new PassThrough()
    const done = read(socket)
    socket.write(frame('1', 't.a'))
    await until(() => clock.pending() > 1, { what: 'it to wait for room' })
    isClosing = true
    pass(500)
    await done
    t.ok(socket.destroyed, 'its sender has not gone')
    sent[0]?.done()
    await until(() => sent.length === 2, { what: 'the news of the loss' })
    t.match(sent[1]?.lines, [/Error L13: 1 messages lost/])
  },
)

t.test('what a connection brought before it broke is stored, though it was held up by then', async (t) => {
  const { sent, lanes, clock, push, pass } = open({ appBytesMax: 500, bytesMax: 5_000 })
  let malformed = 0
  const read = syslogReader({
    tokens: { find: async () => ({ appId: 'a', name: 'cron' }) },
    lanes,
    clock,
    isClosing: () => false,
    astray: (what) => (malformed += what.malformed),
  })
  void push('a', ['0'], 400)
  const socket = new PassThrough()
  const done = read(socket)
  socket.write(frame('1', 't.a'))
  await until(() => clock.pending() > 1, { what: 'it to wait for room' })
  socket.write(`${frame('2', 't.a')}99 <190>1`)
  socket.destroy(new Error('reset'))
  sent[0]?.done()
  const all = (): readonly string[] => sent.flatMap(({ lines }) => lines)
  await until(() => (sent.at(-1)?.done(), pass(500), all().length === 3), { what: 'the lines' })
  t.same(all(), ['0', '1', '2'])
  await done
  t.equal(malformed, 1, 'the half frame is counted')
})
