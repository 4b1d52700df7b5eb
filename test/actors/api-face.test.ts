/** The doors of the API: NATS requests, HTTP and its headers, streams beside the JSON, the file to source. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import Heroku from 'heroku-client'
import t from 'tap'
import { serveEndpoints } from '../../actors/main/serve-endpoints.ts'
import { requestsOf } from '../../src/nats/requests.ts'
import { bareClient, openBus } from '../kit/bus.ts'
import { envText, keepToken, writeEnvFile } from '../../actors/api/env-file.ts'
import { systemRandom } from '../../src/system/random.ts'
import { cut, type Page } from '../../actors/api/range.ts'
import { apiToken, openApi, type Json, type Wire } from '../kit/api.ts'
import { until } from '../kit/until.ts'

t.test('whoever has no valid token is told so, and only at the HTTP door', async (t) => {
  const { http, call } = await openApi(t)
  const unauthorized = { id: 'unauthorized', message: 'Invalid credentials provided.' }
  for (const authorization of [
    '',
    'Bearer undefined',
    'Bearer wrong',
    'Basic Zm9vOmJhcg==',
    'Digest x',
    'nonsense',
  ]) {
    const { status, body } = await http('GET', '/account', undefined, { authorization })
    t.same({ status, body }, { status: 401, body: unauthorized }, authorization)
  }
  const basic = (user: string): string => `Basic ${Buffer.from(`${user}:${apiToken}`).toString('base64')}`
  for (const authorization of [`bearer ${apiToken}`, basic(''), basic('heroku')]) {
    t.equal(
      (await http('GET', '/account', undefined, { authorization })).status,
      200,
      authorization.slice(0, 8),
    )
  }
  t.equal((await call('account.info', {})).json['email'], 'owner@example.com', 'the operator on NATS')
  t.equal((await call('account.info', {}, { Authorization: 'Bearer wrong' })).error?.code, 401)
})

t.test('a request over NATS may be flat or structured and answers as HTTP does', async (t) => {
  const { call, service } = await openApi(t)
  t.match(await call('apps.list', {}), { json: [], headers: { 'Manifold-Status': '200' } })
  t.match(await call('apps.create', { name: 'flat-app' }), {
    json: { name: 'flat-app' },
    headers: { 'Manifold-Status': '201' },
  })
  t.match(await call('apps.info', { app: 'flat-app' }), { json: { name: 'flat-app' } })
  t.match(await call('apps.info', { params: { app: 'flat-app' } }), { json: { name: 'flat-app' } })
  t.match(await call('config-vars.update', { app: 'flat-app', FOO: 'bar' }), { json: { FOO: 'bar' } })
  const wanted = { params: { app: 'flat-app' }, range: 'version ..; max=1, order=desc' }
  t.match(await call('releases.list', wanted), {
    json: [{ version: 3 }],
    headers: { 'Manifold-Status': '206', 'Next-Range': 'version ]3..; max=1,order=desc' },
  })
  const lost = await call('apps.info', { app: 'nope' })
  t.same(lost.error, { code: 404, description: "Couldn't find that app." })
  t.same(lost.json, { id: 'not_found', message: "Couldn't find that app.", resource: 'app' })
  t.match(await call('apps.info', {}), { json: { id: 'invalid_params', message: 'Require params: app.' } })
  t.match(await call('apps.list', 'not json'), { error: { code: 400 }, json: { id: 'bad_request' } })
  t.match(await call('apps.list', '[1]'), { error: { code: 400 } })
  for (const { name, subject } of service.values()) {
    t.match(name, /^[A-Za-z0-9_-]+$/)
    t.match(subject, /^manifold\.v1\.api\.[a-z-]+\.[a-z0-9-]+$/)
  }
})

t.test('over real NATS the operator needs no token and the HTTP door does', async (t) => {
  const bus = await openBus(t)
  const connection = await bus.join('api')
  const wire: Wire = {
    requests: requestsOf(connection),
    serve: (endpoints) => serveEndpoints(connection, endpoints, () => undefined),
  }
  const { http } = await openApi(t, { wire })
  t.equal((await http('POST', '/apps', { name: 'over-nats' })).status, 201)
  t.equal((await http('GET', '/account', undefined, { authorization: '' })).status, 401)
  const ranged = await http('GET', '/apps/over-nats/releases', undefined, { range: 'version ..; max=1' })
  t.same([ranged.status, ranged.headers.get('next-range')], [206, 'version ]1..; max=1'])
  t.match((await http('GET', '/apps/nope')).body, { id: 'not_found', resource: 'app' })
  const operator = await bareClient(t, bus.server().port, bus.server().logins.operator)
  t.match(await operator.ask('manifold.v1.api.apps.list', '{}'), /Manifold-Status: 200[^]*"name":"over-nats"/)
  t.match(await operator.ask('manifold.v1.api.apps.info', '{"app":"nope"}'), /Nats-Service-Error-Code: 404/)
  t.match(await operator.ask('$SRV.INFO.manifold'), /"subject":"manifold\.v1\.api\.apps\.create"/)
})

t.test('lists page by ranges, and answers carry the headers of Heroku', async (t) => {
  const opened = await openApi(t)
  const { http } = opened
  for (const name of ['aaa', 'bbb', 'ccc']) await http('POST', '/apps', { name })
  const names = ({ body }: { body: Json }): string[] => (body as unknown as Json[]).map((app) => app['name'])
  const first = await http('GET', '/apps', undefined, { range: 'name ..; max=2' })
  t.same([first.status, names(first)], [206, ['aaa', 'bbb']])
  t.equal(first.headers.get('content-range'), 'name aaa..bbb; max=2')
  t.equal(first.headers.get('accept-ranges'), 'name, id')
  const second = await http('GET', '/apps', undefined, { range: first.headers.get('next-range') ?? '' })
  t.same([second.status, names(second), second.headers.get('next-range')], [200, ['ccc'], null])
  t.same(names(await http('GET', '/apps', undefined, { range: 'name bbb..; order=desc' })), ['bbb', 'aaa'])
  t.same(names(await http('GET', '/apps', undefined, { range: 'name ]aaa..ccc[' })), ['bbb'])
  t.same(names(await http('GET', '/apps', undefined, { range: 'updated_at ..; max=1000' })).length, 3)
  t.equal((await http('GET', '/apps', undefined, { range: 'colour ..' })).status, 416)
  t.equal((await http('GET', '/apps', undefined, { range: '' })).status, 200)
  t.match(first.headers.get('request-id'), /^[0-9a-f-]{36}$/)
  t.match(first.headers.get('cache-control'), 'private, no-cache')
  t.ok(Number(first.headers.get('ratelimit-remaining')) < 4500)
  const etag = (await http('GET', '/apps/aaa')).headers.get('etag') ?? ''
  t.equal((await http('GET', '/apps/aaa', undefined, { 'if-none-match': etag })).status, 304)
  t.equal((await http('GET', '/apps/bbb', undefined, { 'if-none-match': etag })).status, 200)
})

t.test('a log session is an address: of its app, for its time, as who reads it wants it', async (t) => {
  const { http, readers, api } = await openApi(t)
  await http('POST', '/apps', { name: 'logs' })
  const post = (body: object) => http('POST', '/apps/logs/log-sessions', body)
  const session = await post({ dyno: 'web', source: 'app', lines: 9999, tail: true })
  t.equal(session.status, 201, 'create_session_for_existing_channel')
  const url = new URL(session.body['logplex_url'])
  t.match(url.search, /^\?srv=\d+$/, 'older clients take it for plain text')
  const addressOf = ({ pathname, search }: URL) => `http://127.0.0.1:${api.port}${pathname}${search}`
  const accept = { accept: 'text/event-stream' }

  const events = await fetch(addressOf(url), { headers: { ...accept, 'last-event-id': '1-2-3' } })
  t.match(events.headers.get('content-type'), /^text\/event-stream/)
  const first = await until(() => readers[0], { what: 'the tail' })
  const filter = { source: 'app', process: 'web' }
  t.match(first.wanted, { lines: 1500, tail: true, filter, form: 'events', lastId: '1-2-3' })
  first.sink.write(Buffer.from('data: one\n\n'))
  first.sink.end()
  t.equal(await events.text(), 'retry: 1000\n\ndata: one\n\n')
  await until(() => !first.open, { what: 'the tail to be closed' })

  const plain = await fetch(addressOf(url))
  t.match(plain.headers.get('content-type'), /^text\/plain/)
  const second = await until(() => readers[1], { what: 'the second tail' })
  t.match(second.wanted, { form: 'text', lastId: undefined })
  second.sink.write(Buffer.from('one\n'))
  second.sink.end()
  t.equal(await plain.text(), 'one\n')

  const gone = new AbortController()
  await fetch(addressOf(url), { signal: gone.signal })
  const third = await until(() => readers[2], { what: 'the third tail' })
  gone.abort()
  await until(() => !third.open, { what: 'an abandoned tail to be closed' })

  const { pathname } = url
  const forged = pathname.replace(/.(?=\.)/, (last) => (last === 'A' ? 'B' : 'A'))
  for (const wrong of [`/logs/${'x'.repeat(40)}`, `/logs/${'x'.repeat(40)}.${'y'.repeat(43)}`, forged])
    t.equal((await fetch(`http://127.0.0.1:${api.port}${wrong}`)).status, 404)
  t.equal((await http('POST', '/apps/nosuch/log-sessions', {})).status, 404, 'cannot_create_session_…')
  t.match(await post({ lines: -1 }), {
    status: 422,
    body: { id: 'invalid_params', message: 'lines is -1 (allowed: 0 to 1500).' },
  })
  t.match(await post({ source: 'x'.repeat(129) }), { status: 422, body: { message: /source has 129 char/ } })
  t.equal((await post({ lines: 'many' })).status, 422)
  t.match((await post({ source: '', dyno: null })).status, 201)
})

t.test('a host that stops ends its tails cleanly, with all that they still have to give', async (t) => {
  const { http, readers, api } = await openApi(t)
  await http('POST', '/apps', { name: 'logs' })
  const session = await http('POST', '/apps/logs/log-sessions', { lines: 1500, tail: true })
  const { pathname } = new URL(session.body['logplex_url'])
  const events = await fetch(`http://127.0.0.1:${api.port}${pathname}`, {
    headers: { accept: 'text/event-stream' },
  })
  const { sink } = await until(() => readers[0], { what: 'the tail' })
  const chunk = Buffer.from('x'.repeat(6_000_000))
  sink.write(chunk)
  const closed = api.close()
  const whole = await events.text()
  t.equal(whole.length, chunk.length + 'retry: 1000\n\nretry: 30000\n\n'.length)
  t.notOk(sink.write(chunk), 'nothing more')
  await closed
  t.notOk(readers[0]?.open)
})

t.test('git, build output and slugs are served beside the JSON', async (t) => {
  const { http, resets } = await openApi(t)
  await http('POST', '/apps', { name: 'gitapp' })
  const refs = '/gitapp.git/info/refs?service=git-receive-pack'
  const asked = await http('GET', refs, undefined, { authorization: '' })
  t.equal(asked.status, 401)
  t.match(asked.headers.get('www-authenticate'), /^Basic realm="/)
  t.equal((await http('GET', refs)).text, 'git gitapp owner@example.com /info/refs')
  const missing = await http('GET', '/x.git/info/refs')
  t.same([missing.status, missing.text], [404, 'No such app as x.\n'])
  t.equal((await http('GET', `/streams/${'b'.repeat(36)}`)).text, '-----> Building\n')
  t.equal((await http('GET', `/streams/${'c'.repeat(36)}`)).status, 404)
  t.equal((await http('GET', `/slugs/${'ab'.repeat(32)}.tgz`)).text, 'packed')
  t.equal((await http('GET', `/slugs/${'cd'.repeat(32)}.tgz`)).status, 404)
  const { id } = (await http('GET', '/apps/gitapp')).body
  t.match(await http('DELETE', '/apps/gitapp/repository'), { status: 202, body: {} })
  t.match(await http('DELETE', '/apps/nosuch/repository'), { status: 404 })
  t.strictSame(resets, [id])
})

t.test('heroku-client and an attached client work over the one port', async (t) => {
  const { api, world, rendezvous, certificates, http } = await openApi(t)
  const client = new Heroku({ token: apiToken, host: `http://127.0.0.1:${api.port}` })
  t.match(await client.post('/apps', { body: { name: 'client-app' } }), { name: 'client-app' })
  t.same(await client.patch('/apps/client-app/config-vars', { body: { A: 'b' } }), { A: 'b' })
  t.equal(((await client.get('/apps/client-app/releases')) as Json[]).length, 3)
  const failure = await client.get('/apps/nope').catch((error: unknown) => error)
  t.match(failure, { statusCode: 404, body: { id: 'not_found' } })

  const run = await http('POST', '/apps/client-app/dynos', { command: 'cat', attach: true })
  const { attachToken } = world.asked.at(-1) as Json
  t.match(run.body['attach_url'], /^rendezvous:\/\/localhost:5000\//)
  const socket = tlsConnect({ port: api.port, host: '127.0.0.1', ca: certificates.authority })
  socket.write(`${attachToken}\r\ninput`)
  const dyno = await rendezvous.expect(attachToken, 5_000)
  const [greeting] = (await once(socket, 'data')) as [Buffer]
  t.equal(greeting.toString(), 'rendezvous\r\n')
  const arrived = once(dyno, 'data')
  dyno.resume()
  const [input] = (await arrived) as [Buffer]
  t.equal(input.toString(), 'input')
  dyno.end('output')
  const [output] = (await once(socket, 'data')) as [Buffer]
  t.equal(output.toString(), 'output')
  await once(socket, 'close')
})

t.test('the rate limit answers 429 once the pool is empty', async (t) => {
  const { call } = await openApi(t)
  const headers = { Authorization: `Bearer ${apiToken}` }
  let refused: Awaited<ReturnType<typeof call>> | undefined
  for (let n = 0; n < 4600 && refused === undefined; n += 1) {
    const answer = await call('account.info', {}, headers)
    if (answer.error !== undefined) refused = answer
  }
  t.match(refused, { error: { code: 429 }, json: { id: 'rate_limit' } })
  t.match(await call('account.rate-limits', {}, headers), { json: { remaining: 0 } })
  t.equal((await call('account.info', {})).error, undefined, 'the operator is not limited')
})

t.test('the file to source sets what the CLI needs and keeps what the user had', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "manifold-env-it's-"))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'env')
  const own = join(directory, 'own.pem')
  const ca = join(directory, 'ca.pem')
  writeFileSync(own, 'OWN\n')
  writeFileSync(ca, 'CA\n')
  const secret = await keepToken(join(directory, 'token'), systemRandom)
  t.equal(await keepToken(join(directory, 'token'), systemRandom), secret)
  const env = {
    apiUrl: 'http://localhost:5000',
    secureHost: 'localhost:5000',
    token: secret,
    authorityPath: ca,
    bundlePath: join(directory, 'bundle.pem'),
    home: directory,
    more: { NATS_URL: 'nats://127.0.0.1:4222' },
  }
  await writeEnvFile(path, env)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(statSync(join(directory, 'token')).mode & 0o777, 0o600)
  const source = (before: string, after: string): string =>
    execFileSync(
      '/usr/bin/env',
      ['-i', 'PATH=/usr/bin:/bin', 'sh', '-ec', `${before}\n. "$1"\n. "$1"\n${after}`, 'sh', path],
      {
        encoding: 'utf8',
      },
    ).trim()
  t.equal(
    source('', 'echo $HEROKU_HOST $HEROKU_API_KEY $NATS_URL'),
    `http://localhost:5000 ${secret} nats://127.0.0.1:4222`,
  )
  t.equal(source('', 'echo "$NODE_EXTRA_CA_CERTS"'), ca)
  t.equal(
    source(`NODE_EXTRA_CA_CERTS='${own.replaceAll("'", "'\\''")}'`, 'cat "$NODE_EXTRA_CA_CERTS"'),
    'OWN\nCA',
  )
  const git =
    'git config --get http.https://localhost:5000/.sslCAInfo; echo ${GIT_SSL_CAINFO-unset} $GIT_CONFIG_COUNT'
  t.equal(source('export GIT_SSL_CAINFO=/x HOME=/nowhere', git), `${ca}\nunset 4`)
  const silence = 'git config --get-urlmatch http.lowSpeedTime https://localhost:5000/shop.git'
  t.equal(source('export HOME=/nowhere', silence), '120', 'a push to a host without power ends')
  const fill =
    'printf "protocol=https\\nhost=localhost:5000\\n\\n" | GIT_TERMINAL_PROMPT=0 git credential fill'
  t.match(source('export HOME=/nowhere', fill), new RegExp(`username=heroku\npassword=${secret}$`))
  t.equal(
    source('export NO_PROXY=a.example', 'echo $NO_PROXY $no_proxy'),
    'a.example,localhost,127.0.0.1 localhost,127.0.0.1',
  )
  t.notMatch(envText(env), /undefined/)
})

t.test('what a client cannot read is refused, and every variant of version 3 is the same', async (t) => {
  const { http } = await openApi(t)
  const asked = async (accept: string): Promise<number> =>
    (await http('GET', '/account', undefined, { accept })).status
  for (const accept of [
    '*/*',
    'application/json',
    'application/vnd.heroku+json; version=3',
    'application/vnd.heroku+json;version=3.sdk',
    'application/vnd.heroku+json; version=3.docker-releases',
    'text/html, application/xhtml+xml, */*;q=0.8',
    'application/vnd.heroku+json',
  ])
    t.equal(await asked(accept), 200, accept)
  for (const accept of ['text/html', 'application/vnd.heroku+json; version=2', 'application/xml'])
    t.equal(await asked(accept), 406, accept)
})

