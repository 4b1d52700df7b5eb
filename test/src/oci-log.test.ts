/**
 * The log of a container: records joined to lines, resumed at any byte, followed across rotation without a
 * gap.
 */
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'

import { lineBytesMax, logStart, type LogBatch, type LogCursor, type LogLine } from '../../src/oci/driver.ts'
import { OciError } from '../../src/oci/errors.ts'
import { createLog, followLog, logFileBytesMax, logPace } from '../../src/oci/log-file.ts'
import { logReader, type LogReader, type LogRun } from '../../src/oci/log-line.ts'
import { makePace, type Pace } from '../../src/oci/pace.ts'
import { makeBench, noContainers, readAll } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(120_000)
const skip = noContainers() ?? false
const at = '2026-11-23T03:24:09.607366857+00:00'
const record = (text: string, stream = 'stdout', tag = 'F'): string => `${at} ${stream} ${tag} ${text}\n`
/** Lets everything pass. */
const free: Pace = { admits: () => true, isShut: () => false }
const file = 1
const linesOf = (reader: LogReader, text: string | Buffer): LogLine[] =>
  reader.push(Buffer.from(text), file).flatMap(({ lines }) => lines)
const show = ({ stream, bytes }: LogLine): string => `${stream}:${bytes.toString()}`

t.test('records of both streams are joined to lines while they interleave', async (t) => {
  const reader = logReader(logStart, free)
  const text = [
    record('whole'),
    record('half ', 'stdout', 'P'),
    record('other ', 'stderr', 'P'),
    record('line'),
    record('one', 'stderr'),
    record(''),
    'damage\n',
    record('open', 'stderr', 'P'),
  ].join('')
  const lines = linesOf(reader, text)
  t.same(lines.map(show), ['stdout:whole', 'stdout:half line', 'stderr:other one', 'stdout:'])
  t.equal(lines[0]?.at, at)
  t.same(reader.flush(file).lines.map(show), ['stderr:open'])
  t.same(reader.flush(file).lines, [])
})

t.test('a line longer than ten thousand bytes is split there', async (t) => {
  const long = 'é'.repeat(12_500)
  const bytes = Buffer.from(long)
  const cuts = [0, 8_000, 16_000, 24_000].map((start) =>
    bytes.subarray(start, start + 8_000).toString('latin1'),
  )
  const text = cuts.map((cut, n) => record(cut, 'stdout', n === cuts.length - 1 ? 'F' : 'P')).join('')
  const lines = linesOf(logReader(logStart, free), Buffer.from(text, 'latin1'))
  t.same(
    lines.map((line) => line.bytes.length),
    [10_000, 10_000, 5_000],
  )
  t.equal(Buffer.concat(lines.map((line) => line.bytes)).toString(), long)
  t.equal(linesOf(logReader(logStart, free), record('x'.repeat(lineBytesMax))).length, 1)
})

t.test('a reader resumed at any byte gives what one reader gives', async (t) => {
  const text = Buffer.from(
    record('a') +
      record('b1', 'stdout', 'P') +
      record('c', 'stderr', 'P') +
      record('b2') +
      record('d', 'stderr'),
  )
  const whole = linesOf(logReader(logStart, free), text).map(show)
  for (let cut = 0; cut <= text.length; cut++) {
    const first = logReader(logStart, free)
    const runs = first.push(text.subarray(0, cut), file)
    const { lines, cursor } = runs.at(-1) ?? { lines: [], cursor: logStart }
    const kept = JSON.parse(JSON.stringify(cursor)) as LogCursor
    const rest = linesOf(logReader(kept, free), text.subarray(kept.offset))
    t.same([...lines, ...rest].map(show), whole, `cut at ${cut}`)
  }
})

t.test('what passes and what is told as dropped are all lines, wherever a reader resumes', async () => {
  const arbitrary = fc.record({
    lengths: fc.array(fc.oneof(fc.nat(40), fc.nat(25_000)), { maxLength: 40 }),
    chunkBytes: fc.integer({ min: 1, max: 70_000 }),
    resumes: fc.array(fc.nat(5), { maxLength: 20 }),
    drops: fc.array(fc.boolean(), { maxLength: 20 }),
    linesPerSecond: fc.integer({ min: 1, max: 40 }),
  })
  fc.assert(
    fc.property(arbitrary, ({ lengths, chunkBytes, resumes, drops, linesPerSecond }) => {
      const text = Buffer.from(lengths.map((length, n) => recordsOf(n, length)).join(''))
      const wanted = linesOf(logReader(logStart, free), text)
      const pace = (): Pace => makePace({ linesPerSecond, bytesPerSecond: 20_000, burstSeconds: 2 })
      let [reader, cursor, passed, dropped] = [logReader(logStart, pace()), logStart, 0, 0]
      const told = (runs: readonly LogRun[]): void => {
        for (const run of runs) {
          // What was dropped came first.
          dropped += run.dropped?.count ?? 0
          for (const line of run.lines) assert.deepEqual(line, wanted[dropped + passed++])
          ;({ cursor } = run)
        }
      }
      for (let n = 0; reader.position() < text.length; n++) {
        const at = reader.position()
        told(reader.push(text.subarray(at, at + chunkBytes), file, drops[n]))
        if (resumes[n] === 0) reader = logReader(cursor, pace())
      }
      told([reader.flush(file)])
      assert.equal(passed + dropped, wanted.length)
    }),
    { numRuns: 100 },
  )
})

