/**
 * A channel: the order of what its sources bring, what it keeps of them, and that whatever fails each line is
 * in the history once, or counted there.
 */
import fc from 'fast-check'
import t from 'tap'
import { performHistory } from '../../actors/effects/perform/history.ts'
import { unpackBatch } from '../../actors/logplex/packed.ts'
import { channel } from '../../actors/logplex/channel.ts'
import type { Line, Part } from '../../actors/protocols/channel.ts'
import type { StoredBatch } from '../../actors/protocols/log-batch.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { simStream } from '../../src/sim/stream.ts'
import { drive } from '../kit/drive.ts'
import { perform } from '../kit/perform.ts'

t.setTimeout(300_000)
const line = (text: string): Line => ({
  atUs: 1_700,
  source: 'app',
  process: 'web.1',
  text: Buffer.from(text),
})
const textOf = ({ text }: Line): string => Buffer.from(text).toString()
const stored: StoredBatch = { sequence: 1, after: 0, first: 0, count: 1, bytes: new Uint8Array() }

type Appended = { readonly args: { readonly parts: readonly Part[] } }
const open = () => {
  const driven = drive(channel, { key: 'a1', args: null })
  return {
    driven,
    deliver: (source: string, first: number, ...texts: readonly string[]) =>
      driven.send({ type: 'deliver', source, first, lines: texts.map(line) }),
    /** The append that is under way. */
    appending: (): readonly string[][] =>
      (driven.ran as readonly unknown[] as readonly Appended[]).map(({ args }) =>
        args.parts.flatMap(({ lines }) => lines.map(textOf)),
      ),
  }
}

t.test('a channel appends one batch at a time, in order, and tries again until it is kept', async (t) => {
  const { driven, deliver, appending } = open()
  deliver('a', 0, '1')
  deliver('b', 0, '2', '3')
  deliver('c', 0, '4')
  t.strictSame(appending(), [['1']])
  driven.failed('history.append', 'store_unavailable')
  t.strictSame(appending(), [], 'not at once')
  deliver('d', 0, '5')
  t.strictSame(appending(), [], 'nothing overtakes it')
  const waits: number[] = []
  for (let tries = 0; tries < 8; tries++) {
    waits.push(driven.timers.get('retry')?.ms ?? 0)
    driven.fire('retry')
    t.strictSame(appending(), [['1']], 'the same batch')
    driven.failed('history.append', 'store_unavailable')
  }
  t.strictSame(
    waits,
    waits.toSorted((a, b) => a - b),
  )
  t.equal(waits.at(-1), 5_000, 'back-off has an end')
  t.equal(driven.logs.length, 1, 'said once an outage')
  driven.fire('retry')
  driven.done('history.append', stored)
  t.strictSame(appending(), [['2', '3', '4', '5']])
  driven.send({ type: 'retry', batch: 1 })
  driven.send({ type: 'appended', batch: 1, stored })
  t.equal(appending().length, 1, 'late words on an earlier batch change nothing')
})

t.test('a source is answered once its lines are stored, and its repeats wait with it', async (t) => {
  const { driven, deliver, appending } = open()
  const answers = (): number => driven.replies.length
  t.equal(deliver('r1', 0, 'a'), undefined)
  deliver('r1', 0, 'a')
  deliver('r2', 0, 'b', 'c')
  deliver('r2', 0, 'b', 'c')
  t.equal(answers(), 0, 'nothing is stored yet')
  driven.done('history.append', stored)
  t.equal(answers(), 1, 'the newest of its asks')
  t.strictSame(appending(), [['b', 'c']], 'no repeat is brought twice')
  deliver('r2', 2, 'd', 'e')
  t.match(deliver('r2', 1, 'c'), undefined, 'that is being stored')
  driven.done('history.append', null)
  t.equal(answers(), 2)
  t.match(deliver('r2', 1, 'c'), { value: {} }, 'it went on: what is before that is stored')
  driven.done('history.append', stored)
  t.equal(answers(), 4)
  t.match(deliver('r3', 0), { value: {} }, 'nothing to store')
  t.strictSame(driven.ran, [])
})

t.test('a part of more lines than a batch is answered with its last one', async (t) => {
  const { driven, deliver, appending } = open()
  const texts = Array.from({ length: 2_200 }, (_, at) => String(at))
  deliver('s', 0, ...texts)
  const sizes: number[] = []
  const got: string[] = []
  for (; driven.ran.length > 0; driven.done('history.append', stored)) {
    t.equal(driven.replies.length, 0)
    got.push(...(appending()[0] ?? []))
    sizes.push(appending()[0]?.length ?? 0)
    if (sizes.length === 2) deliver('s', 0, ...texts)
  }
  t.strictSame(sizes, [1_000, 1_000, 200])
  t.strictSame(got, texts)
  t.equal(driven.replies.length, 1)
  const big = 'x'.repeat(300_000)
  deliver('s', 2_200, big, big, 'small')
  t.strictSame(appending()[0], [big], 'at least one, however large')
})

