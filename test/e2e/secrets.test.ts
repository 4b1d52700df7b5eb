/**
 * Secrets, end to end: a platform is used with secrets that can be told from anything else, and then all that
 * it wrote, printed, answered or runs with is searched for them.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { commitApp, procfileApp, writeApp } from '../kit/apps.ts'
import { startPlatform } from '../kit/platform.ts'
import { run } from '../kit/run.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

/** Long and odd enough to be nothing else. */
const secrets = {
  configVar: 'zq-config-9f1c7d2e5b',
  password: 'zq-password-4a8e6c0b1d',
  header: 'zq-header-7b3d5f9a2c',
  drainPassword: 'zq-drain-6e2a8c4f0b',
} as const

/** Every file below that a process of the platform wrote, but for what only its disk sees sealed or open. */
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() && statSync(path).size < 64 * 1024 * 1024 ? [path] : []
  })

const platform = await startPlatform()
t.teardown(() => platform.dispose())

t.test('no secret is in a log, an error, the record, a backup or a list of processes', async (t) => {
  const { api, home } = platform
  const folder = join(platform.user, 'shop')
  writeApp(folder, procfileApp('sleep 1000000', 'worker'))
  await commitApp(platform, folder, 'a worker')
  const done = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await platform.heroku(args, { cwd: folder })
    if (code !== 0) throw new Error(`heroku ${args.join(' ')}: ${stdout}${stderr}`)
    return stdout + stderr
  }
  await done('create', 'shop')
  await api('PATCH', '/apps/shop/config-vars', { SECRET: secrets.configVar })
  const pushed = await platform.sourced('git push heroku main', { cwd: folder })
  t.equal(pushed.code, 0, pushed.stderr)
  await api('PATCH', '/apps/shop/formation', { updates: [{ type: 'worker', quantity: 1 }] })
  await until(async () => (await platform.dynoState('shop', 'worker.1')) === 'up', {
    what: 'worker.1 up',
    timeoutMs: 60_000,
  })
  const { token } = await api('POST', '/accounts', { email: 'ann@example.com', password: secrets.password })
  const { access_token: made } = await api('POST', '/oauth/authorizations', { scope: ['read'] })
  const { id } = await api('GET', '/apps/shop')
  await api('POST', '/telemetry-drains', {
    owner: { id, type: 'app' },
    signals: ['logs'],
    exporter: { type: 'otlphttp', endpoint: 'http://127.0.0.1:9', headers: { 'x-key': secrets.header } },
  })
  await api('POST', '/apps/shop/log-drains', {
    url: `https://user:${secrets.drainPassword}@127.0.0.1:9/logs`,
  })
  // What goes wrong says things, too.
  const wrong = [
    ['PATCH', '/apps/shop/config-vars', { '1BAD': secrets.configVar }],
    ['POST', '/apps/shop/log-drains', { url: `gopher://user:${secrets.drainPassword}@x` }],
    ['POST', '/accounts', { email: 'ann@example.com', password: secrets.password }],
    ['PATCH', '/account', { new_password: secrets.password, password: 5 }],
  ] as const
  const refusals: string[] = []
  for (const [method, path, body] of wrong)
    refusals.push(await api(method, path, body).then(() => 'done', String))
  const opens = {
    Authorization: `Basic ${Buffer.from(`ann@example.com:${secrets.password}x`).toString('base64')}`,
  }
  const url = `http://127.0.0.1:${platform.port}/oauth/authorizations`
  refusals.push(await (await fetch(url, { method: 'POST', headers: opens })).text())
  await done('run', 'echo', 'hello')
  await done('ps:restart')
  const audit = JSON.stringify(await api('GET', '/audit-trail'))
  const logs = await platform.logs('shop')
  const listed = JSON.stringify([
    await api('GET', '/oauth/authorizations'),
    await api('GET', '/accounts'),
    await api('GET', '/apps/shop/releases'),
    await api('GET', '/apps/shop/audit-trail'),
  ])
  const processes = (await run(['/bin/ps', '-eo', 'args'], { env: {} })).stdout
  await platform.stop()

  const all = [...Object.entries(secrets), ['token of an account', token], ['token', made.token]] as const
  const owner = readFileSync(join(home, 'keys/owner.token'), 'utf8').trim()
  const places: [string, string][] = [
    ['what the platform prints', platform.output()],
    ['refusals', refusals.join('\n')],
    ['the audit trail', audit],
    ["the app's log", logs],
    ['lists', listed],
    ['the list of processes', processes],
    ['what the push printed', pushed.stderr],
  ]
  const seen = places.flatMap(([place, text]) =>
    [...all, ["the operator's token", owner] as const]
      .filter(([, secret]) => text.includes(secret))
      .map(([what]) => `${what} in ${place}`),
  )
  t.same(seen, [])
  // On disk, where sealed records lie beside everything else: drains' own addresses are kept as they are.
  const kept = /^\/(?:stacks|bin|slugs|git|containers|keys|build-node)\//
  const files = filesBelow(home).filter((path) => !kept.test(path.slice(home.length)))
  t.ok(
    files.some((path) => /\/nats\//.test(path)),
    'the record is among what is searched',
  )
  const found = files.flatMap((path) => {
    const bytes = readFileSync(path)
    return all
      .filter(([what, secret]) => what !== 'drainPassword' && bytes.includes(secret))
      .map(([what]) => `${what} in ${path.slice(home.length)}`)
  })
  t.same(found, [])
})