t.test('which lines pass does not depend on how much is read at once', async (t) => {
  const odd = [record('half ', 'stdout', 'P'), record('line'), record('e', 'stderr'), 'damage\n', record('')]
  const most = record('most of a flood').repeat(7)
  const times = Array.from({ length: 60 }, (_, n) => String(n * 40).padStart(4, '0'))
  const timed = times.map((ms) => (odd.join('') + most).replaceAll('09.607', `1${ms[0]}.${ms.slice(1)}`))
  const text = Buffer.from(timed.join(''))
  const passed = (chunkBytes: number): { dropped: number; lines: string[] } => {
    const pace = makePace({ linesPerSecond: 30, bytesPerSecond: 10_000, burstSeconds: 1.5 })
    const reader = logReader(logStart, pace)
    const runs: LogRun[] = []
    for (let at = 0; at < text.length; at += chunkBytes)
      runs.push(...reader.push(text.subarray(at, at + chunkBytes), file))
    const all = [...runs, reader.flush(file)]
    const dropped = all.reduce((sum, run) => sum + (run.dropped?.count ?? 0), 0)
    return { dropped, lines: all.flatMap(({ lines }) => lines.map((line) => `${line.at} ${show(line)}`)) }
  }
  const oneByOne = passed(20)
  for (const chunkBytes of [500, 2_000, 9_000, 20_000]) t.same(passed(chunkBytes), oneByOne)
  t.equal(oneByOne.dropped + oneByOne.lines.length, 10 * times.length)
  t.ok(oneByOne.dropped > 400 && oneByOne.lines.length > 100)
})

t.test('a loss is told with the next line, after a silence, or at the end', async (t) => {
  const log = await makeLog(t)
  const batches: LogBatch[] = []
  const limits = { linesPerSecond: 5, bytesPerSecond: 1_000, burstSeconds: 2 }
  const onBatch = (batch: LogBatch): void => void batches.push(batch)
  const follower = followLog(log.dir, logStart, log.exited, onBatch, limits)
  const seen = () => batches.map(({ lines, dropped }) => [dropped?.count ?? 0, lines.length])
  const records = (lines: number, second: number): string =>
    record('x').replace(':09.', `:${second}.`).repeat(lines)
  log.write(records(100, 10))
  await until(() => seen().length === 2, { what: 'what is told while nothing else is' })
  log.write(records(100, 11) + records(100, 12))
  await until(() => seen().length === 5, { what: 'what is told with the next line, and in silence' })
  log.write(records(1, 12))
  log.exit()
  await follower.done
  const after = [
    [0, 5],
    [95, 5],
    [95, 0],
    [1, 0],
  ]
  t.strictSame(seen(), [[0, 10], [90, 0], ...after])
  t.equal(batches[1]?.dropped?.since, at.replace(':09.', ':10.'))
})

/** Six files for a consumer that takes nothing meanwhile. @returns how long the writer waited for the reader */
const letGo = async (t: Test): Promise<number> => {
  const log = await makeLog(t)
  const written = Math.ceil((0.6 * logFileBytesMax) / 9_000)
  let [passed, dropped, lost, waitedMs] = [0, 0, false, 0]
  const late = Promise.withResolvers<void>()
  const follower = followLog(log.dir, logStart, log.exited, async (batch) => {
    passed += batch.lines.length
    dropped += batch.dropped?.count ?? 0
    lost ||= batch.lost
    await late.promise
  })
  const files = 6
  for (let n = 0; n < files; n++) {
    // Two changes right after each other, and then none: the second is seen as well.
    for (const count of [1, written - 1]) log.write(record('x'.repeat(9_000)).repeat(count))
    const beganMs = performance.now()
    await until(() => log.read() === log.written() && log.hasNext(), {
      what: `file ${n} to be the one that is read`,
    })
    waitedMs += performance.now() - beganMs
    if (n < files - 1) log.rotate()
  }
  late.resolve()
  log.exit()
  await follower.done
  t.equal(passed + dropped, files * written)
  t.ok(passed >= written && dropped >= 4 * written, `${passed} passed`)
  t.notOk(lost)
  return waitedMs
}

