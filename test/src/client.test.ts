/** The typed client: what it sends, over HTTP's terms and NATS', and what it makes of answers. */
import t from 'tap'
import { apiClient, type RawAnswer, type RawCall } from '../../src/client/client.ts'
import { headerOf, overHttp, type HttpCall } from '../../src/client/over-http.ts'
import { overNats } from '../../src/client/over-nats.ts'
import { apiToken, openApi } from '../kit/api.ts'

const answered = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
  const calls: RawCall[] = []
  const answer: RawAnswer = {
    status,
    text: typeof body === 'string' ? body : JSON.stringify(body),
    header: (name) => headers[name],
  }
  const client = apiClient(async (call) => {
    calls.push(call)
    return answer
  })
  return { calls, client }
}

t.test('a call has its path, query, body and range', async (t) => {
  const { calls, client } = answered(206, [], { 'Next-Range': 'id ]a..' })
  const { nextRange } = await client.answer('audit.list-by-app', {
    params: { app: 'a/b' },
    query: { q: 'x y' },
    range: 'seq ..; max=1',
  })
  t.match(calls, [{ method: 'GET', path: '/apps/a%2Fb/audit-trail?q=x+y', range: 'seq ..; max=1' }])
  t.equal(nextRange, 'id ]a..')
  await client.call('apps.create', { body: { name: 'shop' } })
  t.match(calls.at(-1), { method: 'POST', path: '/apps', body: { name: 'shop' } })
})

t.test('what is refused says so in its own words, and what is no answer is broken', async (t) => {
  const refusal = { id: 'not_found', message: "Couldn't find that app.", resource: 'app' }
  const missing = { code: 'not_found', status: 404, resource: 'app', message: refusal.message }
  await t.rejects(answered(404, refusal).client.call('apps.list'), missing)
  await t.rejects(answered(502, '<html>').client.call('apps.list'), { code: 'broken', status: 502 })
  await t.rejects(answered(418, { id: 'teapot', message: 'no' }).client.call('apps.list'), { code: 'broken' })
  const empty = answered(200, {}).client.call('apps.info', { params: { app: '' } })
  await t.rejects(empty, { message: 'apps.info needs app' }, 'it would be another call')
})

t.test('over NATS it asks the very endpoints, as whose token it has', async (t) => {
  const api = await openApi(t)
  const client = (token?: string) =>
    apiClient(
      overNats(
        async (subject, bytes, headers) => {
          const endpoint = api.service.get(subject)!
          const { headers: back, bytes: answer } = await endpoint.handle(bytes, (name) => headers[name])
          return { bytes: answer, header: (name) => back[name] }
        },
        token === undefined ? {} : { token },
      ),
    )
  const made = (await client(apiToken).call('apps.create', { body: { name: 'shop' } })) as { id: string }
  t.match(await client().call('apps.info', { params: { app: 'shop' } }), { id: made.id, name: 'shop' })
  await t.rejects(client('wrong').call('apps.list'), { code: 'unauthorized', status: 401 })
  const taken = client().call('apps.create', { body: { name: 'shop' } })
  await t.rejects(taken, { name: 'ApiRefused', code: 'invalid_params', status: 422 })
})

t.test('over HTTP it asks as the stock CLI does, and a broken gateway is no answer', async (t) => {
  const calls: HttpCall[] = []
  const exchange = async (call: HttpCall) => {
    calls.push(call)
    return { status: 200, text: '[]', header: headerOf({ 'next-range': 'id ]a..', etag: ['a', 'b'] }) }
  }
  const client = apiClient(overHttp(exchange, 'HRKU-1'))
  const { nextRange } = await client.answer('releases.list', { params: { app: 'shop' }, range: 'version ..' })
  await apiClient(overHttp(exchange)).call('config-vars.update', {
    params: { app: 'shop' },
    body: { A: null },
  })
  t.equal(nextRange, 'id ]a..')
  const accept = 'application/vnd.heroku+json; version=3'
  t.strictSame(calls, [
    {
      method: 'GET',
      path: '/apps/shop/releases',
      headers: { authorization: 'Bearer HRKU-1', accept, range: 'version ..' },
      body: undefined,
    },
    {
      method: 'PATCH',
      path: '/apps/shop/config-vars',
      headers: { accept, 'content-type': 'application/json' },
      body: '{"A":null}',
    },
  ])
})
