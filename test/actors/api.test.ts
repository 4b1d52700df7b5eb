/** The API's endpoints: what is answered to whom asks, each object held against Heroku's published schema. */
import t from 'tap'
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { systemRandom } from '../../src/system/random.ts'
import { by, deployed, openApi, type Json } from '../kit/api.ts'
import { schemaFaults } from '../kit/schema.ts'

const authority = { ...makeAuthority('test', Date.now(), 100), commonName: 'test' }

t.test('every object is valid against the published schema', async (t) => {
  const opened = await openApi(t)
  const { http, store } = opened
  const app = await deployed(opened, 'schema-app')
  const buildId = systemRandom.uuid()
  const at = { createdAt: 1, updatedAt: 2 }
  const ids = { slugId: systemRandom.uuid(), releaseId: systemRandom.uuid(), releaseVersion: 3 }
  const build = {
    id: buildId,
    appId: app['id'],
    status: 'succeeded',
    version: '60a874b3',
    by,
    buildpacks: ['heroku/nodejs', 'https://example.com/b.git'],
    stack: 'heroku-24',
    ...ids,
    ...at,
  }
  const key = `builds/${app['id']}/${buildId}`
  await store.create(key, Buffer.from(JSON.stringify(build)))
  await store.create(`builds/${app['id']}/older`, Buffer.from('{"at":1}'))
  const given = issue(authority, ['www.example.com'], Date.now(), 90)
  const pair = { certificate_chain: given.certificate, private_key: given.key }
  const sni = (await http('POST', '/apps/schema-app/sni-endpoints', pair)).body['name'] as string
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
    ['config-vars', 'PATCH', '/apps/schema-app/config-vars', { A: '1' }],
    ['config-vars', 'GET', '/apps/schema-app/config-vars'],
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
    ['domain', 'PATCH', '/apps/schema-app/domains/www.example.com', { sni_endpoint: sni }],
    ['sni-endpoint', 'POST', '/apps/schema-app/sni-endpoints', pair],
    ['sni-endpoint', 'GET', '/apps/schema-app/sni-endpoints'],
    ['sni-endpoint', 'GET', `/apps/schema-app/sni-endpoints/${sni}`],
    ['sni-endpoint', 'PATCH', `/apps/schema-app/sni-endpoints/${sni}`, pair],
    ['sni-endpoint', 'DELETE', `/apps/schema-app/sni-endpoints/${sni}`],
    [
      'buildpack-installation',
      'PUT',
      '/apps/schema-app/buildpack-installations',
      { updates: [{ buildpack: 'heroku/nodejs' }] },
    ],
    ['app-feature', 'GET', '/apps/schema-app/features'],
    ['app-feature', 'GET', '/apps/schema-app/features/singleton-worker'],
    ['app-feature', 'PATCH', '/apps/schema-app/features/http-session-affinity', { enabled: true }],
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
  for (const path of ['addons', 'addon-attachments', 'log-drains', 'telemetry-drains']) {
    t.same((await http('GET', `/apps/schema-app/${path}`)).body, [], path)
  }
})

t.test('an international domain is kept in its ASCII form and known by both', async (t) => {
  const opened = await openApi(t)
  const { http } = opened
  await deployed(opened, 'worldly')
  const path = '/apps/worldly/domains'
  const made = await http('POST', path, { hostname: '*.BÜCHER.example.', sni_endpoint: null })
  t.match(made, { status: 201, body: { hostname: '*.xn--bcher-kva.example' } })
  const own = encodeURIComponent('*.bücher.example')
  t.match((await http('GET', `${path}/${own}`)).body, { hostname: '*.xn--bcher-kva.example' })
  t.equal((await http('DELETE', `${path}/${own}`)).status, 200)
  t.equal((await http('POST', path, { hostname: 'bü%2echer.example', sni_endpoint: null })).status, 422)
})

t.test('a feature is turned on and off by name or id, and only where there is one', async (t) => {
  const opened = await openApi(t)
  const { http } = opened
  await deployed(opened, 'featured')
  const path = '/apps/featured/features'
  const enabled = async () =>
    ((await http('GET', path)).body as unknown as { name: string; enabled: boolean }[])
      .filter((feature) => feature.enabled)
      .map(({ name }) => name)
  const always = 'runtime-heroku-exec'
  t.same(await enabled(), [always])
  const on = await http('PATCH', `${path}/http-session-affinity`, { enabled: true })
  t.match(on, { status: 200, body: { name: 'http-session-affinity', enabled: true, state: 'general' } })
  t.same(await enabled(), ['http-session-affinity', always])
  t.match((await http('PATCH', `${path}/${on.body['id']}`, { enabled: false })).body, { enabled: false })
  t.same(await enabled(), [always])
  t.match(await http('PATCH', `${path}/nope`, { enabled: true }), {
    status: 404,
    body: { id: 'not_found', resource: 'app_feature' },
  })
  t.equal((await http('PATCH', `${path}/http-session-affinity`, {})).status, 422)
  const single = async () => ({
    feature: (await http('GET', `${path}/singleton-worker`)).body['enabled'],
    formation: (await http('GET', '/apps/featured/formation/worker')).body['singleton'] ?? false,
  })
  t.same(await single(), { feature: false, formation: false })
  t.match((await http('PATCH', `${path}/singleton-worker`, { enabled: true })).body, { enabled: true })
  t.same(await single(), { feature: true, formation: true }, 'the flag of the formation')
  await http('PATCH', '/apps/featured/formation/worker', { singleton: false })
  t.same(await single(), { feature: false, formation: false }, 'and the other way round')
  const worker = '/apps/featured/formation/worker'
  t.match((await http('PATCH', worker, { labels: { disk: 'ssd' } })).body, { labels: { disk: 'ssd' } })
  t.equal((await http('PATCH', worker, { labels: { disk: 1 } })).status, 422)
  t.match((await http('GET', worker)).body, { labels: { disk: 'ssd' } })
  t.equal((await http('PATCH', worker, { labels: null })).body['labels'], undefined, 'none any more')
  // `labs:enable` asks the account first and goes on to the app on 404.
  t.equal((await http('PATCH', '/account/features/http-session-affinity', { enabled: true })).status, 404)
})

