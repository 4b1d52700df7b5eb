/** The kept history: lines have numbers for good, whoever stores them. */
import t, { type Test } from 'tap'
import { performHistory } from '../../actors/effects/perform/history.ts'
import { marked, unstored, type Mark } from '../../actors/logplex/account.ts'
import { unpackBatch } from '../../actors/logplex/packed.ts'
import type { Line, Part } from '../../actors/protocols/channel.ts'
import type { StoredBatch } from '../../actors/protocols/log-batch.ts'
import { openStream } from '../../src/nats/streams.ts'
import type { Effects } from '../../src/ports/effects.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { encode } from '../../src/runtime/codec.ts'
import { openBus } from '../kit/bus.ts'
import { memoryStream } from '../kit/memory-stream.ts'
import { perform } from '../kit/perform.ts'

t.setTimeout(300_000)
const line = (text: string): Line => ({
  atUs: 1_700_000_000_123_456,
  source: 'app',
  process: 'web.1',
  text: Buffer.from(text),
})
/** Lines of a source that says nothing else, named for the first of them. */
const partOf = (...texts: string[]): Part => ({
  source: texts[0] ?? '',
  first: 0,
  lines: texts.map((text) => line(text)),
})
const textOf = ({ text }: Line): string => Buffer.from(text).toString()

t.test('a source that is not remembered has lost nothing, where too many spoke to know', (t) => {
  const marks = new Map<string, Mark>()
  const late = { source: 'a', first: 5, lines: [line('5')] }
  const texts = () => unstored(marks, true, [late]).lines.map(textOf)
  t.match(texts(), [/^Error L13: 5 messages lost/, '5'], 'one that never spoke has lost some')
  for (let n = 0; n < 1_000; n += 1) marked(marks, [[`s${n}`, 1]], 0)
  t.same(texts(), ['5'])
  t.end()
})

t.test('what a source dropped is told once, as much of it as is not there, whoever brings it', (t) => {
  const sinceUs = 1_600_000_000_000_000
  const part = (first: number, count: number, ...texts: readonly string[]): Part => ({
    source: 'a',
    first,
    lines: texts.map((text) => line(text)),
    dropped: { count, sinceUs },
  })
  const of = (next: number | undefined, isWhole: boolean, ...parts: readonly Part[]) => {
    const marks = new Map<string, Mark>(next === undefined ? [] : [['a', { next, untilUs: 0 }]])
    const made = unstored(marks, isWhole, parts)
    const texts = made.lines.map(textOf).map((text) => /^Error (L\d+: \d+)/.exec(text)?.[1] ?? text)
    return { made, texts, end: made.marks[0]?.[1] }
  }
  t.match(of(undefined, true, part(5, 5, '5')), { texts: ['L12: 5', '5'], end: 6 })
  t.match(of(3, true, part(5, 5, '5')), { texts: ['L12: 2', '5'], end: 6 })
  t.match(of(5, true, part(5, 5, '5')), { texts: ['5'], end: 6 }, 'all of them were there')
  t.match(of(6, true, part(5, 5, '5', '6')), { texts: ['6'], end: 7 })
  t.same(of(7, true, part(5, 5, '5', '6')).made, { lines: [], marks: [] })
  t.match(of(undefined, true, part(8, 5, '8')), { texts: ['L13: 3', 'L12: 5', '8'], end: 9 })
  t.match(of(undefined, false, part(8, 5, '8')), { texts: ['L12: 5', '8'], end: 9 }, 'it is believed')
  t.match(of(undefined, true, part(5, 5)), { texts: ['L12: 5'], end: 5 }, 'no line behind it yet')
  t.match(of(undefined, true, part(5, 5), part(5, 5, '5')), { texts: ['L12: 5', '5'], end: 6 })
  const { lines } = of(undefined, true, part(8, 5)).made
  t.same(
    lines.map(({ atUs }) => atUs),
    [sinceUs, sinceUs],
  )
  t.end()
})

const historyOf = async (t: Test, name = 'history') => {
  const bus = await openBus(t)
  const bounds = { replicas: 1, maxMessagesPerKey: 3_000, maxAgeMs: 0, maxBytes: 64 * 1024 * 1024 }
  return openStream(await bus.join('h1'), { ...bounds, name })
}

