/**
 * Boxes: what is made ahead of starts isolates as what is made in one, and is gone when nobody needs it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

import { homeHash, vethPrefix, type Identity } from '../../src/oci/addresses.ts'
import { openBoxes } from '../../src/oci/boxes.ts'
import type { Hull } from '../../src/oci/launcher.ts'
import { openOciDriver } from '../../src/oci/oci.ts'
import { defaults, makeBench, mountsBelow, noContainers, type Bench } from '../kit/containers.ts'
import { scratch } from '../kit/files.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
const ready = { count: 2, diskBytes: 16 * 2 ** 20 }

/** Processes in boxes below `stateDir`, by their directory. */
const standingIn = (stateDir: string): Map<string, number> =>
  new Map(
    readdirSync('/proc').flatMap((pid): [string, number][] => {
      try {
        const dir = readlinkSync(`/proc/${pid}/cwd`)
        return dir.startsWith(join(stateDir, '.boxes/')) ? [[dir, Number(pid)]] : []
      } catch {
        return []
      }
    }),
  )
/** Those of them that are launchers which wait. */
const waiting = (stateDir: string): Map<string, number> =>
  new Map([...standingIn(stateDir)].filter(([, pid]) => isReading(pid)))

const isReading = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/wchan`, 'utf8').includes('read')
  } catch {
    return false
  }
}

const untilReady = async ({ stateDir }: Bench, count = ready.count): Promise<void> => {
  await until(() => waiting(stateDir).size === count, { what: `${count} boxes` })
}

/** Numbers that tell whose directories those are. */
const inodes = (dirs: Iterable<string>): number[] => [...dirs].map((dir) => statSync(dir).ino)

const vethsOf = (stateDir: string): string[] =>
  readdirSync('/sys/class/net').filter((name) => name.startsWith(vethPrefix(homeHash(stateDir))))

t.test('a container in a box has all that any other has', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci', { ready })
  const { driver, run, spec, stateDir } = bench
  const script = `id -u; readlink /proc/self/ns/net; df --output=size /tmp | tail -1
    stat -c %U /app /tmp hello | tr -d 0-9; echo more >>hello; cat hello; grep -c eth0 /proc/net/dev
    head -c 30M /dev/zero 2>/dev/null >/tmp/x || echo full; ls -A /tmp; ls -A /app`
  const plain = await run('plain', script)
  await untilReady(bench)
  const boxes = inodes(waiting(stateDir).keys())
  const { pid, address } = await driver.start(spec('boxed', 'exec sleep 600'))
  t.ok(boxes.includes(statSync(join(stateDir, 'boxed')).ino), 'it lies in the directory of a box')
  const other = await run('other', script)
  t.same(other.out.slice(2), plain.out.slice(2))
  t.same(other.out.slice(3), ['u', 'u', 'u', 'hello', 'more', '1', 'full', 'x', 'bin', 'hello'])
  t.not(other.out[0], plain.out[0], 'a user of its own')
  const network = readlinkSync(`/proc/${pid}/ns/net`)
  t.notOk([readlinkSync('/proc/self/ns/net'), other.out[1]].includes(network), 'a network of its own')
  t.match(readFileSync(`/proc/${pid}/net/fib_trie`, 'utf8'), address)
  const env = { PATH: '/usr/bin:/bin' }
  const session = await driver.exec('boxed', { argv: ['readlink', '/proc/self/ns/net'], cwd: '/', env })
  t.equal((await text(session.output)).trim(), network, 'whoever comes in later is in it too')
})

t.test('a box that is given up while it is made is taken away once its maker is done', async (t) => {
  const stateDir = await scratch(t)
  const gate = Promise.withResolvers<void>()
  const entered: string[] = []
  let stood = false
  const freed: number[] = []
  const boxes = openBoxes({
    stateDir,
    ready,
    hullOf: async (dir) => {
      entered.push(dir)
      await gate.promise
      stood = existsSync(dir)
      return {} as Hull
    },
    leases: { next: async () => ({ index: 5 }) as Identity, free: (index) => void freed.push(index) },
    busy: () => false,
  })
  boxes.fill()
  const dir = await until(() => entered[0], { what: 'a box to be begun' })
  const emptied = boxes.empty()
  // As long as it takes to remove a directory, many times over.
  for (let turns = 0; turns < 100; turns++) await stat(stateDir)
  t.same(freed, [], 'its address is not given to another')
  gate.resolve()
  await emptied
  t.ok(stood, 'nor its directory taken from under its maker')
  t.notOk(existsSync(dir))
  t.same([freed, boxes.identities()], [[5], []])
  boxes.close()
})

t.test('however far boxes are when they are given up, nothing of them stays', { skip }, async (t) => {
  const { driver, run, stateDir } = await makeBench(t, 'oci', { ready })
  const home = join(stateDir, '.boxes')
  for (const turns of [0, 30, 100, 250, 500, 1_000]) {
    await run(`first-${turns}`, 'true')
    await until(() => existsSync(home) && readdirSync(home).length > 0, { what: 'a box to be begun' })
    for (let turn = 0; turn < turns; turn++) await stat(stateDir)
    await driver.teardown()
    t.same(readdirSync(stateDir), ['network.json'])
    t.same(vethsOf(stateDir), [])
    t.same([...standingIn(stateDir).keys()], [], 'no launcher')
  }
})

t.test('more than are ready start as well, and what was taken is made again', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci', { ready })
  const { driver, run, spec, stateDir } = bench
  await run('first', 'true')
  await untilReady(bench)
  const ids = ['a', 'b', 'c', 'd']
  const started = await Promise.all(ids.map((id) => driver.start(spec(id, 'exec sleep 600'))))
  t.equal(new Set(started.map(({ address }) => address)).size, ids.length)
  await untilReady(bench)
  t.equal((await run('large', 'df --output=size /tmp | tail -1', larger(spec))).code, 0)
  t.equal(waiting(stateDir).size, ready.count, 'another size of disk takes none')
  t.same((await driver.sweep()).removed, [], 'they belong to somebody')
  t.equal(waiting(stateDir).size, ready.count)
})

t.test('a box whose launcher dies is not used, and nothing of it stays', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci', { ready })
  const { driver, run, stateDir } = bench
  await run('first', 'true')
  await untilReady(bench)
  const dead = [...waiting(stateDir)]
  for (const [, pid] of dead) process.kill(pid, 'SIGKILL')
  await until(() => dead.every(([dir]) => !existsSync(dir)), { what: 'their directories to be gone' })
  t.equal((await run('after', 'echo runs')).out[0], 'runs')
  await untilReady(bench)
  await driver.teardown()
  t.equal(waiting(stateDir).size, 0)
  t.same(vethsOf(stateDir), [])
  t.same(readdirSync(stateDir), ['network.json'])
  t.same(mountsBelow(stateDir), [])
})

t.test('a host process that dies leaves no launcher, and the next one no directory', { skip }, async (t) => {
  const { slug, spec, stateDir } = await makeBench(t, 'oci')
  const script = `
    import { openOciDriver } from ${JSON.stringify(join(import.meta.dirname, '../../src/oci/oci.ts'))}
    import { readdirSync } from 'node:fs'
    const stateDir = ${JSON.stringify(stateDir)}
    const driver = await openOciDriver({ stateDir, now: () => Date.now(), ready: ${JSON.stringify(ready)} })
    await driver.start(${JSON.stringify(defaults('stays', 'exec sleep 600', slug))})
    setInterval(() => {
      const made = readdirSync(stateDir).includes('.boxes') ? readdirSync(stateDir + '/.boxes').length : 0
      if (made >= ${ready.count}) process.kill(process.pid, 'SIGKILL')
    }, 20)
  `
  const argv = ['--input-type=module', '-e', script]
  const { signal } = spawnSync(process.execPath, argv, { env: { PATH: process.env['PATH'] ?? '' } })
  t.equal(signal, 'SIGKILL')
  await until(() => waiting(stateDir).size === 0, { what: 'the launchers to end' })
  await until(() => vethsOf(stateDir).length === 1, { what: 'their interfaces to be gone' })
  const next = await openOciDriver({ stateDir, now: () => Date.now() })
  t.equal((await next.list())[0]?.state, 'running', 'the container goes on')
  await next.sweep()
  t.same(readdirSync(join(stateDir, '.boxes')), [])
  await next.start(spec('next', 'true'))
  t.equal((await next.wait('next')).code, 0)
  next.close()
})

t.test('a box that cannot show a layer as its own gives way to a copy of it', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci', { ready })
  const { run, slug, stateDir } = bench
  const [source, upper, work] = ['source', 'upper', 'work'].map((name) => join(stateDir, '..', name)) as [
    string,
    string,
    string,
  ]
  for (const path of [source, upper, work]) mkdirSync(path)
  const options = `lowerdir=${slug},upperdir=${upper},workdir=${work}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, source])
  t.teardown(() => execFileSync('umount', [source]))
  await run('first', 'true')
  await untilReady(bench)
  const layers = [{ source, target: '/app', mode: 'overlay' as const }]
  const { out } = await run('copied', 'stat -c %u hello; id -u; grep -c eth0 /proc/net/dev', { layers })
  t.same(out, [out[1], out[1], '1'])
})

t.test('where a box cannot be made, starts work and say what is wrong', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci', { ready })
  const { driver, run, spec, stateDir } = bench
  // No directory can be made of it.
  writeFileSync(join(stateDir, '.boxes'), '')
  t.equal((await run('one', 'true')).code, 0)
  t.equal((await run('two', 'true')).code, 0)
  const layers = [{ source: join(stateDir, 'none'), target: '/app', mode: 'overlay' as const }]
  await t.rejects(driver.start(spec('no-layer', 'true', { layers })), { code: 'OCI_SPEC' })
})

const larger = (spec: Bench['spec']): { limits: ReturnType<Bench['spec']>['limits'] } => ({
  limits: { ...spec('', '').limits, diskBytes: 32 * 2 ** 20 },
})
