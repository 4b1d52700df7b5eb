/**
 * What is the process driver's own: ports that come again late, bounds without isolation, processes found by
 * `ps` on Linux and macOS, and all of it without root.
 */
import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

import { openPorts } from '../../src/oci/ports.ts'
import { openRotation } from '../../src/oci/rotation.ts'
import { familyIn, stampIn, usageIn } from '../../src/oci/session.ts'
import { killAll } from '../../src/oci/signal.ts'
import { defaults, makeBench } from '../kit/containers.ts'
import { whyNoNobody, nobody } from '../kit/nobody.ts'

t.setTimeout(300_000)
const source = join(import.meta.dirname, '../../src/oci')
const exec = promisify(execFile)

const listen = (port: number, host: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, host, () => resolve(server))
  })

t.test('an index rests before it is met again, however few there are', async (t) => {
  const nowMs = { value: 0 }
  const kept: number[] = []
  const rotation = openRotation({
    cursor: 0,
    after: (cursor, held) => [1, 2, 3].map((step) => ((cursor + step - 1) % 3) + 1).find((n) => !held.has(n)),
    keep: async (cursor) => void kept.push(cursor),
    rest: { ms: 600, now: () => nowMs.value },
    what: 'three',
  })
  t.same(await Promise.all([rotation.next(), rotation.next(), rotation.next()]), [1, 2, 3])
  rotation.free(2)
  rotation.free(1)
  nowMs.value = 599
  await t.rejects(rotation.next(), { code: 'OCI_ADDRESSES' })
  rotation.hold(1)
  nowMs.value = 600
  t.equal(await rotation.next(), 2)
  await t.rejects(rotation.next(), { code: 'OCI_ADDRESSES' }, 'the first is held again')
  t.same(kept, [1, 2, 3, 2])
})

t.test('a port that was given back rests, whoever asks and whatever was restarted', async (t) => {
  const folder = t.testdir()
  let nowMs = 0
  const open = () => openPorts(folder, { ms: 600_000, now: () => nowMs })
  const ports = open()
  const first = await ports.lend()
  ports.hold(first)
  ports.free(first)
  const second = await ports.lend()
  t.ok(second > first)
  t.ok((await open().lend()) > second, 'the next life goes on behind the last one')
  nowMs = 599_999
  const seen = new Set<number>()
  for (let at = 0; at < 100; at++) seen.add(await ports.lend())
  t.equal(seen.size, 100)
  t.notOk(seen.has(first))
})

t.test('a port that somebody listens on is passed over, and so is one that is kept', async (t) => {
  const ports = openPorts(t.testdir(), { ms: 600_000, now: () => 0 })
  const first = await ports.lend()
  const taken = await Promise.all([listen(first + 1, '127.0.0.1'), listen(first + 2, '0.0.0.0')])
  t.teardown(() => taken.map((server) => server.close()))
  ports.hold(first + 3)
  t.equal(await ports.lend(), first + 4)
})

t.test('a container keeps its port while it is there, and the port rests when it is gone', async (t) => {
  const { driver, spec } = await makeBench(t, 'process')
  const port = (await driver.lendPort?.()) ?? 0
  await driver.start(spec('one', 'exec sleep 600', { expose: port }))
  await driver.remove('one')
  const later = (await driver.lendPort?.()) ?? 0
  t.ok(later > port, `${later} behind ${port}`)
})

t.test('a plain process has bounds on its files, and none that others would pay for', async (t) => {
  const { run } = await makeBench(t, 'process')
  const { openFilesMax, diskBytes } = defaults('x', '', '/').limits
  const { out } = await run('bounds', 'ulimit -n; ulimit -c; ulimit -f; ulimit -u; ulimit -v')
  const { stdout: own } = await exec('bash', ['-c', 'ulimit -u; ulimit -v'])
  t.same(out, [openFilesMax, 0, diskBytes / 1024, ...own.trim().split('\n')].map(String))
  const large = await run(
    'large',
    `exec perl -e 'open F, ">big"; seek F, ${diskBytes}, 0; syswrite F, "x" or die'`,
  )
  t.equal(large.signal, 'SIGXFSZ')
})

t.test('what is no process is never signalled: 0 is the own group, and -1 is everybody', async (t) => {
  // Of all signals the one that would do nothing here.
  for (const pid of [0, -0, -1, Number.NaN])
    t.throws(() => killAll([pid], 'SIGCONT'), { message: `${pid} is no process` })
})

t.test('processes are found in what the ps of macOS and of Linux print', async (t) => {
  const beginnings = ['Ss   Fri Nov 27 03:46:50 2026    \n', 'S+   Fri Nov  6 03:46:50 2026\n']
  t.same(beginnings.map(stampIn), ['Fri Nov 27 03:46:50 2026', 'Fri Nov  6 03:46:50 2026'])
  t.equal(stampIn('Z    Fri Nov 27 03:46:50 2026\n'), undefined)
  t.equal(stampIn(''), undefined)
  const rows =
    '    1     0     1\n  502     1   502\n  503   502   502\n  504   503   504\n  505     1   505\n'
  t.same(familyIn(rows, 502), [502, 503, 504])
  t.same(familyIn('', 502), [])
  t.same(usageIn('  1532 Ss  \n   840 R+  \n'), { residentBytes: 2_372 * 1024, runnable: 1 })
})

t.test(
  'a user without any right runs containers and finds them again',
  { skip: whyNoNobody() },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'manifold-nobody-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    chownSync(folder, nobody.uid, nobody.gid)
    const limits = { ...defaults('x', '', '/').limits, openFilesMax: 10_000_000 }
    const spec = {
      ...defaults('one', 'echo "files $(ulimit -n)"; id -u; exec sleep 600', folder),
      layers: [],
      cwd: folder,
      limits,
    }
    const script = `
    import { logStart } from ${JSON.stringify(join(source, 'driver.ts'))}
    import { openProcessDriver } from ${JSON.stringify(join(source, 'process.ts'))}
    const open = () => openProcessDriver({ stateDir: ${JSON.stringify(join(folder, 'c'))}, now: () => Date.now() })
    const first = await open()
    await first.start(${JSON.stringify(spec)})
    first.close()
    const driver = await open()
    const [{ state }] = await driver.list()
    await driver.signal('one', 'SIGTERM', 'all')
    const { code } = await driver.wait('one')
    const lines = []
    await driver.follow('one', logStart, (batch) => void lines.push(...batch.lines.map((l) => String(l.bytes)))).done
    const port = await driver.lendPort()
    await driver.remove('one')
    await driver.teardown()
    driver.close()
    console.log(JSON.stringify({ state, code, lines, left: await driver.list(), port }))
  `
    const argv = [...nobody.argv, process.execPath, '--input-type=module', '-e', script]
    const [file = '', ...args] = argv
    const { stdout } = await exec(file, args, { env: { PATH: '/usr/bin:/bin' }, cwd: folder })
    const hard = Number((await exec('bash', ['-c', 'ulimit -Hn'])).stdout)
    const bound = Number.isNaN(hard) ? limits.openFilesMax : Math.min(hard, limits.openFilesMax)
    const files = `files ${bound}`
    t.match(JSON.parse(stdout), {
      state: 'running',
      code: 143,
      lines: [files, String(nobody.uid)],
      left: [],
    })
  },
)