t.test('while a consumer is late the newest is kept, and what is let go is counted', async (t) => {
  // The round that looks every 3 s is for file systems that tell of nothing. A machine may stand still for a
  // while, not each time.
  let waitedMs = Number.POSITIVE_INFINITY
  for (let go = 0; go < 3 && waitedMs > 2_500; go++) waitedMs = await letGo(t)
  t.ok(waitedMs <= 2_500, `waited ${Math.round(waitedMs)} ms for the reader`)
})

t.test('a follower reads on through rotation', async (t) => {
  const log = await makeLog(t)
  const batches: LogBatch[] = []
  const follower = followLog(log.dir, logStart, log.exited, (batch) => void batches.push(batch))
  const lines = (): string[] => batches.flatMap((batch) => batch.lines.map(({ bytes }) => bytes.toString()))
  for (let n = 0; n < 6; n++) {
    log.write(record(`${n} early`) + record(`${n} cut `, 'stdout', 'P'))
    log.rotate()
    log.write(record('joined'))
    await until(() => lines().length === 2 * n + 2, { what: `the lines of file ${n}` })
  }
  log.exit()
  await follower.done
  t.same(lines().slice(-2), ['5 early', '5 cut joined'])
  t.notOk(batches.some(({ lost }) => lost))
})

t.test('a follower that comes back late reads what was kept and tells of the hole', async (t) => {
  for (const rotations of [0, 1, 2, 3]) {
    const log = await makeLog(t)
    log.write(record('read'))
    let cursor = logStart
    const first = followLog(log.dir, logStart, log.exited, (batch) => {
      cursor = batch.cursor
      first.close()
    })
    await first.done
    log.write(record('unread'))
    for (let n = 1; n <= rotations; n++) {
      log.rotate()
      log.write(record(`file ${n}`))
    }
    log.exit()
    const batches: LogBatch[] = []
    await followLog(log.dir, cursor, log.exited, (batch) => void batches.push(batch)).done
    const seen = batches.flatMap(({ lost, lines }) => [...(lost ? ['lost'] : []), ...lines.map(show)])
    const kept = ['stdout:unread', 'stdout:file 1', 'lost', `stdout:file ${rotations}`]
    const wanted = [kept.slice(0, 1), kept.slice(0, 2), kept, kept][rotations]
    t.same(seen, wanted, `${rotations} rotations`)
  }
})

t.test('a follower waits for its consumer and ends when it is closed', async (t) => {
  const log = await makeLog(t)
  let busy = 0
  let most = 0
  const follower = followLog(log.dir, logStart, log.exited, async () => {
    most = Math.max(most, ++busy)
    await new Promise((resolve) => setImmediate(resolve))
    busy--
  })
  for (let n = 0; n < 200; n++) log.write(record('x'.repeat(9_000)))
  await until(() => most > 0, { what: 'a batch' })
  follower.close()
  await follower.done
  t.equal(most, 1)
  const gone = followLog(log.dir, logStart, log.exited, () => undefined)
  rmSync(log.dir, { recursive: true })
  await gone.done
})

t.test('a consumer that fails ends its follower, with what it failed of', async (t) => {
  for (const fail of [() => assert.fail('away'), () => Promise.reject(new Error('away'))]) {
    const log = await makeLog(t)
    const follower = followLog(log.dir, logStart, log.exited, fail)
    for (let n = 0; n < 200; n++) log.write(record('x'.repeat(9_000)))
    await t.rejects(follower.done, { message: 'away' })
  }
})

t.test('a flood through conmon is bounded on disk and complete for who keeps up', { skip }, async (t) => {
  const { driver, spec, stateDir } = await makeBench(t, 'oci')
  const count = 40_000
  const script = `perl -e 'for my $n (1..${count}) { print "$n ", "x" x 990, "\\n" }'`
  await driver.start(spec('flood', script))
  let next = 1
  let wrong = 0
  let lost = 0
  await driver.follow('flood', logStart, (batch) => {
    if (batch.lost) lost++
    for (const { bytes } of batch.lines) {
      const n = Number.parseInt(bytes.toString('latin1', 0, 8))
      if (n !== next && !batch.lost) wrong++
      next = n + 1
    }
  }).done
  t.equal(wrong, 0, 'no line is missing unless the hole is told')
  t.equal(next, count + 1, 'the last line is there')
  t.comment(`holes told: ${lost}`)
  const names = ['log', 'log.kept', 'log.next']
  const files = new Map(
    names
      .map((name) => join(stateDir, 'flood', name))
      .filter((path) => existsSync(path))
      .map((path) => [statSync(path).ino, statSync(path).size] as const),
  )
  t.ok([...files.values()].every((bytes) => bytes <= logFileBytesMax))
  t.equal((await driver.wait('flood')).code, 0)
  t.ok((await readAll(driver, 'flood')).length > 0)
})

