/** Log input as strangers and broken senders use it: nothing of theirs is in the way of others' lines. */
import t from 'tap'
import { openInput } from '../kit/log-input.ts'
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
