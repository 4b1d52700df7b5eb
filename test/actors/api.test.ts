/**
 * The API: endpoints as NATS requests, the HTTP face over them, and what is streamed beside them. Actors are answered
 * for by test/kit/control.ts, NATS by a table of handlers; sockets, TLS and HTTP are real.
 */
import { once } from 'node:events'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { envText, keepToken, writeEnvFile } from '../../actors/api/env-file.ts'
import type { Tails } from '../../actors/api/face/tail.ts'
import type { ServiceEndpoint } from '../../actors/api/service.ts'
import { startApi } from '../../actors/api/start.ts'
import { keepCertificates } from '../../src/certs/keep.ts'
import { createRendezvous } from '../../src/rendezvous/rendezvous.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { control, slug } from '../kit/control.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { schemaFaults } from '../kit/schema.ts'
import { until } from '../kit/until.ts'

type Json = Record<string, any>
const token = 'HRKU-0123456789abcdef'
const by = { id: systemRandom.uuid(), email: 'a@b.c' }

const open = async (t: Test) => {
  const directory = mkdtempSync(join(tmpdir(), 'manifold-api-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const certificates = await keepCertificates(directory, ['localhost', '127.0.0.1'], Date.now())
  const store = memoryStore()
  const world = control(store)
  const rendezvous = createRendezvous({ tokensMax: 100 })
  const service = new Map<string, ServiceEndpoint>()
  const readers: {
    wanted: Parameters<Tails['open']>[0]
    reader: Parameters<Tails['open']>[1]
    open: boolean
  }[] = []
  const settings = {
    apiUrl: 'http://localhost:5000',
    secureHost: 'localhost:5000',
    appDomain: 'localhost',
    routerPort: 8080,
    buildpacks: ['heroku/nodejs', 'heroku/procfile'],
  }
  const call = async (name: string, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const endpoint = service.get(`manifold.v1.api.${name}`)
    if (endpoint === undefined) throw Object.assign(new Error('no responders'), { undone: true })
    const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body))
    const answer = await endpoint.handle(bytes, (header) => headers[header])
    return { ...answer, json: JSON.parse(Buffer.from(answer.bytes).toString()) as Json }
  }
  const api = await startApi({
    node: world.node,
    store,
    random: systemRandom,
    clock: systemClock,
    log: () => undefined,
    vault: world.vault,
    rendezvous,
    streams: {
      watch: (id, { onText, onEnd }) => {
        if (id !== 'b'.repeat(36)) return undefined
        onText('-----> Building\n')
        onEnd()
        return { close: () => undefined }
      },
    },
    slugs: {
      get: async (sha256) =>
        sha256 === 'ab'.repeat(32)
          ? (async function* () {
              yield Buffer.from('packed')
            })()
          : undefined,
    },
    tails: {
      open(wanted, reader) {
        const entry = { wanted, reader, open: true }
        readers.push(entry)
        return { close: () => (entry.open = false) }
      },
      format: (line) => `T ${line.source}[${line.process}]: ${Buffer.from(line.text).toString()}`,
    },
    git: (_req, res, { app, user, pathInfo }) => void res.end(`git ${app.name} ${user.email} ${pathInfo}`),
    requests: {
      async ask(subject, bytes, _timeoutMs, headers) {
        const { headers: back, bytes: answer } = await call(
          subject.replace('manifold.v1.api.', ''),
          Buffer.from(bytes).toString(),
          headers,
        )
        return { bytes: answer, header: (name) => back[name] }
      },
    },
    async serve(endpoints) {
      for (const endpoint of endpoints) service.set(endpoint.subject, endpoint)
      return { close: async () => service.clear() }
    },
    certificates,
    settings,
    owner: { email: 'owner@example.com', token },
    listen: { host: '127.0.0.1', port: 0 },
  })
  t.teardown(() => api.close())
  const http = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const response = await fetch(`http://127.0.0.1:${api.port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/vnd.heroku+json; version=3',
        'content-type': 'application/json',
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson && text ? JSON.parse(text) : {}) as Json,
    }
  }
  return { api, world, store, rendezvous, readers, service, call, http, certificates, directory }
}
type Opened = Awaited<ReturnType<typeof open>>

/** An app with one deploy. */
const deployed = async ({ http, world }: Opened, name: string): Promise<Json> => {
  const { body: app } = await http('POST', '/apps', { name })
  const to = { to: 'releases', key: app['id'] as string }
  const deploy = { type: 'deploy', slug: slug('60a874b3ff'), description: 'Deploy 60a874b3', by } as const
  await world.node.ask(to, deploy as never, { timeoutMs: 1000 })
  return app
}

t.test('every object is valid against the published schema', async (t) => {
  const opened = await open(t)
  const { http, world, store } = opened
  const app = await deployed(opened, 'schema-app')
  const buildId = systemRandom.uuid()
  const at = { createdAt: 1, updatedAt: 2 }
  const ids = { slugId: systemRandom.uuid(), releaseId: systemRandom.uuid(), releaseVersion: 3 }
  world.builds.set(buildId, {
    id: buildId,
    appId: app['id'],
    status: 'succeeded',
    version: '60a874b3',
    by,
    buildpacks: ['heroku/nodejs', 'https://example.com/b.git'],
    stack: 'heroku-24',
    ...ids,
    ...at,
  })
  await store.create(`builds/${app['id']}/${buildId}`, new Uint8Array())
  await http('POST', '/apps/schema-app/domains', { hostname: 'WWW.Example.com.', sni_endpoint: null })
  const slugId = (await http('GET', '/apps/schema-app/releases/3')).body['slug'].id as string
  const checks: readonly (readonly [string, string, string, unknown?])[] = [
    ['account', 'GET', '/account'],
    ['account', 'GET', '/users/~'],
    ['rate-limit', 'GET', '/account/rate-limits'],
    ['app', 'GET', '/apps'],
    ['app', 'GET', '/users/~/apps'],
    ['app', 'GET', '/apps/schema-app'],
    ['app', 'GET', `/apps/${app['id']}`],
    ['app', 'PATCH', '/apps/schema-app', { maintenance: true }],
    ['collaborator', 'GET', '/apps/schema-app/collaborators'],
    ['config-var', 'PATCH', '/apps/schema-app/config-vars', { A: '1' }],
    ['config-var', 'GET', '/apps/schema-app/config-vars'],
    ['release', 'GET', '/apps/schema-app/releases'],
    ['release', 'GET', '/apps/schema-app/releases/v1'],
    ['release', 'POST', '/apps/schema-app/releases', { release: '3' }],
    ['slug', 'GET', `/apps/schema-app/slugs/${slugId}`],
    ['formation', 'GET', '/apps/schema-app/formation'],
    ['formation', 'GET', '/apps/schema-app/formation/web'],
    ['formation', 'PATCH', '/apps/schema-app/formation', { updates: [{ type: 'web', quantity: '2' }] }],
    [
      'formation',
      'PATCH',
      '/apps/schema-app/formation/worker',
      { quantity: 1, dyno_size: { name: 'basic' } },
    ],
    ['dyno', 'GET', '/apps/schema-app/dynos'],
    ['dyno', 'GET', '/apps/schema-app/dynos/web.1'],
    ['dyno', 'POST', '/apps/schema-app/dynos', { command: 'date' }],
    ['build', 'GET', '/apps/schema-app/builds'],
    ['build', 'GET', `/apps/schema-app/builds/${buildId}`],
    ['domain', 'GET', '/apps/schema-app/domains'],
    ['domain', 'GET', '/apps/schema-app/domains/www.example.com'],
    ['domain', 'GET', '/apps/schema-app/domains/schema-app.localhost'],
    [
      'buildpack-installation',
      'PUT',
      '/apps/schema-app/buildpack-installations',
      { updates: [{ buildpack: 'heroku/nodejs' }] },
    ],
    ['log-session', 'POST', '/apps/schema-app/log-sessions', { tail: true }],
    ['region', 'GET', '/regions'],
    ['stack', 'GET', '/stacks'],
    ['generation', 'GET', '/generations'],
    ['dyno-size', 'GET', '/dyno-sizes'],
    ['dyno-size', 'GET', '/dyno-sizes/standard-2x'],
  ]
  for (const [resource, method, path, body] of checks) {
    const answer = await http(method, path, body)
    const status = method === 'POST' ? 201 : 200
    t.equal(answer.status, status, `${method} ${path}: ${answer.text.slice(0, 200)}`)
    t.same(schemaFaults(resource, answer.body), [], `${method} ${path} is a ${resource}`)
    if (Array.isArray(answer.body)) t.ok(answer.body.length > 0, `${path} shows something`)
  }
  for (const path of ['addons', 'addon-attachments', 'features', 'sni-endpoints', 'log-drains']) {
    t.same((await http('GET', `/apps/schema-app/${path}`)).body, [], path)
  }
})

t.test('apps are made, found by name and id, renamed and destroyed with the texts of Heroku', async (t) => {
  const opened = await open(t)
  const { http } = opened
  const made = await http('POST', '/apps', { name: 'first-app' })
  t.equal(made.status, 201)
  t.match(made.body, {
    web_url: 'http://first-app.localhost:8080/',
    git_url: 'https://localhost:5000/first-app.git',
  })
  t.match(made.body, {
    generation: { name: 'cedar' },
    create_status: 'complete',
    owner: { email: 'owner@example.com' },
  })
  const unnamed = await http('POST', '/apps')
  t.match(unnamed.body['name'], /^[a-z]+-[a-z]+-\d{5}$/)
  const refused = async (name: string, message: RegExp): Promise<void> => {
    const { status, body } = await http('POST', '/apps', { name })
    t.match({ status, ...body }, { status: 422, id: 'invalid_params', message }, name)
  }
  await refused('first-app', /^Name first-app is already taken$/)
  await refused('Bad_Name', /^Name must start with a letter, end with a letter or digit/)
  await refused('x', /too short/)
  await refused('x'.repeat(31), /too long/)
  t.match((await http('POST', '/apps', { stack: 'heroku-18' })).body, { id: 'invalid_params' })
  const renamed = await http('PATCH', '/apps/first-app', { name: 'second-app' })
  t.equal(renamed.body['name'], 'second-app')
  t.match(await http('GET', '/apps/first-app'), {
    status: 404,
    body: { id: 'not_found', resource: 'app', message: "Couldn't find that app." },
  })
  t.equal((await http('GET', `/apps/${made.body['id']}`)).body['name'], 'second-app')
  t.equal((await http('DELETE', '/apps/second-app')).status, 200)
  t.equal((await http('GET', '/apps')).body['length'], 1)
})

t.test('whoever has no valid token is told so, and only at the HTTP door', async (t) => {
  const { http, call } = await open(t)
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
  const basic = (user: string): string => `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`
  for (const authorization of [`bearer ${token}`, basic(''), basic('heroku')]) {
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
  const { call, service } = await open(t)
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
    t.match(subject, /^manifold\.v1\.api\.[a-z-]+\.[a-z-]+$/)
  }
})

t.test('lists page by ranges, and answers carry the headers of Heroku', async (t) => {
  const opened = await open(t)
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

t.test('what cannot be done is answered with the status and id of Heroku', async (t) => {
  const opened = await open(t)
  const { http, world } = opened
  await deployed(opened, 'wrong-app')
  const answers = async (
    method: string,
    path: string,
    body: unknown,
    status: number,
    id: string,
    message: RegExp,
  ) => {
    const answer = await http(method, path, body)
    t.match({ status: answer.status, ...answer.body }, { status, id, message }, `${method} ${path}`)
  }
  const missing = /^The requested API endpoint was not found\./
  await answers('GET', '/nowhere', undefined, 404, 'not_found', missing)
  await answers('DELETE', '/account', undefined, 404, 'not_found', missing)
  await answers('POST', '/apps', '{"name":', 400, 'bad_request', /parse/)
  await answers('POST', '/apps', `{"name":"${'x'.repeat(1024 * 1024)}"}`, 400, 'bad_request', /./)
  await answers('POST', '/apps', '[]', 422, 'invalid_params', /object/)
  await answers('POST', '/apps', { name: 5 }, 422, 'invalid_params', /^Invalid params: name must be string/)
  await answers('POST', '/apps/wrong-app/dynos', {}, 422, 'invalid_params', /^Require params: command\.$/)
  await answers('POST', '/apps/wrong-app/dynos', { command: ' ' }, 422, 'invalid_params', /empty/)
  await answers('PATCH', '/apps/wrong-app/config-vars', { A: 1 }, 422, 'invalid_params', /^Invalid params: A/)
  await answers('PATCH', '/apps/wrong-app/config-vars', { '1BAD': 'x' }, 422, 'invalid_params', /1BAD/)
  await answers('GET', '/apps/wrong-app/releases/99', undefined, 404, 'not_found', /find that release/)
  await answers('POST', '/apps/wrong-app/releases', {}, 422, 'invalid_params', /slug or release/)
  await answers('POST', '/apps/wrong-app/releases', { release: '1' }, 422, 'invalid_params', /no slug/)
  await answers('POST', '/apps/wrong-app/releases', { slug: 'nope' }, 404, 'not_found', /find that slug/)
  await answers('GET', '/apps/wrong-app/dynos/web.9', undefined, 404, 'not_found', /find that dyno/)
  await answers('GET', '/apps/wrong-app/formation/nope', undefined, 404, 'not_found', /find that formation/)
  await answers('GET', '/apps/wrong-app/pipeline-couplings', undefined, 404, 'not_found', /pipeline coupling/)
  await answers('GET', '/account/features/x', undefined, 404, 'not_found', /account feature/)
  const scale = { updates: [{ type: 'web', quantity: 'many' }] }
  await answers('PATCH', '/apps/wrong-app/formation', scale, 422, 'invalid_params', /Quantity/)
  for (const hostname of ['nodots', 'a..b', 'x.localhost', 'http://x.example.com', '-a.example.com']) {
    await answers('POST', '/apps/wrong-app/domains', { hostname }, 422, 'invalid_params', /./)
  }
  await answers(
    'POST',
    '/apps/wrong-app/domains',
    { hostname: 'taken.example.com' },
    422,
    'invalid_params',
    /in use/,
  )
  for (const updates of [[{}], [{ buildpack: 'nobody/nothing' }], [{ buildpack: 'rm -rf' }]]) {
    await answers(
      'PUT',
      '/apps/wrong-app/buildpack-installations',
      { updates },
      422,
      'invalid_params',
      /uildpack/,
    )
  }
  world.failNext('app', { kind: 'nobody', reason: 'noproc' })
  await answers('GET', '/apps/wrong-app', undefined, 503, 'service_unavailable', /nothing was changed/)
  world.failNext('app', { kind: 'unknown', reason: 'timeout' })
  await answers('GET', '/apps/wrong-app', undefined, 503, 'service_unavailable', /may have been made/)
  world.failNext('releases', { kind: 'refused', code: 'surprise', reason: 'a secret' })
  await answers('GET', '/apps/wrong-app/releases', undefined, 500, 'internal_server_error', /./)
})

t.test('process commands reach the formation as the CLI means them', async (t) => {
  const opened = await open(t)
  const { http, world } = opened
  await deployed(opened, 'ps-app')
  const last = (): Json => world.asked.at(-1) as Json
  await http('PATCH', '/apps/ps-app/formation', {
    updates: [
      { type: 'web', quantity: '+1', size: 'standard-2x' },
      { type: 'worker', quantity: 0 },
    ],
  })
  t.match(last(), {
    type: 'scale',
    updates: [
      { type: 'web', quantity: '+1', size: 'standard-2x' },
      { type: 'worker', quantity: '0' },
    ],
  })
  t.same((await http('DELETE', '/apps/ps-app/dynos')).status, 202)
  t.match(last(), { type: 'restart', by: { email: 'owner@example.com' } })
  t.same((await http('DELETE', '/apps/ps-app/dynos/web.1')).body, {})
  t.match(last(), { type: 'restart', dyno: 'web.1' })
  await http('DELETE', '/apps/ps-app/formations/web')
  t.match(last(), { type: 'restart', processType: 'web' })
  await http('POST', '/apps/ps-app/dynos/web.1/actions/stop')
  t.match(last(), { type: 'stopDyno', dyno: 'web.1' })
  await http('POST', '/apps/ps-app/formations/worker/actions/stop', {})
  t.match(last(), { type: 'stopDyno', processType: 'worker' })
  const env = { TERM: 'xterm', COLUMNS: 100, LINES: 40 }
  const run = await http('POST', '/apps/ps-app/dynos', {
    command: 'bash',
    attach: true,
    env,
    type: 'worker',
    time_to_live: 60,
  })
  const { attachToken } = last()
  t.equal(run.body['attach_url'], `rendezvous://localhost:5000/${attachToken}`)
  t.match(last(), {
    terminal: { columns: 100, rows: 40 },
    env: { COLUMNS: '100' },
    processType: 'worker',
    timeToLiveMs: 60_000,
  })
  await http('POST', '/apps/ps-app/dynos', { command: 'bash', attach: true, env, force_no_tty: true })
  t.equal(last()['terminal'], null)
  await http('POST', '/apps/ps-app/dynos', { command: 'bash', attach: false, env: {} })
  t.match(last(), { attachToken: null, terminal: null })
})

