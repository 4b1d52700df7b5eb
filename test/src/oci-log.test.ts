/**
 * The log of a container, followed across rotation without a gap, by consumers that are late or fail.
 */
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import assert from 'node:assert/strict'
import t, { type Test } from 'tap'

import { logStart, type LogBatch, type LogLine } from '../../src/oci/driver.ts'
import { OciError } from '../../src/oci/errors.ts'
import { createLog, followLog, logFileBytesMax, logPace } from '../../src/oci/log-file.ts'
import { makeBench, noContainers, readAll } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
const at = '2026-11-23T03:24:09.607366857+00:00'
const record = (text: string, stream = 'stdout', tag = 'F'): string => `${at} ${stream} ${tag} ${text}\n`
const show = ({ stream, bytes }: LogLine): string => `${stream}:${bytes.toString()}`

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

/**
 * Six files for a consumer that takes nothing meanwhile.
 *
 * @returns how long the writer waited for the reader
 */
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
    // Changes right after each other, and then none: the last, which is little, is looked after as well.
    const most = Math.floor((0.49 * logFileBytesMax) / 9_000)
    for (const count of [most, written - most]) {
      log.write(record('x'.repeat(9_000)).repeat(count))
      await new Promise(setImmediate)
    }
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
