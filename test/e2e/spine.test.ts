/**
 * The spine, end to end: the stock heroku CLI, git and HTTP against a whole platform with real containers.
 * One platform for the file; its parts build on each other, as a user's first hour does.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { commitApp, procfileApp, webApp, writeApp } from '../kit/apps.ts'
import { homeFile, startPlatform } from '../kit/platform.ts'
import { start } from '../kit/run.ts'
import { schemaFaults } from '../kit/schema.ts'
import { until } from '../kit/until.ts'

t.setTimeout(600_000)
const platform = await startPlatform()
t.teardown(() => platform.dispose())
const folder = join(platform.user, 'shop')
const app = 'shop'
const inApp = { cwd: folder }
const { heroku, git } = platform

/** A wait that a slow machine, too, brings to its end. */
const soon = (what: string) => ({ what, timeoutMs: 60_000 })

/** The CLI wraps its errors at 80 columns behind a mark. */
const flat = (text: string): string => text.replaceAll(/[\s›]+/g, ' ')

/** The CLI's own success, its output given back. */
const ok = async (args: readonly string[], options = {}): Promise<string> => {
  const { code, stdout, stderr } = await heroku(args, { ...inApp, ...options })
  if (code !== 0) throw new Error(`heroku ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`)
  return stdout + stderr
}
const greeting = async (
  host = `${app}.localhost`,
): Promise<{ greeting: string; dyno: string; headers: Record<string, string> }> => {
  const { status, body } = await platform.get(host)
  if (status !== 200) throw new Error(`${status} ${body}`)
  return JSON.parse(body) as never
}

/** As the API says, which costs less than a CLI that asks it. */
const areUp = (...names: readonly string[]): Promise<unknown> =>
  until(
    async () => {
      const states = await Promise.all(names.map((name) => platform.dynoState(app, name)))
      return states.every((state) => state === 'up')
    },
    { what: `${names.join(', ')} up`, timeoutMs: 60_000 },
  )