t.test('buildpacks keep their order and come back as the CLI wants to see them', async (t) => {
  const { http } = await open(t)
  await http('POST', '/apps', { name: 'packs' })
  const updates = [
    { buildpack: 'urn:buildpack:heroku/nodejs' },
    { buildpack: 'https://buildpack-registry.s3.amazonaws.com/buildpacks/heroku/procfile.tgz' },
    { buildpack: 'https://example.com/pack.git#v2' },
  ]
  const put = await http('PUT', '/apps/packs/buildpack-installations', { updates }, { range: '' })
  const shown = [
    { ordinal: 0, buildpack: { url: 'urn:buildpack:heroku/nodejs', name: 'heroku/nodejs' } },
    { ordinal: 1, buildpack: { url: 'urn:buildpack:heroku/procfile', name: 'heroku/procfile' } },
    {
      ordinal: 2,
      buildpack: { url: 'https://example.com/pack.git#v2', name: 'https://example.com/pack.git#v2' },
    },
  ]
  t.same(put.body, shown)
  t.same((await http('GET', '/apps/packs/buildpack-installations')).body, shown)
  const anonymous = { authorization: '' }
  const registry = await http('GET', '/buildpacks/heroku%2Fnodejs', undefined, anonymous)
  t.match(registry, { status: 200, body: { blob_url: 'urn:buildpack:heroku/nodejs' } })
  t.equal((await http('GET', '/buildpacks/heroku%2Fnothing', undefined, anonymous)).status, 404)
  t.match((await http('GET', '/api/v4/current-status', undefined, anonymous)).body, {
    status: [{ status: 'green' }],
  })
  const schema = await http('GET', '/schema', undefined, anonymous)
  t.ok(schema.body['links'].some(({ href, method }: Json) => href === '/apps/{app}' && method === 'PATCH'))
})