t.test('of what a container prints too fast all is counted, and none holds it up', { skip }, async (t) => {
  const { driver, spec } = await makeBench(t, 'oci')
  // Less than the files hold: none of it is rotated away, however late it is read.
  const count = 500_000
  await driver.start(spec('fast', `exec perl -e 'print "$_\n" for 1..${count}; print STDERR "done\n"'`))
  let [next, passed, dropped, losses] = [1, 0, 0, 0]
  let wrong = 0
  await driver.follow('fast', logStart, (batch) => {
    if (batch.dropped) losses++
    dropped += batch.dropped?.count ?? 0
    next += batch.dropped?.count ?? 0
    for (const { bytes, stream } of batch.lines) {
      if (stream === 'stdout' && Number(bytes.toString()) !== next) wrong++
      next++
    }
    passed += batch.lines.length
    if (batch.lost) wrong++
  }).done
  t.equal(passed + dropped, count + 1)
  const burst = logPace.linesPerSecond * logPace.burstSeconds
  t.ok(passed >= burst && dropped > 0, `${passed} passed, ${dropped} dropped, told ${losses} times`)
  t.ok(losses <= 2 + (passed - burst) / logPace.linesPerSecond, 'a loss is told once a second')
  t.equal(wrong, 0, 'in order, with each loss where it was')
  t.equal((await driver.wait('fast')).code, 0)
})

t.test('a driver that is closed takes no half line for a whole one', async (t) => {
  const log = await makeLog(t)
  const closed = Promise.withResolvers<void>()
  const batches: LogBatch[] = []
  const follower = followLog(log.dir, logStart, closed.promise, (batch) => void batches.push(batch))
  log.write(record('whole') + record('half', 'stdout', 'P'))
  await until(() => batches.length > 0, { what: 'the whole line' })
  closed.reject(new OciError('OCI_CLOSED', 'test'))
  await follower.done
  t.same(
    batches.flatMap(({ lines }) => lines.map(show)),
    ['stdout:whole'],
  )
  log.write(record(' and half'))
  const rest: LogBatch[] = []
  log.exit()
  const cursor = batches.at(-1)?.cursor ?? logStart
  await followLog(log.dir, cursor, log.exited, (batch) => void rest.push(batch)).done
  t.same(
    rest.flatMap(({ lines }) => lines.map(show)),
    ['stdout:half and half'],
  )
})

/** Line `n` of `length` bytes, as the writer cuts it; each a tenth of a second after the last. */
const recordsOf = (n: number, length: number): string => {
  const time = new Date(Date.UTC(2026, 10, 23) + 100 * n).toISOString().replace('Z', '000000+00:00')
  const cuts = Array.from({ length: Math.max(1, Math.ceil(length / 8_000)) }, (_, cut) => cut)
  const [stream, size] = [
    n % 3 === 0 ? 'stderr' : 'stdout',
    (cut: number) => Math.min(8_000, length - 8_000 * cut),
  ]
  const tag = (cut: number): string => (cut === cuts.length - 1 ? 'F' : 'P')
  return cuts.map((cut) => `${time} ${stream} ${tag(cut)} ${'x'.repeat(size(cut))}\n`).join('')
}

type FakeLog = {
  dir: string
  /** The file that is written, and the one that is read. */
  written: () => number
  read: () => number
  /** Whether the next one is there to be written. */
  hasNext: () => boolean
  exited: Promise<void>
  write: (text: string) => void
  rotate: () => void
  exit: () => void
}

/** A log written to as conmon does it. */
const makeLog = async (t: Test): Promise<FakeLog> => {
  const dir = mkdtempSync(join(tmpdir(), 'manifold-log-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  await createLog(dir)
  const { promise, resolve } = Promise.withResolvers<void>()
  const path = join(dir, 'log')
  return {
    dir,
    written: () => statSync(path).ino,
    read: () => statSync(`${path}.kept`).ino,
    hasNext: () => existsSync(`${path}.next`) && existsSync(`${path}.tmp`),
    exited: promise,
    write: (text) => appendFileSync(path, text),
    rotate: () => {
      writeFileSync(`${path}.tmp`, '')
      renameSync(`${path}.tmp`, path)
    },
    exit: resolve,
  }
}
