/**
 * The disk of a container: what it may write, what others notice of that, and what is left of it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'

import { openOciDriver } from '../../src/oci/oci.ts'
import { killAll } from '../../src/oci/signal.ts'
import { defaults, makeBench, noContainers } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
const mb = 2 ** 20

/** Image files that loop devices of this machine hold on to, of those below `path`. */
const attachedBelow = (path: string): string[] =>
  readdirSync('/sys/block').flatMap((name) => {
    if (!name.startsWith('loop')) return []
    const file = spawnSync('cat', [join('/sys/block', name, 'loop/backing_file')], {
      encoding: 'utf8',
    }).stdout
    return file.startsWith(path) ? [file.trim()] : []
  })

t.test('/app and /tmp are one disk that ends where it should', { skip }, async (t) => {
  const { driver, run, spec, stateDir, slug } = await makeBench(t, 'oci')
  t.same(await driver.gaps(), [])
  const fill = (path: string): string => `head -c 9M /dev/zero >${path} 2>/dev/null && echo ${path} fits`
  const { out } = await run('both', [fill('/tmp/a'), fill('/app/b'), fill('/tmp/c')].join('\n'))
  t.same(out, ['/tmp/a fits'])
  const many = 'for n in $(seq 20000); do : >/tmp/$n || exit 3; done 2>/dev/null'
  t.equal((await run('many', many)).code, 3, 'nor does it hold any number of files')
  t.same(readdirSync(slug).toSorted(), ['bin', 'hello'])

  await driver.start(spec('fat', 'head -c 8M /dev/zero >/app/x; sync -f /tmp; exec sleep 600'))
  const used = async (): Promise<number> => (await driver.stats('fat')).diskBytes
  await until(async () => (await used()) >= 8 * mb, { what: 'what is written to be seen' })
  t.ok(statSync(join(stateDir, 'fat/disk.img')).size === 16 * mb)
})

t.test('room that is given back inside is given back to the machine', { skip }, async (t) => {
  const { driver, spec } = await makeBench(t, 'oci')
  // What is begun while the signal goes round may have it too.
  const script = `trap "gone=1" USR1; head -c 8M /dev/zero >/tmp/x; sync -f /tmp
     until [ "$gone" ]; do sleep 0.05; done
     until rm -f /tmp/x && sync -f /tmp; do :; done; while :; do sleep 1; done`
  await driver.start(spec('one', script))
  const used = async (): Promise<number> => (await driver.stats('one')).diskBytes
  await until(async () => (await used()) >= 8 * mb, { what: 'the file' })
  await driver.signal('one', 'SIGUSR1', 'all')
  await until(async () => (await used()) < 4 * mb, { what: 'its room' })
})

t.test('no device is left, however a container ends', { skip }, async (t) => {
  const { driver, run, spec, stateDir } = await makeBench(t, 'oci')
  const ids = ['a', 'b', 'c', 'd', 'e', 'f']
  const started = await Promise.all(ids.map((id) => driver.start(spec(id, 'exec sleep 600'))))
  t.equal(attachedBelow(stateDir).length, ids.length, 'each has its own, also when they start at once')
  await run('ended', 'true')
  for (const { id, pid } of started.slice(0, 3)) {
    killAll([Number(readFileSync(join(stateDir, id, 'conmon.pid'), 'utf8'))], 'SIGKILL')
    process.kill(pid, 'SIGKILL')
  }
  await until(() => attachedBelow(stateDir).length === 3, { what: 'the kernel to take away what died' })
  for (const id of ids) await driver.remove(id)
  await until(() => attachedBelow(stateDir).length === 0, { what: 'the rest' })
})

t.test(
  'where the machine has no room left, a start says so and a running one ends well',
  { skip },
  async (t) => {
    const { driver, spec, stateDir } = await makeBench(t, 'oci')
    await driver.start(spec('before', 'exec sleep 600'))
    const home = join(stateDir, '..', 'small')
    execFileSync('mkdir', [home])
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300m', 'tmpfs', home])
    t.teardown(() => execFileSync('umount', [home]))
    const small = await openOciDriver({ stateDir: join(home, 'containers'), now: () => Date.now() })
    const limits = { ...spec('', '').limits, diskBytes: 1024 * mb }
    const script = 'head -c 800M /dev/zero >/tmp/x; sync /tmp/x; echo "ended $?"; exec sleep 600'
    await small.start({ ...defaults('filler', script, join(stateDir, '../slug')), limits })
    await until(async () => (await small.stats('filler')).diskBytes > 250 * mb, { what: 'it to be full' })
    await t.rejects(small.start({ ...defaults('late', 'true', join(stateDir, '../slug')), limits }), {
      code: 'OCI_DISK',
      message: /containers: \d+ MB left of at least 256/,
    })
    t.equal((await driver.list())[0]?.state, 'running', 'one on another disk runs on')
    await small.remove('filler')
    small.close()
    await small.teardown()
    await until(() => attachedBelow(home).length === 0, { what: 'its device to be gone' })
  },
)

t.test('without loop devices it works as before, and that is told', { skip }, async (t) => {
  const { stateDir, slug } = await makeBench(t, 'oci')
  const program = fileURLToPath(new URL('../kit/one-container.ts', import.meta.url))
  const script = `stat -f -c %T /tmp; echo more >>hello; cat hello
     head -c 30M /dev/zero >/tmp/x 2>/dev/null || stat -c %s /tmp/x`
  const hidden = 'mount --bind /dev/null /dev/loop-control && exec "$@"'
  const argv = [process.execPath, program, join(stateDir, '../other'), slug, script]
  const out = execFileSync('unshare', ['--mount', 'sh', '-c', hidden, 'sh', ...argv], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' },
  })
  const { gaps, lines } = JSON.parse(out) as { gaps: string[]; lines: string[] }
  t.match(gaps, [/^what a dyno writes is not bounded: .*loop/])
  t.same(lines, ['tmpfs', 'hello', 'more', String(16 * mb)])
})
