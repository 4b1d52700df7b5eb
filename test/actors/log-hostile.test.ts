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
