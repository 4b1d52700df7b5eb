/**
 * The log of a container: records joined to lines, resumed at any byte, followed across rotation without a
 * gap.
 */
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { lineBytesMax, logStart, type LogBatch, type LogCursor, type LogLine } from '../../src/oci/driver.ts'
import { OciError } from '../../src/oci/errors.ts'
import { createLog, followLog, logFileBytesMax } from '../../src/oci/log-file.ts'
import { logReader } from '../../src/oci/log-line.ts'
import { makeBench, noContainers, readAll } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(120_000)
const at = '2026-11-23T03:24:09.607366857+00:00'
const record = (text: string, stream = 'stdout', tag = 'F'): string => `${at} ${stream} ${tag} ${text}\n`
const show = ({ stream, bytes }: LogLine): string => `${stream}:${bytes.toString()}`

t.test('records of both streams are joined to lines while they interleave', async (t) => {
  const reader = logReader(logStart)
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
  const lines = reader.push(Buffer.from(text))
  t.same(lines.map(show), ['stdout:whole', 'stdout:half line', 'stderr:other one', 'stdout:'])
  t.equal(lines[0]?.at, at)
  t.same(reader.flush().map(show), ['stderr:open'])
  t.same(reader.flush(), [])
})

t.test('a line longer than ten thousand bytes is split there', async (t) => {
  const long = 'é'.repeat(12_500)
  const bytes = Buffer.from(long)
  const cuts = [0, 8_000, 16_000, 24_000].map((start) =>
    bytes.subarray(start, start + 8_000).toString('latin1'),
  )
  const text = cuts.map((cut, n) => record(cut, 'stdout', n === cuts.length - 1 ? 'F' : 'P')).join('')
  const lines = logReader(logStart).push(Buffer.from(text, 'latin1'))
  t.same(
    lines.map((line) => line.bytes.length),
    [10_000, 10_000, 5_000],
  )
  t.equal(Buffer.concat(lines.map((line) => line.bytes)).toString(), long)
  t.equal(logReader(logStart).push(Buffer.from(record('x'.repeat(lineBytesMax)))).length, 1)
})

t.test('a reader resumed at any byte gives what one reader gives', async (t) => {
  const text = Buffer.from(
    record('a') +
      record('b1', 'stdout', 'P') +
      record('c', 'stderr', 'P') +
      record('b2') +
      record('d', 'stderr'),
  )
  const whole = logReader(logStart).push(text).map(show)
  for (let cut = 0; cut <= text.length; cut++) {
    const first = logReader(logStart)
    const lines = first.push(text.subarray(0, cut))
    const cursor = JSON.parse(JSON.stringify(first.cursor(1))) as LogCursor
    const rest = logReader(cursor).push(text.subarray(cursor.offset))
    t.same([...lines, ...rest].map(show), whole, `cut at ${cut}`)
  }
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

t.test(
  'a flood through conmon is bounded on disk and complete for who keeps up',
  {
    skip: noContainers() ?? false,
  },
  async (t) => {
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
  },
)

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

type FakeLog = {
  dir: string
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
    exited: promise,
    write: (text) => appendFileSync(path, text),
    rotate: () => {
      writeFileSync(`${path}.tmp`, '')
      renameSync(`${path}.tmp`, path)
    },
    exit: resolve,
  }
}
