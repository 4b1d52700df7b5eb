/**
 * How ends and output are noticed: by watches, by looking where there are none, and cheaply for many.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

import { openRound } from '../../src/oci/round.ts'
import { defaults } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.test('everything is looked at in its turn, and nothing that has left', async (t) => {
  const everyMs = 120
  const round = openRound(everyMs)
  const seen = Array.from({ length: 30 }, () => 0)
  const leave = seen.map((_, n) => round.join(() => void seen[n]!++))
  await until(() => seen.every((times) => times >= 2), { what: 'two rounds' })
  t.ok(Math.max(...seen) - Math.min(...seen) <= 1, 'none twice before all others')
  leave[0]?.()
  const [first] = seen
  await until(() => seen.slice(1).every((times) => times >= 4), { what: 'two more' })
  t.equal(seen[0], first)
  for (const each of leave) each()
  const again = round.join(() => void seen[0]!++)
  await until(() => seen[0]! > first!, { what: 'one that joined an empty round' })
  again()
})

const why = process.platform !== 'linux' || process.getuid?.() !== 0
const skip = why ? 'only root of Linux can take away all watches' : false

t.test('where no watch is left, output and ends are found by looking', { skip }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'manifold-watch-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const source = join(import.meta.dirname, '../../src/oci')
  const spec = {
    ...defaults('one', 'echo begun; sleep 1; echo ended; exit 5', dir),
    network: 'host',
    layers: [],
  }
  const script = `
    import { openProcessDriver } from ${JSON.stringify(join(source, 'process.ts'))}
    import { logStart } from ${JSON.stringify(join(source, 'driver.ts'))}
    import { watch } from 'node:fs'
    try { watch(${JSON.stringify(dir)}) } catch (error) { console.log(error.code) }
    const driver = await openProcessDriver({ stateDir: ${JSON.stringify(join(dir, 'state'))}, now: () => Date.now() })
    await driver.start({ ...${JSON.stringify(spec)}, cwd: ${JSON.stringify(dir)} })
    const follower = driver.follow('one', logStart, ({ lines }) => {
      for (const line of lines) console.log(line.bytes.toString())
    })
    console.log((await driver.wait('one')).code)
    await follower.done
    await driver.remove('one')
    driver.close()
  `
  const without = 'echo 0 >/proc/sys/user/max_inotify_watches && exec "$@"'
  const node = [process.execPath, '--input-type=module', '-e', script]
  const said = execFileSync('unshare', ['--user', '--map-root-user', 'sh', '-c', without, 'sh', ...node], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '' },
    timeout: 60_000,
  })
  t.same(said.trim().split('\n').toSorted(), ['5', 'ENOSPC', 'begun', 'ended'])
})