t.test('a log session streams events with ids, resumes after one, and ends cleanly', async (t) => {
  const { http, readers, api } = await open(t)
  await http('POST', '/apps', { name: 'logs' })
  const session = await http('POST', '/apps/logs/log-sessions', {
    dyno: 'web',
    source: 'app',
    lines: 9999,
    tail: true,
  })
  t.equal(session.status, 201)
  const url = new URL(session.body['logplex_url'])
  t.match(url.search, /^\?srv=\d+$/)
  const address = `http://127.0.0.1:${api.port}${url.pathname}${url.search}`
  const line = (text: string) => ({ atUs: 1, source: 'app', process: 'web.1', text: Buffer.from(text) })

  const events = await fetch(address, { headers: { accept: 'text/event-stream', 'last-event-id': '41' } })
  t.match(events.headers.get('content-type'), /^text\/event-stream/)
  const reader = await until(() => readers[0], { what: 'the tail' })
  t.match(reader.wanted, { lines: 1500, tail: true, filter: { source: 'app', process: 'web' }, afterId: 41 })
  reader.reader.onLine(42, line('one'))
  reader.reader.onLine(43, line('two'))
  reader.reader.onEnd()
  t.equal(await events.text(), 'id: 42\ndata: T app[web.1]: one\n\nid: 43\ndata: T app[web.1]: two\n\n')
  await until(() => !reader.open, { what: 'the tail to be closed' })

  const plain = await fetch(address)
  t.match(plain.headers.get('content-type'), /^text\/plain/)
  const second = await until(() => readers[1], { what: 'the second tail' })
  t.notOk('afterId' in second.wanted)
  second.reader.onLine(1, line('one'))
  second.reader.onFailure('no history')
  t.match(await plain.text(), /^T app\[web\.1\]: one\nT heroku\[logplex\]: Error L15 /)

  const gone = new AbortController()
  await fetch(address, { signal: gone.signal })
  const third = await until(() => readers[2], { what: 'the third tail' })
  gone.abort()
  await until(() => !third.open, { what: 'an abandoned tail to be closed' })
  t.equal((await fetch(`http://127.0.0.1:${api.port}/logs/${'x'.repeat(40)}`)).status, 404)
})