/** `heroku logs --tail` with these filters, and what it has printed. */
const tailed = async (filters: readonly string[]) => {
  const { stdout } = await platform.sourced('env -0')
  const env = Object.fromEntries(
    stdout
      .split('\0')
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const child = start(['heroku', 'logs', '--tail', ...filters, '-a', app], env, folder)
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return { text: () => text, end: () => void child.kill('SIGKILL') }
}

await t.test('heroku auth:whoami and create answer as Heroku does', async (t) => {
  writeApp(folder, webApp(app))
  await commitApp(platform, folder, 'first')
  t.match(await ok(['auth:whoami']), /@/)
  const created = await ok(['create', app])
  t.match(
    created,
    `http://${app}.localhost:${platform.routerPort}/ | https://localhost:${platform.port}/${app}.git`,
  )
  const unnamed = await ok(['create', '--no-remote'])
  t.match(unnamed, /Creating app\.\.\. done, \S*[a-z]+-[a-z]+-\d+/)
  t.match(await ok(['apps']), new RegExp(`^${app}$`, 'm'))
})

await t.test('an app without a release answers with the page for a blank app', async (t) => {
  t.equal((await platform.get(`${app}.localhost`)).status, 503)
  t.equal((await platform.get('nobody.localhost')).status, 404)
})

await t.test('git push builds, releases and serves the app', async (t) => {
  // As users do it: git asks the CLI for credentials.
  const pushed = await platform.sourced('git push heroku main', { ...inApp, timeoutMs: 180_000 })
  t.equal(pushed.code, 0, pushed.stderr)
  t.match(pushed.stderr, /remote: -----> Node\.js app detected/)
  t.match(pushed.stderr, /remote: {8}Procfile declares types -> web, worker/)
  t.match(pushed.stderr, /remote: {8}Released v3/)
  t.match(pushed.stderr, /remote: Verifying deploy\.\.\. done\./)
  t.match(pushed.stderr, /main -> main/)
  const answer = await until(() => greeting(), { what: 'the first answer', timeoutMs: 60_000 })
  t.equal(answer.greeting, 'hello')
  t.equal(answer.dyno, 'web.1')
  t.match(answer.headers['x-request-id'], /^[0-9a-f-]{36}$/)
  t.equal(answer.headers['x-forwarded-proto'], 'http')
  t.match(answer.headers['x-forwarded-for'], '127.0.0.1')
})

await t.test(
  "heroku-client reads everything the commands read, each answer of Heroku's schema",
  async (t) => {
    const token = /HEROKU_API_KEY='([^']+)'/.exec(homeFile(platform, 'env'))?.[1]
    type Client = {
      get(path: string): Promise<unknown>
      patch(path: string, options: object): Promise<unknown>
    }
    const Heroku = createRequire(import.meta.url)('heroku-client') as new (options: object) => Client
    const client = new Heroku({ token, host: `http://127.0.0.1:${platform.port}` })
    const answers: Readonly<Record<string, string>> = {
      '/account': 'account',
      '/apps': 'app',
      [`/apps/${app}`]: 'app',
      [`/apps/${app}/config-vars`]: 'config-vars',
      [`/apps/${app}/releases`]: 'release',
      [`/apps/${app}/releases/3`]: 'release',
      [`/apps/${app}/formation`]: 'formation',
      [`/apps/${app}/dynos`]: 'dyno',
      [`/apps/${app}/domains`]: 'domain',
      [`/apps/${app}/builds`]: 'build',
      [`/apps/${app}/collaborators`]: 'collaborator',
      [`/apps/${app}/buildpack-installations`]: 'buildpack-installation',
      '/stacks': 'stack',
      '/regions': 'region',
      '/dyno-sizes': 'dyno-size',
    }
    for (const [path, resource] of Object.entries(answers))
      t.same(schemaFaults(resource, await client.get(path)), [], `GET ${path}`)
    t.match(await client.patch(`/apps/${app}`, { body: { maintenance: true } }), { maintenance: true })
    await until(async () => (await platform.get(`${app}.localhost`)).status === 503, soon('maintenance'))
    t.match(await client.patch(`/apps/${app}`, { body: { maintenance: false } }), { maintenance: false })
    await until(() => greeting(), soon('the end of maintenance'))
  },
)

await t.test('heroku ps and ps:scale show and change the formation', async (t) => {
  t.match(await ok(['ps']), /=== web \(\w+\): npm start \(1\)\n+web\.1: up /)
  t.match(await ok(['ps:scale', 'web=2', 'worker=1']), /now running web at 2:\w+, worker at 1:\w+/)
  await areUp('web.1', 'web.2', 'worker.1')
  const shown = await ok(['ps'])
  t.match(shown, /^web\.1: up [^]*^web\.2: up /m)
  t.match(shown, /=== worker \(\w+\): node worker\.js \(1\)\n+worker\.1: up /)
  const seen = new Set<string>()
  await until(async () => seen.add((await greeting()).dyno).size === 2, soon('answers from both web dynos'))
  t.match(await ok(['ps:scale']), /web=2:\w+ worker=1:\w+/)
})

