/** Which shard processes of an earlier life of their host go on, and which make room. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { homePaths } from '../../actors/main/paths.ts'
import {
  needRouterPorts,
  shardFile,
  shardText,
  startRouterProcesses,
} from '../../actors/main/router-processes.ts'
import { systemClock } from '../../src/system/clock.ts'
import { processOf } from '../../src/system/process.ts'
import { scratch } from '../kit/files.ts'
import { freePorts } from '../kit/ports.ts'
import { until } from '../kit/until.ts'

const wish = {
  routerShards: 2,
  routerPort: 8080,
  routerTlsPort: 8443,
  routerBalancers: ['10.0.0.5'],
  routerTlsBalancers: [],
}

/** Shards of an earlier life, and what keeps those of this one. */
const hostOf = async (t: Test) => {
  const folder = await scratch(t)
  const paths = homePaths(folder)
  mkdirSync(paths.run, { recursive: true })
  const sayShard = (index: number, pid: number, settings: Partial<typeof wish> = {}): void => {
    const { routerPort: port, routerTlsPort: tlsPort, ...more } = { ...wish, ...settings }
    const file = { ...processOf(pid), port, tlsPort, more: shardText(more) }
    writeFileSync(shardFile(paths, index), JSON.stringify(file))
  }
  /** A process that says it is a shard with these settings. */
  const shardOf = (index: number, settings: Partial<typeof wish>) => {
    const child = spawn('sleep', ['600'], { stdio: 'ignore' })
    t.teardown(() => child.kill('SIGKILL'))
    sayShard(index, child.pid ?? 0, settings)
    return child
  }
  const started = (index: number): number => Number(readFileSync(join(folder, `started-${index}`), 'utf8'))
  const start = () => {
    const routers = startRouterProcesses({
      paths,
      settings: wish,
      // Its last argument says which one it is to be, as those of a shard do.
      argv: ['sh', '-c', `echo $$ > ${folder}/started-$0; exec sleep 600`],
      env: { PATH: process.env['PATH'] ?? '' },
      clock: systemClock,
      log: () => undefined,
    })
    t.teardown(() => routers.stop())
    return routers
  }
  const startedInPlaceOf = async (index: number): Promise<number> => {
    const pid = await until(() => started(index), { what: `another in the place of ${index}` })
    t.teardown(() => process.kill(pid, 'SIGKILL'))
    return pid
  }
  return { paths, sayShard, shardOf, started, start, startedInPlaceOf }
}

t.test('shards that were started as they should be go on, others and those too many end', async (t) => {
  const { shardOf, started, start, startedInPlaceOf } = await hostOf(t)
  const good = shardOf(0, {})
  const other = shardOf(1, { routerBalancers: [] })
  const surplus = shardOf(2, {})
  const routers = start()
  await until(() => other.signalCode === 'SIGTERM' && surplus.signalCode === 'SIGTERM', {
    what: 'both to be told to end',
  })
  await startedInPlaceOf(1)
  t.equal(good.signalCode, null)
  t.throws(() => started(0), { code: 'ENOENT' })
  t.throws(() => started(2), { code: 'ENOENT' })
  await routers.stop()
  await until(() => good.signalCode === 'SIGTERM', { what: 'the good one to end with its host' })
})

t.test(
  'shards with an older setting make room one after the other, so that somebody always serves',
  async (t) => {
    const { shardOf, sayShard, start, started, startedInPlaceOf } = await hostOf(t)
    const [one, other] = [shardOf(0, { routerShards: 4 }), shardOf(1, { routerShards: 4 })]
    start()
    await until(() => one.signalCode === 'SIGTERM', { what: 'the first to be told' })
    const pid = await startedInPlaceOf(0)
    t.equal(other.signalCode, null)
    t.throws(() => started(1), { code: 'ENOENT' })
    sayShard(0, pid)
    await until(() => other.signalCode === 'SIGTERM', {
      what: 'the second to be told, once the first serves again',
    })
    await startedInPlaceOf(1)
  },
)

t.test('shards on a port that is another now end at once', async (t) => {
  const { shardOf, start, startedInPlaceOf } = await hostOf(t)
  const both = [0, 1].map((index) => shardOf(index, { routerPort: 8081 }))
  start()
  await until(() => both.every(({ signalCode }) => signalCode === 'SIGTERM'), { what: 'both to be told' })
  for (const index of [0, 1]) await startedInPlaceOf(index)
})

t.test('a port that any shard of an earlier life has is not taken by a stranger', async (t) => {
  const { paths, shardOf } = await hostOf(t)
  const [routerPort = 0, routerTlsPort = 0] = await freePorts(2)
  for (const port of [routerPort, routerTlsPort]) {
    const server = createServer().listen(port, '127.0.0.1')
    t.teardown(() => server.close())
    await until(() => server.listening, { what: 'a listener' })
  }
  const ports = { routerPort, routerTlsPort }
  await t.rejects(needRouterPorts(paths, ports), { code: 'taken', message: /^MANIFOLD_ROUTER_PORT=/ })
  shardOf(2, { routerPort })
  await t.rejects(needRouterPorts(paths, ports), { code: 'taken', message: /^MANIFOLD_ROUTER_TLS_PORT=/ })
  const last = shardOf(1, ports)
  await needRouterPorts(paths, ports)
  last.kill('SIGKILL')
  await until(() => last.signalCode !== null, { what: 'its end' })
  await t.rejects(needRouterPorts(paths, ports), { code: 'taken' }, 'one that is dead has none')
})
