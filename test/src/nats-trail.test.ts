/** The trail against a real nats-server: read from its end, and closed to whoever would change it. */
import t from 'tap'
import { jetStream } from '../../src/nats/jetstream.ts'
import { openTrail } from '../../src/nats/trail.ts'
import { openBus } from '../kit/bus.ts'

t.setTimeout(120_000)
const bounds = { replicas: 1, maxStepsPerKey: 20, maxAgeMs: 0, maxBytes: 16 * 1024 * 1024 }
const bytes = (text: string): Uint8Array => Buffer.from(text)

t.test(
  'a trail is read from its end backwards, of all keys and of one, and nothing in it is changed',
  async (t) => {
    const bus = await openBus(t)
    const connection = await bus.join('h1')
    const trail = await openTrail(connection, { name: 'trail', ...bounds })
    for (let n = 1; n <= 60; n += 1) await trail.add(n % 3 === 0 ? 'rare' : `k${n % 2}`, bytes(`s${n}`))
    const texts = async (wanted: Parameters<typeof trail.read>[0]) =>
      (await trail.read(wanted)).map((step) => Buffer.from(step.bytes).toString())
    t.same(await texts({ max: 3 }), ['s58', 's59', 's60'])
    t.same(await texts({ max: 2, before: 10 }), ['s8', 's9'])
    t.same(await texts({ max: 50, before: 3 }), ['s1', 's2'])
    t.same(await texts({ key: 'rare', max: 2 }), ['s57', 's60'])
    t.same(await texts({ key: 'rare', max: 2, before: 57 }), ['s51', 's54'])
    t.same(await texts({ key: 'none', max: 2 }), [])
    for (let n = 0; n < 30; n += 1) await trail.add('rare', bytes(`more${n}`))
    t.equal((await texts({ key: 'rare', max: 100 })).length, 20, 'the oldest of a key went')
    t.equal((await texts({ max: 65 })).length, 60, 'and gaps are read over')
    const first = await trail.addOnce('once', bytes('one'), 'id-1')
    t.equal(first, undefined, 'nothing was written under that id')
    const again = await trail.addOnce('elsewhere', bytes('two'), 'id-1')
    t.equal(Buffer.from(again?.bytes ?? []).toString(), 'one', 'what was is told')
    t.same(await texts({ key: 'elsewhere', max: 9 }), [])
    t.equal(await trail.addOnce('once', bytes('three'), 'id-2'), undefined)
    const js = jetStream(connection)
    await t.rejects(js.call('STREAM.PURGE.trail', {}), /purge/i)
    await t.rejects(js.call('STREAM.MSG.DELETE.trail', { seq: 1 }), /delete/i)
  },
)
