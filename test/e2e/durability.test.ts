/**
 * Nothing acknowledged is lost: the host process killed, everything killed at once, a clean stop; each
 * followed by a start. The platform's first start deploys the sample app by a real push, as a newcomer's
 * does.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { homeFile, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

t.setTimeout(420_000)
const platform = await startPlatform({ MANIFOLD_SAMPLE: '1' })
t.teardown(() => platform.dispose())
const { heroku } = platform
const app = ['-a', 'hello']

const ok = async (args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await heroku(args)
  if (code !== 0) throw new Error(`heroku ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`)
  return stdout + stderr
}
const logs = (): Promise<string> => platform.logs('hello')
const isUp = async (dyno: string): Promise<boolean> => (await platform.dynoState('hello', dyno)) === 'up'
const answers = async (): Promise<boolean> => (await platform.get('hello.localhost')).status === 200

const readProc = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

/** It may have ended since it was seen. */
const killed = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Every process of this platform: by the home in its command line or environment, or by its container. */
const allProcesses = (): number[] => {
  const containers = readdirSync(join(platform.home, 'containers'))
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const words = readProc(pid, 'cmdline')
      const isOurs =
        words.includes(platform.home) || readProc(pid, 'environ').includes(`MANIFOLD_HOME=${platform.home}`)
      return isOurs || containers.some((id) => readProc(pid, 'cgroup').includes(`/${id}`))
    })
    .map(Number)
}

await t.test('the first start deploys the sample app and says in one line where everything is', async (t) => {
  t.match(
    platform.output(),
    /^manifold ready api=http:\/\/localhost:\d+ apps=http:\/\/<app>\.localhost:\d+ home=\S+$/m,
  )
  await until(answers, { what: 'the sample', timeoutMs: 60_000 })
  t.match(await ok(['releases', ...app]), /v3 +Deploy [0-9a-f]{8}/)
})

await t.test(
  'a second start on the same home, or on a port that is taken, is refused in one line',
  async (t) => {
    const sameHome = await platform.startSecond({})
    t.equal(sameHome.code, 1)
    t.match(sameHome.stderr, new RegExp(`in use by the manifold with pid ${platform.pid()}`))
    const samePort = await platform.startSecond({ MANIFOLD_HOME: join(platform.user, 'other') })
    t.equal(samePort.code, 1)
    t.match(samePort.stderr, `MANIFOLD_PORT=${platform.port} cannot be used: something listens there already`)
    const badValue = await platform.startSecond({ MANIFOLD_PORT: 'x' })
    t.equal(badValue.code, 2)
    t.match(badValue.stderr, 'MANIFOLD_PORT="x" is not allowed: want a port from 1 to 65535')
  },
)

await t.test(
  'killing the host process stops neither dynos nor routing, and it finds them again',
  async (t) => {
    await ok(['ps:scale', 'web=2', ...app])
    await ok(['config:set', 'KEPT=one', ...app])
    await until(async () => (await isUp('web.1')) && (await isUp('web.2')), {
      what: 'both up',
      timeoutMs: 60_000,
    })
    const before = await ok(['ps', ...app])
    t.match(before, /web\.1: up [^]*web\.2: up /)
    await platform.kill()
    for (let i = 0; i < 20; i++)
      t.equal((await platform.get('hello.localhost', `/while-away-${i}-`)).status, 200)
    await platform.restart()
    t.equal(
      await ok(['ps', ...app]).then((text) => text.replaceAll(/\(~.*\)/g, '')),
      before.replaceAll(/\(~.*\)/g, ''),
      'the same runs, since the same time',
    )
    t.equal((await ok(['config:get', 'KEPT', ...app])).trim(), 'one')
    await until(async () => (await logs()).includes('path="/while-away-19-"'), {
      what: 'the log of the time away',
      timeoutMs: 60_000,
    })
    const text = await ok(['logs', '-n', '1500', ...app])
    for (let i = 0; i < 20; i++) {
      t.equal(text.split(`path="/while-away-${i}-"`).length, 2, `the router's line ${i} is there once`)
    }
  },
)

await t.test(
  'what a dyno says and how it ends while the host process is away is known when that is back',
  async (t) => {
    const count = 80
    const command = `for i in $(seq 1 ${count}); do echo away-$i-; sleep 0.05; done; exit 7`
    const isThere = (): boolean =>
      readdirSync('/proc').some(
        (name) => /^\d+$/.test(name) && readProc(name, 'cmdline').includes('echo away-$i-'),
      )
    await ok(['run:detached', ...app, '--', command])
    await until(async () => (await logs()).includes(': away-1-\n'), {
      what: 'its first line',
      timeoutMs: 60_000,
    })
    await platform.kill()
    await until(() => !isThere(), { what: 'its end', timeoutMs: 60_000 })
    await platform.restart()
    const text = await until(
      async () => {
        const all = await logs()
        return /run\.\d{4}\]: State changed from up to complete/.test(all) && all
      },
      { what: 'its end in the log', timeoutMs: 60_000 },
    )
    for (let i = 1; i <= count; i++) t.equal(text.split(`: away-${i}-`).length, 2, `line ${i} is there once`)
    t.match(text, /heroku\[run\.\d{4}\]: Process exited with status 7/)
  },
)