t.test('of a part in pieces the first one has what was dropped before it', async (t) => {
  const { driven, deliver } = open()
  const droppedOf = () =>
    (driven.ran as readonly unknown[] as readonly Appended[]).flatMap(({ args }) =>
      args.parts.map(({ first, lines, dropped }) => [first, lines.length, dropped?.count]),
    )
  deliver('a', 0, '0')
  deliver('b', 0, ...Array.from({ length: 1_000 }, String))
  const lines = Array.from({ length: 1_001 }, (_, at) => line(String(at)))
  driven.send({ type: 'deliver', source: 'c', first: 7, lines, dropped: { count: 7, sinceUs: 1 } })
  const seen = []
  for (; driven.ran.length > 0; driven.done('history.append', stored)) seen.push(...droppedOf())
  t.strictSame(seen, [
    [0, 1, undefined],
    [0, 1_000, undefined],
    [7, 1_000, 7],
    [1_007, 1, undefined],
  ])
})

t.test('the next life of a source may bring a part of what waits, and is answered once that is kept', (t) => {
  const { driven, deliver, appending } = open()
  const texts = Array.from({ length: 1_500 }, String)
  deliver('a', 0, ...texts)
  t.equal(deliver('a', 0, ...texts.slice(0, 500)), undefined, 'neither half of it is stored yet')
  driven.done('history.append', stored)
  t.equal(appending()[0]?.length, 500, 'which the history knows to be there')
  driven.done('history.append', null)
  t.equal(driven.replies.length, 1)
  t.strictSame(driven.ran, [], 'the rest comes again')
  t.end()
})

t.test('what does not fit is turned away, and stays with its source', async (t) => {
  const { driven, deliver } = open()
  const big = 'x'.repeat(1024 * 1024)
  for (const source of ['a', 'b', 'c', 'd']) deliver(source, 0, big)
  t.match(deliver('e', 0, big), { refused: { code: 'busy' } })
  driven.done('history.append', stored)
  t.equal(deliver('e', 0, big), undefined, 'there is room again')
  driven.moved()
  t.equal(driven.replies.filter(({ refused }) => refused?.code === 'moved').length, 4, 'they go elsewhere')
  t.equal(driven.told.length, 0)
})

t.test('an app that is gone is forgotten, and nobody waits for its lines', async (t) => {
  const { driven, deliver } = open()
  deliver('a', 0, '1')
  deliver('b', 0, '2')
  driven.send({ type: 'drop' })
  t.match(driven.ran.at(-1), { name: 'history.drop', args: { appId: 'a1' } })
  t.equal(driven.replies.length, 1)
  driven.done('history.append', stored)
  t.equal(driven.replies.length, 2)
})

t.test(
  'drains look for what was stored by somebody else; a full mailbox may hide that there are others',
  async (t) => {
    const { driven, deliver } = open()
    deliver('a', 0, '1')
    driven.answered('drains', { ids: ['d1'] })
    driven.clear()
    deliver('a', 0, '1')
    driven.send({ type: 'appended', batch: 1, stored: null })
    t.match(driven.told, [{ to: { to: 'drain', key: 'd1' }, message: { type: 'look' } }])
    driven.lost(3)
    t.match(driven.asked, [{ to: { to: 'app', key: 'a1' }, message: { type: 'drains' } }])
  },
)

/** What one step of a run does, to which source. */
const doings = [
  'say',
  'drop',
  'anew',
  'repeat',
  'late',
  'stored',
  'failed',
  'doubtful',
  'move',
  'undone',
] as const
type Step = { readonly do: (typeof doings)[number]; readonly on: number; readonly count: number }

/**
 * Sources that bring numbered lines, or say how many they dropped, to whichever of two activations they hear
 * of, and begin anew from a little before; over a history whose answers are lost and which forgets its newest
 * blocks.
 */
