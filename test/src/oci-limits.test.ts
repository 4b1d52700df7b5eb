/**
 * What a container may use, what it is told of that, and what it is seen to use; with the real runc.
 */
import { existsSync, readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

import { homeHash } from '../../src/oci/addresses.ts'
import { shareOf } from '../../src/oci/machine.ts'
import { makeBench, noContainers } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
const mb = 2 ** 20

/** Idle under a name that looks like the state of a task that runs. */
const idle = `exec perl -e '$0 = "a) R (b"; sleep 600'`

t.test('what a container uses is seen: memory by kind, pages, tasks that run', { skip }, async (t) => {
  const { driver, spec } = await makeBench(t, 'oci')
  await driver.start(spec('idle', idle))
  await driver.start(spec('busy', 'for n in 1 2 3; do (while :; do :; done) & done; wait'))
  await driver.start(spec('fat', `exec perl -e '$x = "a" x ${40 * mb}; sleep 600'`))
  await until(async () => (await driver.stats('busy')).runnable === 3, { what: 'three busy tasks' })
  const seen = await until(
    async () => {
      const stats = await driver.stats('fat')
      return stats.rssBytes > 40 * mb && stats
    },
    { what: 'a fat one' },
  )
  t.ok(seen.memoryBytes >= seen.rssBytes && seen.memoryBytes < 128 * mb)
  t.ok(seen.pgpgin > 10_000 && seen.pgpgin > seen.pgpgout, `pages in: ${seen.pgpgin}`)
  t.equal(seen.pids, 2)
  await until(async () => (await driver.stats('idle')).runnable === 0, { what: 'an idle one at rest' })
})

t.test('what plain processes use is seen', async (t) => {
  const { driver, spec } = await makeBench(t, 'process')
  await driver.start(spec('busy', 'for n in 1 2 3; do (while :; do :; done) & done; wait'))
  await until(async () => (await driver.stats('busy')).runnable === 3, { what: 'three busy tasks' })
  const { memoryBytes, pids } = await driver.stats('busy')
  t.ok(memoryBytes > 0)
  t.equal(pids, 4)
})

t.test('beyond its memory quota a container lives on, up to its swap as well', { skip }, async (t) => {
  const { run, spec } = await makeBench(t, 'oci')
  const limits = { ...spec('', '').limits, memoryBytes: 64 * mb, swapBytes: 64 * mb }
  const use = (megabytes: number): string =>
    `perl -e '$n = ${megabytes * mb}; $x = "a" x $n; print "had it\n"'`
  const files = '/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max'
  const over = await run('over', `cat ${files} 2>/dev/null; ${use(90)}`, { limits })
  t.same([...new Set(over.out)], [String(64 * mb), 'had it'], 'and it is told the quota, not the bound')
  t.match(await run('far', use(160), { limits }), { code: 137, oomKilled: true, out: [] })
})

t.test(
  'all containers together have a share of the machine, and a keeper that of its container',
  { skip },
  async (t) => {
    const { driver, spec, stateDir } = await makeBench(t, 'oci')
    const { pid } = await driver.start(spec('one', 'exec sleep 600'))
    t.same(await driver.gaps(), [])
    const name = `manifold_${homeHash(stateDir)}`
    const kernel = (file: string): number => Number(readFileSync(`/proc/sys/kernel/${file}`, 'utf8'))
    const share = shareOf({
      memoryBytes: totalmem(),
      pidMax: kernel('pid_max'),
      threadsMax: kernel('threads-max'),
    })
    const told = (controller: string, files: string[]): number => {
      const paths = files.flatMap((file) => [`${controller}/${name}/${file}`, `${name}/${file}`])
      const path = paths.map((each) => join('/sys/fs/cgroup', each)).find((each) => existsSync(each))
      return Number(readFileSync(path ?? '', 'utf8'))
    }
    const memoryBytes = told('memory', ['memory.max', 'memory.limit_in_bytes'])
    t.ok(share.memoryBytes - memoryBytes < 2 ** 16 && memoryBytes < totalmem(), `${memoryBytes} bytes`)
    t.equal(told('pids', ['pids.max']), share.pids)
    const groupOf = (of: number): string =>
      /^(?:\d+:cpu(?:,\w+)?|0:):(.*)$/m.exec(readFileSync(`/proc/${of}/cgroup`, 'utf8'))?.[1] ?? ''
    t.equal(groupOf(pid), `/${name}/one`)
    const keeper = Number(readFileSync(join(stateDir, 'one/conmon.pid'), 'utf8'))
    t.equal(groupOf(keeper), `/${name}/_one`)
  },
)
