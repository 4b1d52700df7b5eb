/** Telemetry drains in the API: Heroku's objects, what is refused and why, and who may see them. */
import t from 'tap'
import { deployed, openApi, type Json } from '../kit/api.ts'
import { schemaFaults } from '../kit/schema.ts'

const endpoint = 'https://otlp.example.com'
const all = ['traces', 'metrics', 'logs']
const nowhere = '01234567-89ab-cdef-0123-456789abcdef'

t.test('a telemetry drain is added, shown, changed and removed, by the schema', async (t) => {
  const opened = await openApi(t)
  const { http, world } = opened
  const app = await deployed(opened, 'traced')
  const body = {
    owner: { id: app['id'], type: 'app' },
    signals: all,
    exporter: { type: 'otlphttp', endpoint, headers: { 'x-key': 'secret' } },
  }
  const blanks = { ...body, exporter: { ...body.exporter, endpoint: ` ${endpoint}\n` } }
  const made = await http('POST', '/telemetry-drains', blanks)
  t.equal(made.status, 201, made.text)
  t.same(schemaFaults('telemetry-drain', made.body), [])
  t.match(made.body, { owner: body.owner, signals: ['logs'], exporter: body.exporter })
  const path = `/telemetry-drains/${made.body['id']}`
  t.same((await http('GET', path)).body, made.body)
  t.same((await http('GET', '/apps/traced/telemetry-drains')).body, [made.body])
  t.same((await http('GET', '/apps/traced/log-drains')).body, [], 'it is no log drain')
  t.equal((await http('DELETE', `/apps/traced/log-drains/${made.body['id']}`)).status, 404)
  t.same((await http('GET', `${path}/delivery`)).body, {
    state: 'up',
    lag: 0,
    dropped: 0,
    reason: null,
    delivered_at: null,
  })
  const moved = await http('PATCH', path, { exporter: { endpoint: 'http://other.example.com:4318' } })
  t.match(moved, {
    status: 200,
    body: { exporter: { endpoint: 'http://other.example.com:4318', headers: { 'x-key': 'secret' } } },
  })
  t.same(schemaFaults('telemetry-drain', moved.body), [])
  t.match(JSON.stringify(world.asked), /"telemetry":\{"headersId":"\w+"\}/)
  t.notMatch(JSON.stringify(world.asked), /secret/, 'values of headers go to nobody but the vault')
  const bare = await http('PATCH', path, { exporter: { headers: {} }, signals: ['logs'] })
  t.match(bare, { status: 200, body: { exporter: { endpoint: 'http://other.example.com:4318' } } })
  t.same(bare.body['exporter'].headers, {})
  t.same((await http('DELETE', path)).body, bare.body)
  t.match(await http('GET', path), {
    status: 404,
    body: { id: 'not_found', message: "Couldn't find that telemetry drain." },
  })
})

t.test('what a telemetry drain cannot be is refused with what is allowed', async (t) => {
  const opened = await openApi(t)
  const { http } = opened
  const app = await deployed(opened, 'strict')
  const good = {
    owner: { id: app['id'], type: 'app' },
    signals: ['logs'],
    exporter: { type: 'otlphttp', endpoint },
  }
  const exporter = (change: object) => ({ exporter: { ...good.exporter, ...change } })
  const refused = async (change: object, status: number, message: RegExp) => {
    const answer = await http('POST', '/telemetry-drains', { ...good, ...change })
    t.match(answer, { status, body: { message } }, JSON.stringify(change).slice(0, 200))
  }
  await refused(
    { signals: ['traces'] },
    422,
    /^Invalid signals: "traces" \(allowed: logs, which is what this/,
  )
  await refused({ signals: ['logs', 'metrics'] }, 422, /Invalid signals: "metrics"/)
  await refused({ signals: [...all, 'noise'] }, 422, /Invalid signals: "noise"/)
  await refused({ signals: [] }, 422, /Invalid signals: none/)
  await refused({ owner: { id: nowhere, type: 'space' } }, 404, /^Couldn't find that space\.$/)
  await refused({ owner: { id: nowhere, type: 'app' } }, 404, /^Couldn't find that app\.$/)
  await refused({ owner: { id: nowhere, type: 'team' } }, 422, /Invalid owner type: "team" \(allowed: app\)/)
  await refused({ owner: undefined }, 422, /Require params: owner/)
  await refused(exporter({ type: 'otlp' }), 422, /"otlp", which is OTLP over gRPC \(allowed: otlphttp, /)
  await refused(exporter({ type: 'splunk' }), 422, /Invalid exporter type: "splunk" \(allowed: otlphttp/)
  await refused(exporter({ endpoint: 'syslog://h' }), 422, /Invalid endpoint: it is no http or https URL/)
  await refused(exporter({ headers: { host: 'x' } }), 422, /Invalid headers: "host" is set by the platform/)
  await refused(exporter({ headers: { a: 1 } }), 422, /exporter\.headers\.a must be string/)
  await refused(exporter({ headers: [] }), 422, /exporter\.headers must be object/)
  t.equal((await http('POST', '/telemetry-drains', good)).status, 201)
  await refused({}, 422, /Endpoint has already been taken/)
  const [drain] = (await http('GET', '/apps/strict/telemetry-drains')).body as unknown as Json[]
  const path = `/telemetry-drains/${drain?.['id']}`
  t.match(await http('PATCH', path, { signals: ['metrics'] }), { status: 422 })
  t.match(await http('PATCH', path, { exporter: { type: 'otlp' } }), { status: 422 })
  const before = opened.world.asked.length
  t.match(await http('GET', '/telemetry-drains/x'), { status: 404 })
  t.equal(opened.world.asked.length, before, 'nobody is made to look for it')
  t.match(await http('GET', `/telemetry-drains/${nowhere}`), { status: 404 })
  for (const space of ['/spaces/mine', '/spaces/mine/telemetry-drains'])
    t.match(await http('GET', space), { status: 404, body: { message: "Couldn't find that space." } })
})

t.test("another's telemetry drain is not there", async (t) => {
  const opened = await openApi(t)
  const { world } = opened
  const { http } = await opened.as('stranger@example.com')
  const app = nowhere
  const ask = (to: object, message: object) =>
    world.node.ask(to as never, message as never, { timeoutMs: 1000 })
  const owner = { id: 'somebody', email: 'else@example.com' }
  await ask(
    { to: 'app', key: app },
    { type: 'create', name: 'theirs', owner, region: 'x', stack: 'heroku-24' },
  )
  const telemetry = { headersId: '' }
  const made = await ask({ to: 'app', key: app }, { type: 'addDrain', url: endpoint, telemetry })
  for (const method of ['GET', 'PATCH', 'DELETE'])
    t.match(
      await http(method, `/telemetry-drains/${(made as Json)['id']}`, method === 'PATCH' ? {} : undefined),
      { status: 404, body: { message: "Couldn't find that telemetry drain." } },
      method,
    )
  t.match(await http('GET', `/apps/${app}/telemetry-drains`), { status: 403 })
  const owned = {
    owner: { id: app, type: 'app' },
    signals: ['logs'],
    exporter: { type: 'otlphttp', endpoint },
  }
  t.match(await http('POST', '/telemetry-drains', owned), { status: 403 })
})
