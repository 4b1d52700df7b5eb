/** src/nats, the log of events: against a real nats-server. */
import t, { type Test } from 'tap'
import { openEventLog } from '../../src/nats/events.ts'
import type { StoredEvent } from '../../src/ports/events.ts'
import { openBus } from '../kit/bus.ts'

t.setTimeout(300_000)

const open = async (t: Test, maxMessagesPerSubject = 100) => {
  const bus = await openBus(t)
  const options = { replicas: 1, maxMessagesPerSubject, maxAgeMs: 3_600_000, maxBytes: 1024 ** 2 }
  const log = await openEventLog(await bus.join('h1'), options)
  const say = (subject: string, id: string): Promise<number> => log.append(subject, id, Buffer.from(`${id}!`))
  return { bus, log, say, options }
}
const idsOf = (events: readonly StoredEvent[]): readonly string[] => events.map(({ id }) => id)

t.test('events are read back in order, by their subjects, from a number or a time on', async (t) => {
  const { log, say } = await open(t)
  await say('app.a.release.create', 'a/1')
  await say('app.b.release.create', 'b/1')
  for (let n = 2; n <= 8; n++) await say('app.a.dyno.update', `a/${n}`)
  t.strictSame(
    idsOf(await log.read('app.a.>', { sequence: 1 }, 100)),
    [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `a/${n}`),
  )
  const [, second] = await log.read('app.>', { sequence: 1 }, 2)
  t.match(second, { id: 'b/1', subject: 'app.b.release.create', bytes: Buffer.from('b/1!') })
  t.strictSame(idsOf(await log.read('app.*.release.>', { sequence: second!.sequence }, 100)), ['b/1'])
  t.equal((await log.last('app.a.>'))?.id, 'a/8')
  t.equal((await log.last('app.a.release.>'))?.id, 'a/1')
  t.equal(await log.last('app.c.>'), undefined)
  t.strictSame(idsOf(await log.read('app.a.>', { atMs: Date.now() + 60_000 }, 100)), [])
  t.equal((await log.read('app.a.>', { atMs: 0 }, 100)).length, 8)
  // The server's clock is this machine's.
  await say('app.a.release.create', 'a/9')
  const since = await log.read('app.a.>', { sequence: (await log.last('app.a.>'))!.sequence }, 100)
  t.strictSame(idsOf(since), ['a/9'])
})

t.test('one that is told twice is there once, also after the server was killed', async (t) => {
  const { bus, log, say } = await open(t)
  await say('app.a.app.create', 'a/1')
  await say('app.a.app.create', 'a/1')
  t.strictSame(idsOf(await log.read('app.a.>', { sequence: 1 }, 10)), ['a/1'])
  await bus.kill()
  await bus.start()
  const options = { replicas: 1, maxMessagesPerSubject: 100, maxAgeMs: 3_600_000, maxBytes: 1024 ** 2 }
  const again = await openEventLog(await bus.join('h2'), options)
  await again.append('app.a.app.create', 'a/1', Buffer.from('a/1!'))
  t.strictSame(idsOf(await again.read('app.a.>', { sequence: 1 }, 10)), ['a/1'])
})

t.test('of each subject the newest are kept', async (t) => {
  const { log, say } = await open(t, 3)
  await say('app.a.release.create', 'r')
  for (let n = 1; n <= 9; n++) await say('app.a.dyno.update', `d${n}`)
  t.strictSame(idsOf(await log.read('app.a.>', { sequence: 1 }, 100)), ['r', 'd7', 'd8', 'd9'])
})