t.test('actors hand the id of a request on, as the trace of all that it makes them do', async (t) => {
  const traces: (string | undefined)[] = []
  const { http, world } = await openApi(t)
  const { ask } = world.node
  Object.assign(world.node, {
    ask: (...args: Parameters<typeof ask>) => {
      traces.push(args[2].traceparent)
      return ask(...args)
    },
  })
  const { headers } = await http('POST', '/apps', { name: 'traced' })
  const id = headers.get('request-id')?.replaceAll('-', '')
  t.match(traces, [new RegExp(`^00-${id}-[0-9a-f]{16}-01$`)])
})

t.test('a page is not cut between two that its order does not tell apart', (t) => {
  const items = [1, 1, 2, 2, 2, 3].map((at, n) => ({ id: `i${n}`, at }))
  const seen: string[] = []
  for (let range: string | undefined = 'at ..; max=2'; range !== undefined;) {
    const page: Page<(typeof items)[number]> = cut(items, range, { at: ({ at }) => at, id: ({ id }) => id })
    seen.push(...page.items.map(({ id }) => id))
    range = page.headers['Next-Range']
  }
  t.same(seen, ['i0', 'i1', 'i2', 'i3', 'i4', 'i5'])
  t.end()
})

t.test('what is not any more as a client has seen it is not changed, if it says so', async (t) => {
  const { http } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const tag = async (): Promise<string> => (await http('GET', '/apps/shop')).headers.get('etag') ?? ''
  const seen = await tag()
  const turn = (maintenance: boolean, match: string) =>
    http('PATCH', '/apps/shop', { maintenance }, { 'if-match': match })
  t.equal((await turn(true, seen)).status, 200)
  t.match(await turn(false, seen), { status: 412, body: { id: 'precondition_failed' } })
  t.match((await http('GET', '/apps/shop')).body, { maintenance: true })
  t.equal((await turn(false, `"x", ${await tag()}`)).status, 200)
  t.equal((await turn(true, '*')).status, 200)
  t.equal((await http('DELETE', '/apps/shop', undefined, { 'if-match': seen })).status, 412)
  t.equal((await http('PATCH', '/apps/none', {}, { 'if-match': seen })).status, 404)
  t.equal((await http('GET', '/apps/shop', undefined, { 'if-match': seen })).status, 412)
})