t.test('lines have their numbers for good, whoever stores them and whatever answers are lost', async (t) => {
  const stream = await historyOf(t)
  const faults: Error[] = []
  const faulty: typeof stream = {
    ...stream,
    append: async (...args) => {
      const sequence = await stream.append(...args)
      const fault = faults.shift()
      if (fault !== undefined) throw fault
      return sequence
    },
  }
  const [one, other] = [performHistory(faulty), performHistory(stream)]
  const append = (effects: Effects, ...texts: string[]) =>
    perform<StoredBatch | null>(effects, 'history.append', { appId: 'a1', parts: [partOf(...texts)] })
  t.match(await append(one, '0', '1'), { first: 0, count: 2, after: 0 })
  const second = (await append(other, '2'))!
  t.match(second, { first: 2, count: 1 })
  const third = await append(one, '3', '4')
  t.match(third, { first: 3, count: 2, after: second.sequence }, 'it did not know of the second')
  faults.push(new StoreUnavailable('no answer', 'unknown'))
  await t.rejects(append(one, '5'), { code: 'store_unavailable' })
  t.equal(await append(one, '5'), null, 'it was stored, and is not stored again')
  t.match(await append(one, '5', 'five'), { first: 6, count: 1 }, 'what is new of it is')
  faults.push(new StoreUnavailable('no answer', 'unknown'))
  await t.rejects(append(one, '6'), { code: 'store_unavailable' })
  await append(other, '7')
  t.equal(await append(other, '6'), null, 'nor by somebody else, behind what came after it')
  t.match(await append(one, '8'), { first: 9, count: 1 })
  t.same(await perform(other, 'history.end', { appId: 'a1' }), { sequence: 8, line: 10 })
  const { batches } = await perform<{ batches: StoredBatch[] }>(other, 'history.read', {
    appId: 'a1',
    after: second.sequence,
    bytesMax: 1_000_000,
  })
  t.same(
    batches.flatMap(({ bytes }) => unpackBatch(bytes).lines.map(textOf)),
    ['3', '4', '5', 'five', '6', '7', '8'],
  )
  t.same(
    batches.map(({ first }) => first),
    [3, 5, 6, 7, 8, 9],
  )
  t.match(batches[0], { ...third })
  const few = { appId: 'a1', after: 0, bytesMax: 1 }
  t.match(await perform(other, 'history.read', few), { batches: { length: 1 } })
  t.same(await perform(other, 'history.end', { appId: 'a2' }), { sequence: 0, line: 0 })
})

t.test('the kept history is cut to its last lines, seldom, and goes with its app', async (t) => {
  const stream = await historyOf(t)
  const append = performHistory(stream)['history.append'] as (
    args: object,
    signal?: AbortSignal,
  ) => Promise<StoredBatch>
  let next = 0
  const batch = (): readonly Part[] => [partOf(...Array.from({ length: 400 }, () => String(next++)))]
  await append({ appId: 'other', parts: [partOf('x')] })
  for (let at = 0; at < 7; at++) await append({ appId: 'a1', parts: batch() })
  const first = partOf(...Array.from({ length: 400 }, (_, n) => String(n)))
  t.equal((await stream.read('a1')).length, 7, 'not yet twice as many as are kept')
  const again = performHistory(stream)
  await (again['history.append'] as typeof append)({ appId: 'a1', parts: batch() })
  const kept = await stream.read('a1')
  t.equal(kept.length, 4, 'a new performer counts what it finds')
  t.strictSame(
    kept.flatMap(({ bytes }) => unpackBatch(bytes).lines.map(textOf)),
    Array.from({ length: 1_600 }, (_, at) => String(next - 1_600 + at)),
  )
  const third = performHistory(stream)['history.append'] as typeof append
  t.equal(
    await third({ appId: 'a1', parts: [first] }),
    null,
    'what was cut is known when it is brought again',
  )
  await (again['history.drop'] as (args: object) => Promise<void>)({ appId: 'a1' })
  t.strictSame(await stream.read('a1'), [])
  t.equal((await stream.read('other')).length, 1)
})

t.test('a history of before lines had numbers is read, and goes on', async (t) => {
  const stream = await historyOf(t)
  for (const texts of [['0', '1'], ['2']]) await stream.append('a1', encode(texts.map(line)))
  t.same(unpackBatch(encode([line('x')])), { first: 0, lines: [line('x')], marks: [] })
  const effects = performHistory(stream)
  await perform(effects, 'history.append', { appId: 'a1', parts: [partOf('3')] })
  const all = await stream.read('a1')
  t.same(
    all.flatMap(({ bytes }) => unpackBatch(bytes).lines.map(textOf)),
    ['0', '1', '2', '3'],
  )
  const again = await perform<StoredBatch>(effects, 'history.append', { appId: 'a1', parts: [partOf('4')] })
  t.equal(again.first, unpackBatch(all.at(-1)!.bytes).first + 1)
})

t.test('of apps that log a line at a time little is remembered, and no line is cut too soon', async (t) => {
  const stream = memoryStream()
  const append = (effects: Effects, n: number) =>
    perform<StoredBatch>(effects, 'history.append', {
      appId: 'a1',
      parts: [{ source: 's', first: n, lines: [line(String(n))] }],
    })
  let effects = performHistory(stream)
  for (let n = 0; n < 2_999; n += 1) {
    await append(effects, n)
    if (n === 1_000) effects = performHistory(stream)
  }
  t.equal((await stream.read('a1')).length, 2_999)
  await append(effects, 2_999)
  const kept = (await stream.read('a1')).flatMap(({ bytes }) => unpackBatch(bytes).lines.map(textOf))
  t.ok(kept.length >= 1_500 && kept.length < 1_550, `${kept.length} lines are kept`)
  t.equal(kept.at(-1), '2999')
})

t.test('what is remembered of sources is bounded for all apps together, and is read again', async (t) => {
  const stream = memoryStream()
  const effects = performHistory(stream, 4)
  const append = (appId: string, ...sources: string[]) =>
    perform<StoredBatch | null>(effects, 'history.append', {
      appId,
      parts: sources.map((source) => ({ source, first: 0, lines: [line('x')] })),
    })
  await append('a1', 'a', 'b')
  await append('a2', 'a', 'b')
  await append('a1', 'c')
  t.equal(stream.reads(), 2, 'an app is read once')
  t.equal(await append('a2', 'a'), null)
  t.equal(stream.reads(), 3, 'it was the one that had not logged for longest')
  await append('a1', 'd')
  t.equal(stream.reads(), 4, 'now it was the other')
})