const account = async (steps: readonly Step[]): Promise<string | undefined> => {
  let nowMs = 0
  const stream = simStream(seededRandom(1), () => nowMs)
  const clock = { after: (_: number, run: () => void) => queueMicrotask(run) }
  const client = stream.attach(clock as never, () => ({ fail: 0, unknown: 0, latencyMsMax: 0 }))
  const life = () => ({ driven: drive(channel, { key: 'a1', args: null }), effects: performHistory(client) })
  const lives = [life(), life()]
  let current = 0
  const sources = [0, 1, 2].map((at) => ({ name: `s${at}`, said: 0, stored: 0, underWay: 0, dropped: 0 }))
  let undone = 0

  const bring = (source: (typeof sources)[number]): void => {
    const { name, stored: begin, underWay, dropped } = source
    const first = begin + dropped
    const lines = Array.from({ length: underWay - dropped }, (_, n) => line(`${name} ${first + n}`))
    const loss = dropped > 0 ? { dropped: { count: dropped, sinceUs: 1_700 } } : {}
    const replied = lives[current]!.driven.send({ type: 'deliver', source: name, first, lines, ...loss })
    if (replied?.value !== undefined) settle(source)
  }
  const settle = (source: (typeof sources)[number]): void => {
    source.stored += source.underWay
    source.underWay = 0
    source.dropped = 0
  }
  const say = (source: (typeof sources)[number], count: number): void => {
    source.said += count
    source.underWay = source.said - source.stored
  }
  /** Stores what one activation has under way. */
  const append = async (at: number, how: 'stored' | 'failed' | 'doubtful'): Promise<void> => {
    const { driven, effects } = lives[at]!
    if (driven.timers.has('retry') && driven.ran.length === 0) driven.fire('retry')
    const ran = driven.ran[0] as Appended | undefined
    if (ran === undefined) return
    nowMs += 10
    const result =
      how === 'failed' ? null : await perform<StoredBatch | null>(effects, 'history.append', ran.args)
    if (how === 'stored') {
      const answered = driven.state.inFlight.filter(({ caller }) => caller !== undefined)
      driven.done('history.append', result)
      // Only who still asks here hears of it.
      if (at === current)
        for (const part of answered) {
          const source = sources.find(({ name }) => name === part.source)!
          if (source.underWay > 0 && part.first + part.lines.length === source.stored + source.underWay)
            settle(source)
        }
    } else driven.failed('history.append', 'store_unavailable')
  }
  for (const { do: what, on, count } of steps) {
    const source = sources[on]!
    if (what === 'say' || what === 'drop') {
      if (source.underWay === 0) {
        say(source, count)
        if (what === 'drop') source.dropped = Math.min(source.underWay, 2)
      }
      bring(source)
    } else if (what === 'anew' && source.said > 0) {
      // The next life of one that stands in a file: from a little before, and cut and dropped otherwise.
      source.stored = Math.max(0, source.stored - count)
      source.underWay = Math.min(source.said - source.stored, 1 + on)
      source.dropped = Math.min(source.underWay, on)
      bring(source)
    } else if (what === 'repeat' && source.underWay > 0) bring(source)
    else if (what === 'late' && source.stored > 0)
      // A copy of something older, by whichever way.
      lives[on % 2]!.driven.send({
        type: 'deliver',
        source: source.name,
        first: source.stored - 1,
        lines: [line(`${source.name} ${source.stored - 1}`)],
      })
    else if (what === 'move') current = 1 - current
    else if (what === 'undone') {
      const before = stream.truth('a1').length
      stream.rollback(15)
      undone += before - stream.truth('a1').length
    } else if (what === 'stored' || what === 'failed' || what === 'doubtful') await append(on % 2, what)
  }
  // Whatever came before, once all is well it all gets out, with one more line of each that spoke.
  for (const source of sources)
    for (let more = source.said > 0 ? 2 : 0; more > 0; more--) {
      if (source.underWay === 0) say(source, 1)
      for (let tries = 0; source.underWay > 0 && tries < 50; tries++) {
        bring(source)
        await append(current, 'stored')
      }
    }
  for (const at of [0, 1]) for (let tries = 0; tries < 50; tries++) await append(at, 'stored')
  const kept = stream.truth('a1').flatMap(({ bytes }) => unpackBatch(bytes).lines.map(textOf))
  let reported = 0
  let missing = 0
  for (const text of kept)
    reported += Number(/^Error L1[23]: (\d+) messages (?:dropped|lost) since /.exec(text)?.[1] ?? 0)
  for (const { name, said } of sources) {
    const numbers = kept
      .filter((text) => text.startsWith(`${name} `))
      .map((text) => Number(text.split(' ')[1]))
    if (new Set(numbers).size !== numbers.length) return `${name} has a line twice: ${kept.join(', ')}`
    if (numbers.some((n, at) => n < (numbers[at - 1] ?? -1)))
      return `${name} is out of order: ${kept.join(', ')}`
    missing += said - numbers.length
  }
  const isLost = kept.some((text) => text.startsWith('Error L13'))
  if (undone === 0 && isLost) return `lines are gone: ${kept.join(', ')}`
  return missing === reported ? undefined : `${missing} missing, ${reported} said: ${kept.join(', ')}`
}

t.test('sequences that a store gives again after it lost its newest blocks mislead nobody', async (t) => {
  const steps = ['say', 'stored', 'move', 'undone', 'say', 'move'].map((what) => ({
    do: what,
    on: 0,
    count: 1,
  }))
  const last = { do: 'stored', on: 1, count: 1 }
  t.equal(await account([...steps, last] as readonly Step[]), undefined)
})

t.test('each line is in the history once and in order, or counted there, whatever fails', async (t) => {
  const step = fc.record({
    // Often enough stored, so that there is something to bring again.
    do: fc.constantFrom(...doings, 'stored', 'stored'),
    on: fc.integer({ min: 0, max: 2 }),
    count: fc.integer({ min: 1, max: 3 }),
  })
  let hasUndone = false
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      hasUndone ||= steps.some((one) => one.do === 'undone')
      const wrong = await account(steps)
      if (wrong !== undefined) throw new Error(wrong)
    }),
    { numRuns: 300 },
  )
  t.ok(hasUndone)
})