t.test(
  'a client that can only POST says what it means, and is not taken for one that means to',
  async (t) => {
    const { http } = await openApi(t)
    await http('POST', '/apps', { name: 'shop' })
    const post = (path: string, method: string, body?: object) =>
      http('POST', path, body, { 'x-http-method-override': method })
    for (const method of ['PATCH', 'patch'])
      t.match(await post('/apps/shop', method, { maintenance: true }), {
        status: 200,
        body: { name: 'shop' },
      })
    t.match(await post('/apps/shop', 'get'), { status: 200, body: { maintenance: true } })
    t.match(await post('/apps', 'FROB', { name: 'store' }), {
      status: 400,
      body: { id: 'bad_request', message: /^X-HTTP-Method-Override must be one of POST, GET, HEAD, PUT,/ },
    })
    t.equal((await http('GET', '/apps/store')).status, 404, 'nothing was made')
    t.equal((await post('/apps', 'POST', { name: 'store' })).status, 201)
  },
)

t.test('HEAD answers what GET does, but for the body', async (t) => {
  const { http } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const [got, head] = [await http('GET', '/apps/shop'), await http('HEAD', '/apps/shop')]
  t.match(head, { status: 200, text: '' })
  for (const name of ['etag', 'content-type', 'content-length'])
    t.equal(head.headers.get(name), got.headers.get(name), name)
  const known = { 'if-none-match': got.headers.get('etag') ?? '' }
  t.equal((await http('HEAD', '/apps/shop', undefined, known)).status, 304)
  t.equal((await http('HEAD', '/apps/none')).status, 404)
  t.equal((await http('HEAD', '/apps/shop', undefined, { authorization: '' })).status, 401)
})