t.test('apps are made, found by name and id, renamed and destroyed with the texts of Heroku', async (t) => {
  const opened = await openApi(t)
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

t.test('what cannot be done is answered with the status and id of Heroku', async (t) => {
  const opened = await openApi(t)
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
  await answers('DELETE', '/nope', undefined, 404, 'not_found', missing)
  await answers('POST', '/apps', '{"name":', 400, 'bad_request', /parse/)
  await answers('POST', '/apps', `{"name":"${'x'.repeat(1024 * 1024)}"}`, 413, 'payload_too_large', /./)
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
  world.failNext('app', { kind: 'nobody', reason: 'malformed' })
  await answers('GET', '/apps/wrong-app', undefined, 503, 'service_unavailable', /nothing was changed/)
  world.failNext('app', { kind: 'unknown', reason: 'timeout' })
  await answers('GET', '/apps/wrong-app', undefined, 503, 'service_unavailable', /may have been made/)
  world.failNext('releases', { kind: 'refused', code: 'surprise', reason: 'a secret' })
  await answers('GET', '/apps/wrong-app/releases', undefined, 500, 'internal_server_error', /./)
})

t.test('a dyno that nothing keeps apart says so beside its command, and no other does', async (t) => {
  const opened = await openApi(t)
  const { http, unisolated } = opened
  await deployed(opened, 'ps-app')
  const shown = async (): Promise<string> => (await http('GET', '/apps/ps-app/dynos/web.1')).body['command']
  const command = await shown()
  t.notMatch(command, 'isolated')
  unisolated.add('here')
  t.equal(await shown(), `${command} (not isolated)`)
  const run = await http('POST', '/apps/ps-app/dynos', { command: 'date' })
  t.match(run.body['command'], /^date( \(not isolated\))?$/)
})

t.test('process commands reach the formation as the CLI means them', async (t) => {
  const opened = await openApi(t)
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
  const sizeless = { COLUMNS: 0, LINES: 0 }
  await http('POST', '/apps/ps-app/dynos', { command: 'bash', attach: true, env: sizeless })
  t.match(last(), { terminal: { columns: 80, rows: 24 } })
  await http('POST', '/apps/ps-app/dynos', { command: 'bash', attach: true, env, force_no_tty: true })
  t.equal(last()['terminal'], null)
  await http('POST', '/apps/ps-app/dynos', { command: 'bash', attach: false, env: {} })
  t.match(last(), { attachToken: null, terminal: null })
  const inside = await http('POST', '/apps/ps-app/dynos/web.1', { command: 'bash', env })
  t.equal(inside.status, 201)
  t.match(last(), { type: 'inside', command: 'bash', terminal: { columns: 100, rows: 40 }, by: {} })
  t.match(inside.body, {
    name: 'web.1',
    attach_url: `rendezvous://localhost:5000/${last()['attachToken']}`,
  })
  t.equal((await http('POST', '/apps/ps-app/dynos/web.9', { command: 'bash' })).status, 404)
  t.equal((await http('POST', '/apps/ps-app/dynos/web.1', { command: ' ' })).status, 422)
})

t.test('buildpacks keep their order and come back as the CLI wants to see them', async (t) => {
  const { http } = await openApi(t)
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
  const { links, definitions } = schema.body
  t.match(
    links.find(({ title }: Json) => title === 'apps.list'),
    { href: '/apps', targetSchema: { type: ['array'], items: { $ref: '#/definitions/app' } } },
  )
  t.match(
    links.find(({ title }: Json) => title === 'apps.update'),
    { href: '/apps/{app}', method: 'PATCH', targetSchema: { $ref: '#/definitions/app' } },
  )
  t.match(definitions['app'], { properties: { name: { type: 'string' } }, additionalProperties: false })
  for (const { title, targetSchema } of links as readonly Json[])
    t.ok((targetSchema?.items?.$ref ?? targetSchema?.$ref ?? '').split('/').at(-1) in definitions, title)
})