t.test('git, build output and slugs are served beside the JSON', async (t) => {
  const { http } = await open(t)
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
})

t.test('heroku-client and an attached client work over the one port', async (t) => {
  const { api, world, rendezvous, certificates, http } = await open(t)
  const Heroku = createRequire(import.meta.url)('heroku-client') as new (options: Json) => Json
  const client = new Heroku({ token, host: `http://127.0.0.1:${api.port}` })
  const app = (await client['post']('/apps', { body: { name: 'client-app' } })) as Json
  t.equal(app['name'], 'client-app')
  t.same(await client['patch']('/apps/client-app/config-vars', { body: { A: 'b' } }), { A: 'b' })
  t.equal((await client['get']('/apps/client-app/releases')).length, 3)
  const failure = await client['get']('/apps/nope').catch((error: Json) => error)
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
  const { call } = await open(t)
  const headers = { Authorization: `Bearer ${token}` }
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
  t.equal(source('export GIT_SSL_CAINFO=/x HOME=/nowhere', git), `${ca}\nunset 1`)
  t.equal(
    source('export NO_PROXY=a.example', 'echo $NO_PROXY $no_proxy'),
    'a.example,localhost,127.0.0.1 localhost,127.0.0.1',
  )
  t.notMatch(envText(env), /undefined/)
})
