/** Log input as strangers and broken senders use it: nothing of theirs is in the way of others' lines. */
import { PassThrough } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Deliver } from '../../actors/logplex/deliver.ts'
import { createLanes } from '../../actors/logplex/input/lanes.ts'
import { syslogReader } from '../../actors/logplex/input/syslog.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { systemClock } from '../../src/system/clock.ts'
import { frame, openInput } from '../kit/log-input.ts'
import { until } from '../kit/until.ts'

const counted = (message: string): string => `${Buffer.byteLength(message, 'latin1')} ${message}`

t.test('whatever a message says of itself, its line is one that a channel takes', async (t) => {
  const { channel, dial, texts, arrived } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const times = [
    '1066-10-14T09:00:00Z',
    '1969-12-31T23:59:59Z',
    '2300-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ]
  const socket = dial()
  for (const time of times) socket.write(counted(`<0>1 ${time} h ${token} p - - at ${time}`))
  socket.write(
    counted(`<191>1 - \xff\xfe ${token} ${'\xf0\x9f\x98\x80'.repeat(100)} - - \0\r\x1b[2J\xff`),
    'latin1',
  )
  await until(() => texts().length === times.length + 1, { what: 'the lines' })
  const lines = arrived.flatMap((one) => one.lines)
  t.same(
    lines.map(({ text }) => Buffer.from(text).toString('latin1')),
    [...times.map((time) => `at ${time}`), '\0\r\x1b[2J\xff'],
  )
  t.equal(lines.at(-1)?.process.length, 128)
  const soonUs = Date.now() * 1000 + 60_000_000
  for (const { atUs } of lines) t.ok(atUs > soonUs - 120_000_000 && atUs < soonUs, 'as it came')
  socket.destroy()
})

t.test('a frame that is too long takes no other with it, though no LF ends it', async (t) => {
  const { channel, dial, texts, logs } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const message = (text: string): string => counted(`<13>1 - h ${token} p - - ${text}`)
  const inside = `\n${message('smuggled')}`
  const socket = dial()
  socket.write(message('x'.repeat(1_000_000)) + message(inside.repeat(5_000)) + message('last'))
  await until(() => texts().length > 0, { what: 'the line behind them' })
  t.same(texts(), ['cron[p]: last'])
  t.match(logs, [{ at: 'log-input-astray', malformed: 1 }])
  socket.destroy()
})

t.test('a sender that has lost count and ends nothing with LF is let go, to begin anew', async (t) => {
  const { channel, dial, texts } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const message = (text: string): string => `<13>1 - h ${token} p - - ${text}`
  const socket = dial()
  let isClosed = false
  socket.on('close', () => (isClosed = true)).on('error', () => {})
  socket.write(counted(message('one')))
  const wrong = `9 ${message('x'.repeat(1_000))}`.repeat(1_000)
  socket.write(wrong)
  await until(() => isClosed, { what: 'the connection to end' })
  t.same(texts(), ['cron[p]: one'])
})

t.test('what a line costs is what it holds, though little of that is text', async (t) => {
  const { channel, post, gate } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const large = frame('x', 'token', `[data@1 a="${'y'.repeat(9_900)}"] `).repeat(500)
  const held = Promise.withResolvers<void>()
  gate.open = held.promise
  const posts = [post(token, large), post(token, large)]
  t.equal((await Promise.race(posts)).status, 503, 'two of 5 MB are more than an app may have')
  held.resolve()
  t.same(
    (await Promise.all(posts)).map(({ status }) => status).toSorted((a, b) => a - b),
    [204, 503],
  )
  t.equal((await post(token, large.repeat(2))).status, 413)
  for (const empty of ['', '58 <13>1']) t.equal((await post(token, empty)).status, 204)
  t.equal((await post(token, large)).status, 204, 'all of it was given back')
})

const good = 't.00000000-0000-4000-8000-000000000001'

/** Connections of a test's own, whose tokens can be looked up unless `isAway`. */
const openReader = (clock: Clock = systemClock) => {
  const state = { isAway: false, hasEnded: false, isClosing: false, asked: 0, unknown: 0 }
  const lines: Line[] = []
  const deliver: Deliver = async (_, part) => void lines.push(...part.lines)
  const read = syslogReader({
    tokens: {
      find: async (token) => {
        state.asked += 1
        if (state.isAway) throw new Error('no leader')
        return token === good && !state.hasEnded ? { appId: 'app-1', name: 'cron' } : undefined
      },
    },
    lanes: createLanes({ deliver, source: 'here', clock }),
    clock,
    isClosing: () => state.isClosing,
    astray: ({ unknownToken }) => (state.unknown += unknownToken),
  })
  const dial = (text: string) => {
    const socket = new PassThrough()
    const done = read(socket)
    socket.write(text)
    return { socket, done }
  }
  return { state, lines, dial }
}

t.test('a line holds nothing of what came with it and is nobody’s', async (t) => {
  const { lines, dial } = openReader()
  const { socket, done } = dial(frame('x', good) + frame('y', 't.none').repeat(600))
  socket.end()
  await done
  await until(() => lines.length === 1, { what: 'the line' })
  t.ok((lines[0]?.text.buffer.byteLength ?? Infinity) < 1_000)
  t.equal(Buffer.from(lines[0]?.text ?? []).toString(), 'x')
})

t.test('a token that ends in the middle of a connection takes no line any more', async (t) => {
  const { state, lines, dial } = openReader()
  const { socket } = dial(frame('before', good))
  await until(() => lines.length === 1, { what: 'the line' })
  state.hasEnded = true
  socket.write(frame('after', good))
  await until(() => state.unknown === 1, { what: 'it to be counted' })
  t.notOk(socket.destroyed, 'others may come there')
  state.hasEnded = false
  socket.end(frame('again', good))
  await until(() => lines.length === 2, { what: 'the next line' })
  t.equal(Buffer.from(lines[1]?.text ?? []).toString(), 'again')
})

t.test('nobody is a stranger for as long as tokens cannot be looked up', async (t) => {
  const clock = virtualClock()
  const { state, lines, dial } = openReader(clock)
  const pass = (): void => {
    const end = clock.now() + 5_000
    while (clock.step(end)) continue
    clock.advanceTo(end)
  }
  const passing = (isSo: () => boolean, what: string) => until(() => isSo() || (pass(), false), { what })
  state.isAway = true
  const [one, other] = [dial(frame('x', good)), dial(frame('y', 't.none'))]
  const end = clock.now() + 65_000
  await passing(() => clock.now() > end, 'a minute')
  t.same([one.socket.destroyed, other.socket.destroyed], [false, false])
  state.isAway = false
  await passing(() => lines.length === 1, 'the line')
  await passing(() => other.socket.destroyed, 'who is a stranger to go')
  t.notOk(one.socket.destroyed)
  one.socket.end()
  await one.done
})

t.test('no more connections wait for their tokens than are bounded, though they are closed', async (t) => {
  const clock = virtualClock()
  const { state, lines, dial } = openReader(clock)
  state.isAway = true
  const all = Array.from({ length: 2_049 }, () => dial(frame('x', good)))
  for (const { socket } of all) socket.end()
  await all.at(-1)?.done
  t.equal(state.unknown, 1, 'the last is counted')
  state.isAway = false
  while (clock.step(clock.now() + 1_000)) continue
  await Promise.all(all.map(({ done }) => done))
  await until(() => lines.length === 2_048, { what: 'the lines of all others' })
  state.isAway = true
  const { asked } = state
  const [one, other] = [dial(frame('x', good)), dial(frame('x', good))]
  await until(() => state.asked === asked + 2, { what: 'them to be looked up' })
  state.isAway = false
  while (clock.step(clock.now() + 1_000)) continue
  await until(() => lines.length === 2_050, { what: 'their lines, for there is room again' })
  for (const { socket } of [one, other]) socket.destroy()
})

t.test('nobody waits for a token beyond the end of the process', async (t) => {
  const clock = virtualClock()
  const { state, dial } = openReader(clock)
  state.isAway = true
  const { done } = dial(frame('x', good))
  await until(() => clock.pending() > 1, { what: 'it to wait' })
  state.isClosing = true
  while (clock.step(clock.now() + 1_000)) continue
  await done
  t.equal(state.unknown, 1)
})

t.test('messages of very many lines are more than an app may have at once, and none is lost', async () => {
  const { lines, dial } = openReader()
  const { socket, done } = dial(frame('\n'.repeat(9_900), good).repeat(6))
  socket.end()
  await done
  await until(() => lines.length === 6 * 9_900, { what: 'all of them' })
})

t.test('what is kept of a batch to know its repeat is small, however long its id', async (t) => {
  const { channel, post } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const used = (): number => {
    gc()
    return process.memoryUsage().heapUsed
  }
  const send = (at: number) => post(token, frame('x'), { 'x-request-id': `${at}${'i'.repeat(14_000)}` })
  for (let at = 0; at < 100; at += 1) await send(at)
  const before = used()
  for (let at = 100; at < 600; at += 1) await send(at)
  t.ok(used() - before < 3_500_000, 'half of what the ids have')
})
