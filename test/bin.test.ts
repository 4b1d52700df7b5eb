/** The operator's command, run as an operator runs it, against a real API whose cluster is the test's. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { writeEnvFile } from '../actors/api/env-file.ts'
import { outputs } from '../bin/log-output.ts'
import { apiToken, openApi } from './kit/api.ts'
import { dynosOn, memberOf, openOperator } from './kit/operator.ts'
import { machineEnv, run, start, type Ran } from './kit/run.ts'
import { until } from './kit/until.ts'

const command = join(import.meta.dirname, '../bin/manifold')

const openHome = async (t: Test, apiUrl: string, token = apiToken): Promise<string> => {
  const home = mkdtempSync(join(tmpdir(), 'manifold-bin-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  const secureHost = new URL(apiUrl).host
  const paths = { authorityPath: join(home, 'ca.pem'), bundlePath: join(home, 'bundle.pem'), home }
  await writeEnvFile(join(home, 'env'), { apiUrl, secureHost, token, ...paths })
  return home
}

const open = async (t: Test) => {
  const cluster = await openOperator(t)
  const api = await openApi(t, { cluster: cluster.operator })
  const home = await openHome(t, `http://127.0.0.1:${api.api.port}`)
  const manifold = (...args: readonly string[]): Promise<Ran> =>
    run([command, ...args], { env: { ...machineEnv(), MANIFOLD_HOME: home }, cwd: home })
  return { ...cluster, api, home, manifold }
}

t.test('manifold says what it can do, and what was asked wrongly', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'manifold-bin-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  // As it is installed: by a link, run from anywhere.
  const link = join(home, 'manifold')
  symlinkSync(command, link)
  const env = { ...machineEnv(), MANIFOLD_HOME: join(home, 'none') }
  const manifold = (...args: readonly string[]): Promise<Ran> => run([link, ...args], { env, cwd: home })
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string
  }
  t.same(await manifold('version'), { code: 0, stdout: `manifold ${version}\n`, stderr: '' })
  t.match(await manifold('help'), { code: 0, stdout: /hosts:drain NAME/ })
  t.match(await manifold(), { code: 0, stdout: /manifold doctor/ })
  t.match(await manifold('host'), { code: 2, stderr: /no command "host"; see manifold help/ })
  t.match(await manifold('hosts:drain'), { code: 2, stderr: /the name of the host is missing/ })
  t.match(await manifold('hosts', '--jsn'), { code: 2, stderr: /Unknown option '--jsn'/ })
  t.match(await manifold('hosts:drain', 'a', 'b'), { code: 2, stderr: /"b" is one argument too many/ })
  t.match(await manifold('hosts'), { code: 1, stderr: /no host has run with MANIFOLD_HOME=.*npm start/ })
  const tilde = await run([link, 'hosts'], { env: { ...env, MANIFOLD_HOME: '~/x' } })
  t.match(tilde, { code: 2, stderr: /MANIFOLD_HOME="~\/x" is not allowed/ })
})

t.test('on a host that has no token its users bring their own', async (t) => {
  const { api, home } = await open(t)
  const apiUrl = `http://127.0.0.1:${api.api.port}`
  const paths = { authorityPath: join(home, 'ca.pem'), bundlePath: join(home, 'bundle.pem'), home }
  await writeEnvFile(join(home, 'env'), { apiUrl, secureHost: 'localhost:1', ...paths })
  const env = { ...machineEnv(), MANIFOLD_HOME: home }
  const none = await run([command, 'hosts'], { env, cwd: home })
  t.match(none, { code: 1, stderr: /no token lies on this host: export HEROKU_API_KEY with your own/ })
  const own = await run([command, 'hosts'], { env: { ...env, HEROKU_API_KEY: apiToken }, cwd: home })
  t.match(own, { code: 0 })
  const sourced = await run(['bash', '-c', '. ./env && echo "$HEROKU_API_KEY $HEROKU_HOST"'], {
    env: { ...env, HEROKU_API_KEY: 'mine' },
    cwd: home,
  })
  t.equal(sourced.stdout, `mine ${apiUrl}\n`, 'which the file leaves as it is')
})

t.test('hosts are shown, drained, waited for, removed and invited', async (t) => {
  const { manifold, said } = await open(t)
  said.fleet = { ...said.fleet, hosts: [dynosOn('h1', 3), dynosOn('h2', 2)] }
  const { stdout } = await manifold('hosts')
  const lines = stdout.split('\n')
  t.match(lines[0], /^NAME +STATE +ROLES +LABELS +DYNOS +MEMORY +LOAD +VERSION +ADDRESS$/)
  t.match(
    lines[1],
    /^h1 \* +up +control,dyno,router,logplex +zone=a +3 +3.0 GB \/ 8.0 GB +0.50 +0.1.0 +10.0.0.1$/,
  )
  t.match(lines[3], /^h3 +up .* - +- +- +0.1.0/)
  const json = JSON.parse((await manifold('hosts', '--json')).stdout) as Record<string, unknown>[]
  t.match(json[1], { name: 'h2', state: 'up', leader: false, dynos: 2, reserved_bytes: 2 * 1024 ** 3 })

  t.match(await manifold('hosts:drain', 'h2'), { code: 0, stdout: /h2 is being drained/ })
  const waiting = manifold('hosts:drain', 'h2', '--wait')
  const h2 = memberOf('h2', 'draining')
  said.view = { ...said.view, members: [memberOf('h1'), h2, memberOf('h3')] }
  said.fleet = { ...said.fleet, hosts: [dynosOn('h2', 0)] }
  t.match(await waiting, { code: 0, stdout: 'h2 is empty\n' })
  said.fleet = { ...said.fleet, hosts: [dynosOn('h2', 1)] }
  const late = await manifold('hosts:drain', 'h2', '--wait', '--timeout', '0.01')
  t.match(late, { code: 1, stderr: /h2 is draining with 1 dynos[^]*not empty yet/ })
  t.match(await manifold('hosts:drain', 'h9'), { code: 1, stderr: "manifold: Couldn't find that host.\n" })
  t.match(await manifold('hosts:undrain', 'h2'), { code: 0, stdout: /takes dynos again/ })
  t.match(await manifold('hosts:remove', 'h2'), { code: 1, stderr: /h2 is draining with 1 dyno: wait until/ })
  said.filled = false
  const removed = await manifold('hosts:remove', 'h2', '--force')
  t.match(removed, { code: 0, stdout: /h2 is removed[^]*\nwarning: nobody has taken the place of the bus/ })
  t.same(said.removed, ['h2'])
  t.match(await manifold('hosts:invite'), { code: 0, stdout: 'https://10.0.0.1:5100/join/abc?ca=def\n' })
})

t.test('doctor prints each finding, and its exit code tells whether something is broken', async (t) => {
  const { manifold, said, api, home } = await open(t)
  const well = await manifold('doctor')
  t.equal(well.code, 0, well.stdout)
  t.match(well.stdout, /^ok {4}bus {7}a write was acknowledged in 3 ms/)
  said.view = { ...said.view, braked: true }
  const ill = await manifold('doctor')
  t.match(ill, { code: 1, stdout: /fail {2}brake .*\n +-> bring them back/ })
  const json = JSON.parse((await manifold('doctor', '--json')).stdout) as Record<string, unknown>[]
  t.match(
    json.find(({ what }) => what === 'brake'),
    { level: 'fail' },
  )
  t.equal((await api.http('GET', '/cluster/doctor', undefined, { authorization: 'Bearer no' })).status, 401)
  t.equal((await api.call('cluster.doctor', {})).headers['Manifold-Status'], '200', 'over NATS too')
  t.match((await api.http('GET', '/cluster')).body, { number: 7, leader: 'h1', braked: true, hosts: 3 })

  const down = await openHome(t, 'http://127.0.0.1:1')
  const away = await run([command, 'doctor'], { env: { ...machineEnv(), MANIFOLD_HOME: down } })
  t.match(away, { code: 1, stdout: /fail {2}host {6}no host answers at .*\n +-> npm start/ })
  const wrong = await openHome(t, `http://127.0.0.1:${api.api.port}`, 'HRKU-wrong')
  const refused = await run([command, 'backup'], {
    env: { ...machineEnv(), MANIFOLD_HOME: wrong },
    cwd: home,
  })
  t.match(refused, { code: 1, stderr: /Invalid credentials/ })
})

t.test('the log of an app is printed as one wants it, also as in 2012', async (t) => {
  const { manifold, api } = await open(t)
  await api.http('POST', '/apps', { name: 'myapp' })
  const at = '2012-07-19T19:37:30.123456+00:00'
  const router = (text: string): string => `${at} heroku[router]: ${text} protocol=http1.1 tls=false`
  const asked = 'method=GET path="/admin/applicants" host=www.myapplication.com request_id=1-2 fwd="1.2.3.4"'
  const said = [
    router(`at=info ${asked} dyno=web.1 connect=1ms service=381ms status=200 bytes=22849`),
    router(`at=info ${asked} dyno=web.1 queue=3 wait=1147ms connect=1ms service=1200ms status=200 bytes=0`),
    router(`at=error code=H10 desc="App crashed" ${asked} dyno= connect= service= status=503 bytes=`),
    router(`at=info method=GET path="/a\\"b\\\\" host=x dyno=web.1 connect= service=1ms status=200 bytes=1`),
    `${at} heroku[router]: Error L12: 7 messages dropped`,
    '2012-07-05T01:02:03.000000+00:00 app[web.1]: served method=GET',
  ]
  const plain = manifold('logs', 'myapp', '--num', '7', '--source', 'heroku', '--dyno', 'router')
  const { sink, wanted } = await until(() => api.readers[0], { what: 'the tail' })
  said.forEach((line, n) => sink.write(Buffer.from(`id: 1-${n}-0\ndata: ${line}\n\n`)))
  sink.end()
  t.same(await plain, { code: 0, stdout: `${said.join('\n')}\n`, stderr: '' })
  t.match(wanted, { lines: 7, tail: false, filter: { source: 'heroku', process: 'router' } })

  const head = 'Jul 19 19:37:30 myapp heroku/router:  '
  const get = 'GET www.myapplication.com/admin/applicants'
  t.strictSame(
    said.map((line) => outputs['classic']?.(line, 'myapp')),
    [
      `${head}${get} dyno=web.1 queue=0 wait=0ms service=381ms status=200 bytes=22849`,
      `${head}${get} dyno=web.1 queue=3 wait=1147ms service=1200ms status=200 bytes=0`,
      `${head}Error H10 (App crashed) -> ${get} dyno=none queue=0 wait=0ms service=0ms status=503 bytes=0`,
      `${head}GET x/a"b\\ dyno=web.1 queue=0 wait=0ms service=1ms status=200 bytes=1`,
      `${head}Error L12: 7 messages dropped`,
      'Jul  5 01:02:03 myapp app/web.1:  served method=GET',
    ],
  )
  t.same(JSON.parse(outputs['json']?.(said[5] ?? '', 'myapp') ?? ''), {
    at: '2012-07-05T01:02:03.000000+00:00',
    source: 'app',
    process: 'web.1',
    text: 'served method=GET',
  })
  for (const { 1: output } of Object.entries(outputs)) t.equal(output('no line', 'myapp'), 'no line')
  t.match(await manifold('logs', 'a', '--num', '1501'), { code: 2, stderr: /--num wants a number of lines/ })
  const wrong = await manifold('logs', 'a', '--output', 'xml')
  t.match(wrong, { code: 2, stderr: /--output wants one of default, classic, json/ })
})

t.test('a tail goes on behind its last line, whatever its connection ended for', async (t) => {
  const { api, home } = await open(t)
  await api.http('POST', '/apps', { name: 'myapp' })
  const env = { ...machineEnv(), MANIFOLD_HOME: home }
  const child = start([command, 'logs', 'myapp', '--tail', '--output', 'classic'], env, home)
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const at = '2012-07-19T19:37:30.123456+00:00'
  const first = await until(() => api.readers[0], { what: 'the tail' })
  first.sink.write(Buffer.from(`retry: 1000\n\n:\n\nid: 1-1-1\ndata: ${at} app[web.1]: one\n\n`))
  first.sink.end()
  const second = await until(() => api.readers[1], { what: 'the tail again' })
  t.match([first.wanted, second.wanted], [{ lastId: undefined, tail: true }, { lastId: '1-1-1' }])
  second.sink.write(Buffer.from(`id: 1-2-1\ndata: ${at} app[web.1]: two\n\n`))
  const head = 'Jul 19 19:37:30 myapp app/web.1:  '
  await until(() => text === `${head}one\n${head}two\n`, { what: 'both lines' })
})

t.test('backup is a file, and restore puts it back', async (t) => {
  const { manifold, store, home } = await open(t)
  await store.create('actor/app/1', Buffer.from('one'))
  t.match(await manifold('backup', 'all.jsonl'), { code: 0, stdout: /^all.jsonl: 4 records\n$/ })
  const file = join(home, 'all.jsonl')
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(await manifold('backup'), { code: 0, stdout: /^manifold-\d{8}T\d{6}Z.jsonl: 4 records/ })
  const { stdout } = await manifold('backup', '-')
  t.equal(stdout.split('\n')[1], readFileSync(file, 'utf8').split('\n')[1])
  t.match(await manifold('backup', 'no/such/folder'), { code: 1, stderr: /cannot write/ })

  t.match(await manifold('restore', 'all.jsonl'), { code: 1, stderr: /has 1 records already. Give --force/ })
  await store.remove('actor/app/1')
  t.match(await manifold('restore', 'all.jsonl'), {
    code: 0,
    stdout: /^1 records written, 0 were there already, 3 /,
  })
  t.same(Buffer.from((await store.get('actor/app/1'))?.value ?? []).toString(), 'one')
  t.match(await manifold('restore', 'all.jsonl', '--force'), { code: 0, stdout: /^0 records written, 1 / })
  t.match(await manifold('restore', 'none.jsonl'), { code: 1, stderr: /cannot read none.jsonl/ })
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20))
  t.match(await manifold('restore', 'all.jsonl', '--force'), { code: 1, stderr: /The backup is damaged/ })
})

t.test('what a program of this checkout compiled is kept for its next start', async (t) => {
  const cache = mkdtempSync(join(tmpdir(), 'manifold-compiled-'))
  t.teardown(() => rmSync(cache, { recursive: true, force: true }))
  const node = join(import.meta.dirname, '../scripts/node')
  const where = `console.log(process.getBuiltinModule('node:module').getCompileCacheDir())`
  const own = await run(['bash', node, '-e', where], { env: machineEnv(), cwd: cache })
  t.match(own.stdout, /node_modules\/\.cache\/node\//)
  const env = { ...machineEnv(), NODE_COMPILE_CACHE: cache }
  await run([command, 'help'], { env, cwd: cache })
  t.not(readdirSync(cache, { recursive: true }).length, 0)
})

t.test('users are added, listed, given another token, suspended and removed', async (t) => {
  const { manifold, api, home } = await open(t)
  const added = await manifold('users:add', 'Ann@example.com', '--name', 'Ann')
  t.match(added, { code: 0, stdout: /^HRKU-\w{40}\n$/, stderr: /ann@example.com has an account/ })
  const seen = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token.trim()}` }
    return (await api.http('GET', '/account', undefined, headers)).status
  }
  t.equal(await seen(added.stdout), 200)
  t.match(await manifold('users:add', 'ann@example.com'), { code: 1, stderr: /has an account already/ })
  const rotated = await manifold('users:rotate', 'ann@example.com')
  t.equal(await seen(added.stdout), 401)
  t.equal(await seen(rotated.stdout), 200)
  t.match(await manifold('users:suspend', 'ann@example.com'), { stdout: /is let in no more/ })
  const { stdout } = await manifold('users')
  t.match(stdout, /^EMAIL +NAME +ROLE +STATE +SINCE\n/)
  t.match(stdout, /^ann@example.com +Ann +user +suspended +\d/m)
  t.match(stdout, /^owner@example.com +- +operator +active +\d/m)
  await manifold('users:unsuspend', 'ann@example.com')
  t.equal(await seen(rotated.stdout), 200)
  t.match(await manifold('users:remove', 'ann@example.com'), { code: 0, stdout: /has no account any more/ })
  t.match(await manifold('users:remove', 'ann@example.com'), {
    code: 1,
    stderr: /Couldn't find that account/,
  })
  const piped = await run([command, 'users:add', 'bob@example.com', '--password-stdin'], {
    env: { ...machineEnv(), MANIFOLD_HOME: home },
    cwd: home,
    input: 'a password of Bob\n',
  })
  t.equal(piped.code, 0)
  const login = `Basic ${Buffer.from('bob@example.com:a password of Bob').toString('base64')}`
  const tried = await api.http('POST', '/oauth/authorizations', {}, { authorization: login })
  t.equal(tried.status, 201)
})
