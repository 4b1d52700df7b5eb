/** A platform on a bus that is not its own: three plain nats-servers with a login, as somebody has them. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { natsServer } from '../kit/bus.ts'
import { startPlatform } from '../kit/platform.ts'
import { freePorts } from '../kit/ports.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

type Server = { readonly port: number; readonly kill: () => Promise<void> }

const startServers = async (t: Test): Promise<readonly Server[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'manifold-external-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const ports = await freePorts(6)
  const routes = ports.slice(3)
  const others = routes.map((port) => `nats://127.0.0.1:${port}`).join(', ')
  return routes.map((route, index): Server => {
    const [port = 0, name] = [ports[index], `n${index + 1}`]
    const lines = [
      `server_name: ${name}`,
      `listen: 127.0.0.1:${port}`,
      `jetstream { store_dir: "${join(folder, name)}" }`,
      `cluster { name: external, listen: 127.0.0.1:${route}, routes: [${others}] }`,
      'authorization { user: platform, password: "s3cret" }',
    ]
    const conf = join(folder, `${name}.conf`)
    writeFileSync(conf, `${lines.join('\n')}\n`)
    const child = spawn(natsServer, ['-c', conf], { stdio: 'ignore', env: {} })
    const gone = new Promise((resolve) => child.once('exit', resolve))
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL')
      await gone
    }
    t.teardown(kill)
    return { port, kill }
  })
}

t.test(
  'a platform keeps its record on an external bus, outlives one of its servers, and is joined there',
  async (t) => {
    const servers = await startServers(t)
    const urls = (password: string): string =>
      servers.map(({ port }) => `nats://platform:${password}@127.0.0.1:${port}`).join(',')
    const local = { MANIFOLD_DRIVER: 'process', MANIFOLD_ADDRESS: '127.0.0.1' }
    const platform = await startPlatform({ ...local, MANIFOLD_NATS_URL: urls('s3cret') })
    t.teardown(platform.dispose)
    t.equal((await platform.heroku(['create', 'shop'])).code, 0)
    t.equal((await platform.heroku(['config:set', 'A=1', '-a', 'shop'])).code, 0)

    await servers[0]?.kill()
    // Writes wait for a leader meanwhile, and the API asks again by itself. But of what was under way through
    // the dead server it does not know whether it was done, says so, and leaves it to its user.
    await until(
      async () => {
        const { code, stderr } = await platform.heroku(['config:set', 'B=2', '-a', 'shop'], {
          timeoutMs: 60_000,
        })
        if (code !== 0) t.match(stderr, /The change may have been made:|nothing was changed\./)
        return code === 0
      },
      { what: 'a change without the dead server', timeoutMs: 90_000 },
    )

    t.equal(await platform.stop(), 0)
    await platform.restart()
    const kept = await until(async () => (await platform.heroku(['config', '-s', '-a', 'shop'])).stdout, {
      what: 'the config vars after a new start',
      timeoutMs: 60_000,
    })
    t.match(kept, /^A=1$/m)
    t.match(kept, /^B=2$/m)

    const joinUrl = /MANIFOLD_JOIN=(\S+)/.exec(platform.output())?.[1] ?? ''
    const second = await startPlatform({ ...local, MANIFOLD_JOIN: joinUrl })
    t.teardown(second.dispose)
    await second.stop()
    await second.restart()
    const seen = await second.heroku(['config', '-s', '-a', 'shop'])
    t.match(seen.stdout, /^A=1$/m, 'a host that joined was told where the bus is')
    await second.stop()
    t.notMatch(platform.output() + second.output(), /s3cret/, 'no password in what they log')

    await platform.stop()
    const refused = await platform.startSecond({ MANIFOLD_NATS_URL: urls('wrong') })
    t.equal(refused.code, 1)
    t.match(refused.stderr, /manifold could not start: the bus refused platform/)
  },
)
