/** Which shard processes of an earlier life of their host go on, and which make room. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { homePaths } from '../../actors/main/paths.ts'
import { shardFile, shardText, startRouterProcesses } from '../../actors/main/router-processes.ts'
import { systemClock } from '../../src/system/clock.ts'
import { processOf } from '../../src/system/process.ts'
import { scratch } from '../kit/files.ts'
import { until } from '../kit/until.ts'

const wish = {
  routerShards: 2,
  routerPort: 8080,
  routerTlsPort: 8443,
  routerBalancers: ['10.0.0.5'],
  routerTlsBalancers: [],
}

t.test('shards that were started as they should be go on, others and those too many end', async (t) => {
  const folder = await scratch(t)
  const paths = homePaths(folder)
  mkdirSync(paths.run, { recursive: true })
  /** A process that says it is a shard with these settings. */
  const shardOf = (t: Test, index: number, settings: Partial<typeof wish>) => {
    const child = spawn('sleep', ['600'], { stdio: 'ignore' })
    t.teardown(() => child.kill('SIGKILL'))
    const { routerPort: port, routerTlsPort: tlsPort, ...more } = { ...wish, ...settings }
    const file = { ...processOf(child.pid ?? 0), port, tlsPort, more: shardText(more) }
    writeFileSync(shardFile(paths, index), JSON.stringify(file))
    return child
  }
  const good = shardOf(t, 0, {})
  const other = shardOf(t, 1, { routerBalancers: [] })
  const surplus = shardOf(t, 2, {})
  const started = (index: number): number => Number(readFileSync(join(folder, `started-${index}`), 'utf8'))
  const routers = startRouterProcesses({
    paths,
    settings: wish,
    // Its last argument says which one it is to be, as those of a shard do.
    argv: ['sh', '-c', `echo $$ > ${folder}/started-$0; exec sleep 600`],
    env: { PATH: process.env['PATH'] ?? '' },
    clock: systemClock,
    log: () => undefined,
  })
  await until(() => other.signalCode === 'SIGTERM' && surplus.signalCode === 'SIGTERM', {
    what: 'both to be told to end',
  })
  const pid = await until(() => started(1), { what: 'another in the place of the one' })
  t.teardown(() => process.kill(pid, 'SIGKILL'))
  t.equal(good.signalCode, null)
  t.throws(() => started(0), { code: 'ENOENT' })
  t.throws(() => started(2), { code: 'ENOENT' })
  await routers.stop()
  t.equal(good.signalCode, 'SIGTERM', 'until the host ends')
})