await t.test('heroku features and labs show, enable and disable the features of an app', async (t) => {
  const features = await ok(['features'])
  t.match(features, /\[ \] http-session-affinity/)
  t.notMatch(features, /http-end-to-end-continue/, 'that one is of the labs')
  t.match(await ok(['features:enable', 'http-session-affinity']), /done/)
  t.match(await ok(['features']), /\[\+\] http-session-affinity/)
  t.match((await heroku(['features:enable', 'http-session-affinity'], inApp)).stderr, /already enabled/)
  t.match(await ok(['features:disable', 'http-session-affinity']), /done/)
  t.match(await ok(['features:enable', 'singleton-worker']), /done/)
  t.match(await ok(['features:info', 'singleton-worker']), /Enabled: +true/)
  t.match(await ok(['labs']), /\[ \] http-end-to-end-continue/)
  t.match(await ok(['labs:enable', 'http-end-to-end-continue']), /done/)
  t.match(await ok(['labs']), /\[\+\] http-end-to-end-continue/)
  t.match(await ok(['labs:disable', 'http-end-to-end-continue']), /done/)
  t.match(flat((await heroku(['features:info', 'nope'], inApp)).stderr), /Couldn't find that app feature/)
  await areUp('worker.1')
})

await t.test('config:set restarts the app with the new value as a new release', async (t) => {
  t.match(await ok(['config:set', 'GREETING=hej', 'OTHER=x y']), /done, v4/)
  t.match(await ok(['config']), /GREETING: +hej/)
  t.equal((await ok(['config:get', 'OTHER'])).trim(), 'x y')
  await until(async () => (await greeting()).greeting === 'hej', {
    what: 'the new greeting',
    timeoutMs: 60_000,
  })
  t.match(await ok(['config:unset', 'OTHER']), /done, v5/)
  t.equal((await ok(['config:get', 'OTHER'])).trim(), '')
})

await t.test('releases tell the story and rollback makes a new one from an old', async (t) => {
  const listed = await ok(['releases'])
  for (const text of [
    'Initial release',
    'Enable Logplex',
    'Set GREETING, OTHER config vars',
    'Remove OTHER config vars',
  ])
    t.match(listed, text)
  t.match(listed, /v3 +Deploy [0-9a-f]{8}/)
  t.match(await ok(['releases:info', 'v4']), /Set GREETING, OTHER config vars/)
  t.match(await ok(['rollback', 'v3']), /done, v6/)
  await until(async () => (await greeting()).greeting === 'hello', {
    what: 'the old greeting',
    timeoutMs: 60_000,
  })
  t.match(await ok(['releases']), /Rollback to v3/)
})

await t.test('heroku logs shows the history and --tail goes on live without gap or double', async (t) => {
  await platform.get(`${app}.localhost`, '/marked-in-history')
  await until(async () => {
    const text = await platform.logs(app)
    return text.includes('path="/marked-in-history"') && text.includes('served /marked-in-history')
  }, soon('the request in the history'))
  const history = await ok(['logs', '-n', '1500'])
  t.match(history, 'path="/marked-in-history"')
  t.match(history, 'served /marked-in-history')
  t.match(history, /app\[api\]: Release v3 created by user /)
  t.match(history, /heroku\[web\.1\]: Starting process with command `npm start`/)
  t.match(history, /heroku\[web\.1\]: State changed from starting to up/)
  t.match(history, /app\[worker\.1\]: tick worker\.1/)
  t.match(
    history,
    /heroku\[router\]: at=info method=GET path="\/marked-in-history" host=shop\.localhost request_id=\S+ fwd="127\.0\.0\.1" dyno=web\.\d connect=\d+ms service=\d+ms status=200 bytes=\d+ protocol=http1.1 tls=false/,
  )
  const few = await ok(['logs', '-n', '2', '--process-type', 'worker'])
  t.equal(few.split(/ \w+\[worker\.1\]: /).length, 3, few)
  t.notMatch(few, /\[(?:web|router|api)/)
  const classic = await platform.sourced(
    `${process.cwd()}/bin/manifold logs ${app} --num 50 --dyno router --output classic`,
  )
  t.match(
    classic.stdout,
    /^[A-Z][a-z]{2} [ \d]\d [\d:]{8} shop heroku\/router: {2}GET shop\.localhost\/mark/m,
  )
  t.match(classic.stdout, /-history dyno=web\.\d queue=\d+ wait=\d+ms service=\d+ms status=200 bytes=\d+$/m)
  const tail = await tailed(['--source', 'heroku', '--dyno-name', 'router'])
  await until(() => tail.text().includes('/marked-in-history'), soon('the history in the tail'))
  for (let i = 0; i < 20; i++) await platform.get(`${app}.localhost`, `/live-${i}-`)
  await until(() => tail.text().includes('/live-19-'), soon('the live lines'))
  tail.end()
  for (let i = 0; i < 20; i++)
    t.equal(tail.text().split(`path="/live-${i}-"`).length, 2, `/live-${i}- is there once`)
})

await t.test('ps:restart replaces every run and loses no request', async (t) => {
  // The load says more than the history holds: it is read as it comes.
  const tail = await tailed(['--source', 'heroku', '--dyno-name', 'web'])
  const restarts = (): number => tail.text().split('Restarting').length
  await until(() => tail.text() !== '', soon('the history in the tail'))
  const before = restarts()
  const failures: string[] = []
  const restarted = new AbortController()
  const load = (async () => {
    while (!restarted.signal.aborted) {
      const { status } = await platform.get(`${app}.localhost`)
      if (status !== 200) failures.push(String(status))
    }
  })()
  t.teardown(() => restarted.abort())
  await ok(['ps:restart'])
  await until(() => restarts() >= before + 2, {
    what: 'the restart in the log',
    timeoutMs: 60_000,
  })
  await areUp('web.1', 'web.2', 'worker.1')
  restarted.abort()
  await load
  tail.end()
  t.same(failures, [])
})

await t.test('heroku run attaches, gives the exit code, takes input and has a TTY when asked', async (t) => {
  const echoed = await heroku(
    ['run', '--exit-code', '--no-tty', 'echo one; echo $DYNO; cat package.json; exit 7'],
    inApp,
  )
  t.equal(echoed.code, 7, echoed.stderr)
  t.match(echoed.stdout, /one\r?\nrun\.\d{4}/)
  t.match(echoed.stdout, /"name":\s*"shop"/)
  const fed = await heroku(['run', '--no-tty', 'cat'], { ...inApp, input: 'fed through\n' })
  t.match(fed.stdout, /fed through/)
  const detached = await ok(['run:detached', 'echo from afar'])
  const name = /run\.\d{4}/.exec(detached)?.[0] ?? 'none'
  await until(
    async () => (await platform.logs(app, { dyno: name, lines: 100 })).includes('from afar'),
    soon('its output in the log'),
  )
  t.match(await ok(['logs', '--dyno-name', name]), 'from afar')
  const tty = await platform.sourced(`script -qec "heroku run -a ${app} 'tty; stty size'" /dev/null`, inApp)
  t.match(tty.stdout, /\/dev\/(pts\/\d+|console)/)
})

await t.test('domains are added, routed and removed', async (t) => {
  t.match(await ok(['domains:add', 'www.example.com']), /www\.example\.com/)
  await until(async () => (await greeting('www.example.com')).greeting === 'hello', soon('the custom domain'))
  t.match(await ok(['domains']), /www\.example\.com/)
  await ok(['domains:remove', 'www.example.com'])
  await until(async () => (await platform.get('www.example.com')).status === 404, soon('the domain gone'))
})

await t.test('mistakes get the errors that Heroku gives', async (t) => {
  const wrongToken = await heroku(['apps'], { ...inApp, env: { HEROKU_API_KEY: 'wrong' } })
  t.not(wrongToken.code, 0)
  t.match(wrongToken.stderr, /HEROKU_API_KEY is invalid|Invalid credentials/)
  const wrongApp = await heroku(['config', '-a', 'no-such-app'], inApp)
  t.match(wrongApp.stderr, /Couldn't find that app/)
  const badName = await heroku(['create', 'Bad_Name', '--no-remote'], inApp)
  t.match(
    flat(badName.stderr),
    /Name must start with a letter, end with a letter or digit and can only contain lowercase letters, digits, and dashes/,
  )
  const taken = await heroku(['create', app, '--no-remote'], inApp)
  t.match(taken.stderr, /Name shop is already taken/)
  t.match((await heroku(['ps:scale', 'nope=1'], inApp)).stderr, /nope/)
  t.match((await heroku(['rollback', 'v99'], inApp)).stderr, /Couldn't find that release/)
})

await t.test('a push that cannot be built is refused and the app stays as it was', async (t) => {
  const other = join(platform.user, 'broken')
  writeApp(other, { 'README.md': 'nothing to build here\n' })
  await commitApp(platform, other, 'nothing')
  await ok(['create', 'broken'], { cwd: other })
  const undetected = await git(['push', 'heroku', 'main'], { cwd: other, timeoutMs: 60_000 })
  t.not(undetected.code, 0)
  t.match(undetected.stderr, /No default language could be detected for this app/)
  t.match(undetected.stderr, /pre-receive hook declined/)
  t.notMatch(undetected.stderr, /already been built/)
  const again = await git(['push', 'heroku', 'main'], { cwd: other, timeoutMs: 60_000 })
  t.match(
    again.stderr,
    /remote: {2}! ## Warning - The same version of this code has already been built: [0-9a-f]{40}/,
  )
  writeApp(other, { 'package.json': '{ "name": "broken", "scripts": { "build": "exit 9" } }' })
  await commitApp(platform, other, 'failing build')
  const failing = await git(['push', 'heroku', 'main'], { cwd: other, timeoutMs: 120_000 })
  t.not(failing.code, 0)
  t.match(failing.stderr, /Push rejected, failed to compile Node\.js app/)
  t.match(await ok(['releases', '-a', 'broken']), /v2/)
  const branch = await git(['push', 'heroku', 'main:feature'], { cwd: other, timeoutMs: 60_000 })
  t.match(branch.stderr, /Pushed to branch other than \[main, master\], skipping build/)
  await until(
    async () => (await platform.api('GET', '/apps/broken'))['repo_size'] > 0,
    soon('the size of the repository'),
  )
  t.match(await ok(['apps:info', '-a', 'broken']), /Repo Size: +\d+ K?B/)
  const reset = await platform.sourced(`${process.cwd()}/bin/manifold repo:reset broken`)
  t.equal(reset.code, 0, reset.stderr)
  t.equal((await git(['ls-remote', 'heroku'], { cwd: other, timeoutMs: 60_000 })).stdout, '')
})

await t.test('an app that crashes at start shows H10 and its state', async (t) => {
  const other = join(platform.user, 'crasher')
  writeApp(other, procfileApp('sh -c "echo going down; exit 1"'))
  await commitApp(platform, other, 'crash')
  await ok(['create', 'crasher'], { cwd: other })
  const pushed = await git(['push', 'heroku', 'main'], { cwd: other, timeoutMs: 60_000 })
  t.equal(pushed.code, 0, pushed.stderr)
  await until(async () => (await platform.dynoState('crasher', 'web.1')) === 'crashed', {
    what: 'the crash',
    timeoutMs: 60_000,
  })
  t.match(await ok(['ps', '-a', 'crasher']), /web\.1: crashed/)
  const page = await until(async () => {
    const answer = await platform.get('crasher.localhost')
    return answer.status === 503 && answer
  }, soon('the crash page'))
  t.match(page.body, /Application error|H10/i)
  await until(async () => (await platform.logs('crasher')).includes('code=H10'), soon('H10 in the log'))
  const logs = await ok(['logs', '-a', 'crasher', '-n', '500'])
  t.match(logs, /State changed from starting to crashed/)
  t.match(logs, /Process exited with status 1/)
  t.match(logs, /at=error code=H10 desc="App crashed" method=GET path="\/" host=crasher\.localhost/)
})

await t.test('apps:info, rename and destroy keep names, remotes and routes together', async (t) => {
  t.match(await ok(['apps:info']), new RegExp(`=== ${app}`))
  t.match(await ok(['apps:rename', 'store', '-a', app]), /Renaming shop to store.*done/s)
  await until(async () => (await greeting('store.localhost')).greeting === 'hello', soon('the new name'))
  await until(async () => (await platform.get('shop.localhost')).status === 404, soon('the old name gone'))
  await ok(['apps:destroy', '-a', 'store', '--confirm', 'store'])
  await until(async () => (await platform.get('store.localhost')).status === 404, soon('the app gone'))
  t.notMatch(await ok(['apps']), /^store$/m)
  t.match(await ok(['create', 'shop', '--no-remote']), /done/)
})