await t.test('a router shard and a nats-server that die are started again', async (t) => {
  const shardPid = (): number => (JSON.parse(homeFile(platform, 'run/router-0.json')) as { pid: number }).pid
  const natsPid = (): number => Number(homeFile(platform, 'nats/nats.pid'))
  const [shard, nats] = [shardPid(), natsPid()]
  process.kill(shard, 'SIGKILL')
  await until(answers, { what: 'an answer without that shard', timeoutMs: 60_000 })
  await until(() => shardPid() !== shard, { what: 'a new shard', timeoutMs: 60_000 })
  process.kill(nats, 'SIGKILL')
  t.ok(await answers(), 'requests need no NATS')
  await until(() => natsPid() !== nats, { what: 'a new nats-server', timeoutMs: 60_000 })
  const change = (): Promise<unknown> =>
    platform.api('PATCH', '/apps/hello/config-vars', { KEPT: 'three' }).then(() => true)
  await until(change, { what: 'a change is taken again', timeoutMs: 60_000 })
  t.equal((await ok(['config:get', 'KEPT', ...app])).trim(), 'three')
})

await t.test('killing every process at once loses nothing that was acknowledged', async (t) => {
  await ok(['config:set', 'KEPT=two', ...app])
  await ok(['ps:scale', 'web=1', ...app])
  const releases = (await ok(['releases', ...app])).replaceAll(/\(~.*\)/g, '')
  for (const pid of allProcesses()) killed(pid)
  await until(() => allProcesses().length === 0, { what: 'everything dead', timeoutMs: 60_000 })
  await platform.restart()
  await until(answers, { what: 'the app after the crash of everything', timeoutMs: 60_000 })
  t.equal((await ok(['releases', ...app])).replaceAll(/\(~.*\)/g, ''), releases)
  t.equal((await ok(['config:get', 'KEPT', ...app])).trim(), 'two')
  t.match(await ok(['ps:scale', ...app]), /web=1:/)
  t.match(await logs(), /while-away-19-/)
})

await t.test('a clean stop ends every process, and a start finds everything as it was', async (t) => {
  const crashes = async (): Promise<number> => (await logs()).split('crashed').length
  const before = await crashes()
  t.equal(await platform.stop(), 0)
  t.same(allProcesses(), [])
  await platform.restart()
  await until(answers, { what: 'the app after a clean stop', timeoutMs: 60_000 })
  await until(() => isUp('web.1'), { what: 'web.1 up', timeoutMs: 60_000 })
  t.equal(await crashes(), before, 'a stop on purpose is no crash')
})

await t.test(
  'a dyno that cools off after crashes goes on cooling off when everything was killed',
  async (t) => {
    /** What `heroku ps` shows of it. */
    const crashedSince = async (): Promise<string | undefined> => {
      const dynos = await platform.api('GET', '/apps/hello/dynos')
      return dynos.find(
        (dyno: Record<string, string>) => dyno['name'] === 'web.1' && dyno['state'] === 'crashed',
      )?.['updated_at']
    }
    const timesCrashed = async (): Promise<number> =>
      (await logs()).split('web.1]: State changed from starting to crashed').length
    const killAll = async (): Promise<void> => {
      for (const pid of allProcesses()) killed(pid)
      await until(() => allProcesses().length === 0, { what: 'everything dead', timeoutMs: 60_000 })
      await platform.restart()
    }
    const before = await timesCrashed()
    await ok(['config:set', 'NODE_OPTIONS=--no-such-option', ...app])
    await until(async () => (await timesCrashed()) >= before + 2, { what: 'two crashes', timeoutMs: 60_000 })
    // A cool-off is of a random length: one that ends just now has a longer one after it.
    const isKept = async (): Promise<boolean> => {
      const since = await until(crashedSince, { what: 'the crashed dyno', timeoutMs: 60_000 })
      await killAll()
      return since === (await until(crashedSince, { what: 'it, after', timeoutMs: 60_000 }))
    }
    const isKeptOnce = (await isKept()) || (await isKept()) || (await isKept())
    t.ok(isKeptOnce, 'crashed, and since when it was before')
    await ok(['config:unset', 'NODE_OPTIONS', ...app])
    await until(answers, { what: 'the app with a release that does not crash', timeoutMs: 60_000 })
  },
)
