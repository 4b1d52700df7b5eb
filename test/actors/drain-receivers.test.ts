/**
 * A drain against receivers with troubles: the cases of Logplex's own drain suites (spec/logplex.md §3), with
 * the actor, its frames and its connections as they are. Where Logplex gives lines up, they are kept here.
 */
import t, { type Test } from 'tap'
import { performDrains } from '../../actors/effects/perform/drains.ts'
import { packBatch } from '../../actors/logplex/packed.ts'
import { drain } from '../../actors/logplex/drain.ts'
import type { StoredBatch } from '../../actors/protocols/log-batch.ts'
import { openSink } from '../../src/syslog/sink.ts'
import { systemClock } from '../../src/system/clock.ts'
import { drainToken } from '../kit/drains.ts'
import { drive } from '../kit/drive.ts'
import { startLogplexReceiver, type Answer } from '../kit/logplex-receiver.ts'
import { startSyslogReceiver } from '../kit/syslog-receiver.ts'
import { until } from '../kit/until.ts'

/** An open drain to `url`, what it sends, and a history that a test may trim. */
const drainTo = (t: Test, url: string) => {
  const kept: StoredBatch[] = []
  let last = { sequence: 0, first: 0, count: 0 }
  const effects = performDrains({
    now: () => 1_800_000_000_000,
    openHeaders: async () => ({}),
    openSink: (address) =>
      openSink(address, { clock: systemClock, random: () => 0, limits: { closeMs: 50 } }),
  })
  let driven = drive(drain, { key: 'drain-1', args: null })
  const perform = (name: string) => effects[name] as unknown as (args: unknown) => Promise<unknown>
  t.teardown(() => perform('drains.close')({ id: 'drain-1' }))
  const to = { appId: 'app-1', url, token: drainToken, telemetry: null, decidedAt: 1 }
  driven.send({ type: 'open', to })
  driven.done('history.end', { sequence: 0, line: 0 })

  return {
    log(count: number): void {
      const first = last.first + last.count
      const lines = Array.from({ length: count }, (_, at) => ({
        atUs: 1_800_000_000_000_000 + first + at,
        source: 'app',
        process: 'web.1',
        text: Buffer.from(`line ${first + at}`),
      }))
      const after = last.sequence
      const batch = { sequence: after + 1, after, first, count, bytes: packBatch({ first, lines }) }
      last = batch
      kept.push(batch)
      driven.send({ type: 'stored', batch })
    },
    trimTo: (batches: number): void => void kept.splice(0, kept.length - batches),
    crash: (): void => void (driven = drive(drain, { key: 'drain-1', args: null, saved: driven.saved()! })),
    state: () => driven.send({ type: 'state' })?.value as { lag: number; dropped: number; state: string },
    /** Everything it asks for is done, its waits are over at once. */
    async settle(): Promise<void> {
      for (;;) {
        const [ran] = driven.ran
        const [timer] = ['send', 'retry'].filter((name) => driven.timers.has(name))
        if (ran?.name === 'drains.send') driven.done('drains.send', await perform('drains.send')(ran.args))
        else if (ran?.name === 'history.read') {
          const { after } = ran.args as { after: number }
          driven.done('history.read', { batches: kept.filter(({ sequence }) => sequence > after) })
        } else if (timer !== undefined) driven.fire(timer)
        else return
      }
    },
  }
}

const lost = (count: number): RegExp =>
  new RegExp(`^Error L10 \\(output buffer overflow\\): ${count} messages dropped since `)
const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `line ${from + at}`)

/** A receiver with those answers, and a drain to it. */
const overHttp = async (t: Test, answers: readonly Answer[]) => {
  const { port, received, problems } = await startLogplexReceiver(t, { answers })
  const to = drainTo(t, `http://127.0.0.1:${port}/in`)
  const texts = () => {
    t.same(problems, [])
    return received.map(({ texts }) => texts)
  }
  return { received, to, texts }
}

t.test('full_buffer_success: one request, with what was lost before its lines', async (t) => {
  const { to, texts } = await overHttp(t, [])
  to.log(3)
  to.log(15)
  to.crash()
  to.trimTo(1)
  await to.settle()
  t.match(texts(), [[lost(3), ...lines(3, 18)]])
  t.match(to.state(), { dropped: 3, lag: 0, state: 'up' })
})

t.test('full_buffer_fail: what is refused is not tried again, and told before what is taken', async (t) => {
  const { to, texts } = await overHttp(t, [404])
  to.log(15)
  await to.settle()
  t.match(to.state(), { lag: 0, dropped: 15 })
  to.log(3)
  await to.settle()
  to.log(1)
  await to.settle()
  t.match(texts(), [lines(0, 15), [lost(15), ...lines(15, 18)], ['line 18']], 'once')
})

for (const [name, status] of [
  ['full_buffer_http_retry', 429],
  ['full_buffer_temp_fail', 500],
] as const) {
  t.test(`${name}: the same frame is sent until it is taken, and nothing is lost`, async (t) => {
    const { to, texts, received } = await overHttp(t, [status, status, status, status, status])
    to.log(15)
    await to.settle()
    t.same(
      texts(),
      [1, 2, 3, 4, 5, 6].map(() => lines(0, 15)),
    )
    t.equal(new Set(received.map(({ frameId }) => frameId)).size, 1)
    t.match(to.state(), { lag: 0, dropped: 0, state: 'up' })
  })
}

t.test('full_stack: lines that come together leave together, their loss is told with the next', async (t) => {
  const { to, texts } = await overHttp(t, [404])
  for (let line = 0; line < 5; line++) to.log(1)
  await to.settle()
  to.log(1)
  await to.settle()
  t.match(texts(), [lines(0, 5), [lost(5), 'line 5']])
})

t.test('restart_drain_buf: one that dies is followed by one that sends the rest', async (t) => {
  const { to, texts } = await overHttp(t, [])
  to.log(4)
  await to.settle()
  to.log(3)
  to.crash()
  await to.settle()
  t.same(texts(), [lines(0, 4), lines(4, 7)])
})

t.test('shrinks: after an outage that was too long one L10 stands before what is left', async (t) => {
  const receiver = await startSyslogReceiver(t)
  const to = drainTo(t, `syslog://127.0.0.1:${receiver.port}`)
  for (let batch = 0; batch < 20; batch++) to.log(10)
  to.crash()
  to.trimTo(1)
  await to.settle()
  const bytes = (): string => receiver.connections[0]?.bytes().toString() ?? ''
  await until(() => bytes().endsWith('line 199\n'), { what: 'the last line' })
  const texts = bytes().match(/(?<= - - ).*/g)
  t.match(texts, [lost(190), ...lines(190, 200)])
  t.equal(texts?.length, 11)
  t.match(to.state(), { dropped: 190, state: 'up' })
})
