/**
 * The output of a release command: what its dyno says goes to the app's log and to a log of its own, which
 * any host shows from its first line to its end; over a real nats-server.
 */
import t, { type Test } from 'tap'
import { unstored } from '../../actors/logplex/account.ts'
import { packBatch } from '../../actors/logplex/packed.ts'
import { readOutput } from '../../actors/logplex/output.ts'
import type { Deliver } from '../../actors/logplex/deliver.ts'
import { createShuttle, filePlaces, shipmentOf } from '../../actors/logplex/shuttle.ts'
import type { Line, Part } from '../../actors/protocols/channel.ts'
import { openStream } from '../../src/nats/streams.ts'
import type { Driver, LogBatch } from '../../src/oci/driver.ts'
import { openBus } from '../kit/bus.ts'
import { scratch } from '../kit/files.ts'
import { runOf } from '../kit/runs.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const run = { ...runOf('release.4711'), isPhase: true }
/** @param lines as many are read with these */
const batchOf = (lines: number, ...texts: readonly string[]): LogBatch => ({
  lines: texts.map((text) => ({
    at: '2023-11-14T22:13:20.000000000+00:00',
    stream: 'stdout',
    bytes: Buffer.from(text),
  })),
  cursor: { file: 0, offset: 1, lines },
  lost: false,
})

/** What a host carries of the batches of one run, and where it went. */
const ship = async (t: Test, deliver: Deliver, shipped: typeof run, batches: AsyncIterable<LogBatch>) => {
  const follow: Driver['follow'] = (_, _from, onBatch) => {
    const done = (async () => {
      for await (const batch of batches) await onBatch(batch)
    })()
    return { done, close: () => undefined }
  }
  await createShuttle(filePlaces(await scratch(t)), { follow }, deliver, 'life').ship(shipmentOf(shipped))
}
const stored = async (t: Test) => {
  const bus = await openBus(t)
  const bounds = { replicas: 1, maxMessagesPerKey: 3_000, maxAgeMs: 0, maxBytes: 64 * 1024 * 1024 }
  const stream = await openStream(await bus.join('h1'), { ...bounds, name: 'history' })
  const keys: string[] = []
  const deliver: Deliver = async (key, { lines }) => {
    keys.push(key)
    await stream.append(key, packBatch({ first: 0, lines }))
  }
  return { stream, deliver, keys }
}
const watch = () => {
  const seen = { text: '', hasEnded: false }
  return {
    seen,
    reader: {
      onText: (text: string) => void (seen.text += text),
      onEnd: () => void (seen.hasEnded = true),
    },
  }
}

t.test('it is shown while the command runs, and ends when all of it is there', async (t) => {
  const { stream, deliver } = await stored(t)
  const gate = Promise.withResolvers<void>()
  async function* batches() {
    yield batchOf(2, 'one', 'two')
    await gate.promise
    yield batchOf(3, 'three')
  }
  t.equal(await readOutput(stream, run.releaseId, watch().reader), undefined, 'nothing was said yet')
  const shipping = ship(t, deliver, run, batches())
  const { seen, reader } = watch()
  const reading = await until(() => readOutput(stream, run.releaseId, reader), { what: 'its first line' })
  t.teardown(() => reading.close())
  await until(() => seen.text === 'one\ntwo\n', { what: 'what there is' })
  t.notOk(seen.hasEnded)
  gate.resolve()
  await shipping
  await until(() => seen.hasEnded, { what: 'the end' })
  t.equal(seen.text, 'one\ntwo\nthree\n')
  const late = watch()
  await readOutput(stream, run.releaseId, late.reader)
  await until(() => late.seen.hasEnded, { what: 'the end for who comes late' })
  t.equal(late.seen.text, seen.text)
  // As a host does that was killed before it could note that it had shipped all.
  await ship(
    t,
    deliver,
    run,
    (async function* () {
      yield batchOf(3, 'three')
    })(),
  )
  const again = watch()
  await readOutput(stream, run.releaseId, again.reader)
  await until(() => again.seen.hasEnded, { what: 'its first end' })
  for (const { text } of [again.seen, seen]) t.equal(text, 'one\ntwo\nthree\n', 'the rest is a repeat')
})

t.test('one that says nothing ends as well, and the app has all lines in its own log', async (t) => {
  const { stream, deliver } = await stored(t)
  const told: Line[] = []
  const numbers: number[] = []
  const both: Deliver = async (key, part) => {
    if (key === run.appId) told.push(...part.lines)
    else numbers.push(part.first)
    await deliver(key, part)
  }
  await ship(t, both, run, (async function* () {})())
  const silent = watch()
  await readOutput(stream, run.releaseId, silent.reader)
  await until(() => silent.seen.hasEnded, { what: 'the end' })
  t.equal(silent.seen.text, '')
  t.strictSame(told, [], 'the end is no line of the app')
  await ship(
    t,
    both,
    run,
    (async function* () {
      yield batchOf(1, 'again')
    })(),
  )
  t.match(told, [{ process: 'release.4711', source: 'app' }])
  t.strictSame(numbers, [0, 0, 1], 'the end is numbered like a line, so that it is stored once')
})

t.test("who knows an app's id cannot read its log as an output", async (t) => {
  const { stream, deliver, keys } = await stored(t)
  const other = { ...run, isPhase: false }
  await ship(
    t,
    deliver,
    other,
    (async function* () {
      yield batchOf(1, 'a secret')
    })(),
  )
  t.strictSame(keys, [run.appId], 'an ordinary run has none of its own')
  t.equal(await readOutput(stream, run.appId, watch().reader), undefined)
})

t.test('what was dropped is said where it was, with its number and since when', async (t) => {
  const parts: Part[] = []
  const deliver: Deliver = async (_key, part) => void parts.push(part)
  const dropped = { count: 1_234, since: '2023-11-14T22:13:19.000001999+00:00' }
  await ship(
    t,
    deliver,
    { ...run, isPhase: false },
    (async function* () {
      yield batchOf(1, 'before')
      yield { ...batchOf(1_236, 'after'), dropped }
      yield { ...batchOf(2_470), dropped }
      yield { ...batchOf(3_705, 'behind a hole'), dropped, lost: true }
    })(),
  )
  const { lines: told } = unstored(new Map(), true, parts)
  const loss = 'Error L12: 1234 messages dropped since 2023-11-14T22:13:19.000001+00:00.'
  const hole = 'Error L12: messages dropped: the log of this dyno was rotated before it was read'
  t.strictSame(
    told.map(({ text }) => Buffer.from(text).toString()),
    ['before', loss, 'after', loss, hole, loss, 'behind a hole'],
  )
  const said = told.filter(({ process }) => process === 'log-shuttle')
  const sinceUs = 1_699_999_999_000_001
  t.strictSame(
    said.map(({ atUs }) => atUs - sinceUs),
    [0, 0, 0, 0],
    'at the time of the first of them',
  )
})
