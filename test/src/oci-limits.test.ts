/**
 * What a container may use, what it is told of that, and what it is seen to use; with the real runc.
 */
import t from 'tap'

import { makeBench, noContainers } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(120_000)
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
