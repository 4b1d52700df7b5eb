/**
 * What `heroku ps:exec` asks before it connects: who may come in to which dyno, and who may not.
 */
import t, { type Test } from 'tap'
import type { Tunnel } from '../../actors/api/face/exec.ts'
import { apiToken, deployed, openApi } from '../kit/api.ts'

const key = 'ssh-rsa AAAA'

const open = async (t: Test, refusal?: string) => {
  const reserved: object[] = []
  const tunnel: Tunnel = {
    host: '127.0.0.9',
    hostKey: 'ssh-ed25519 HOST',
    refusal: async () => refusal,
    isKey: (text) => text === key,
    reserve: (of, grant) => {
      reserved.push({ of, ...grant })
      return 'user'
    },
  }
  const api = await openApi(t, { tunnel })
  await deployed(api, 'shop')
  const ask = (method: string, path: string, body?: unknown, login = `shop:${apiToken}`) =>
    api.http(method, path, body, { authorization: `Basic ${Buffer.from(login).toString('base64')}` })
  return { ...api, reserved, ask }
}

t.test('a key is let in to a dyno that runs, and its client is told where and as whom', async (t) => {
  const { ask, reserved, http } = await open(t)
  const { status, body } = await ask('PUT', '/api/v2/web.1', { client_key: `${key}\n` })
  t.equal(status, 200)
  t.same(body, {
    tunnel_host: '127.0.0.9',
    client_user: 'user',
    proxy_public_key: 'ssh-ed25519 HOST',
    dyno_ip: '127.0.0.1',
  })
  const { body: dyno } = await http('GET', '/apps/shop/dynos/web.1')
  t.same(reserved, [{ of: key, host: 'here', runId: dyno['id'] }])
  const { body: status2 } = await ask('GET', '/api/v2')
  t.same(status2, [{ dyno_name: 'web.1' }])
})

t.test('nobody is let in to what is not theirs or not there, or with what is no key', async (t) => {
  const { ask, reserved, http, as } = await open(t)
  const put = async (login: string, path = '/api/v2/web.1', body: unknown = { client_key: key }) => {
    const answer = await ask('PUT', path, body, login)
    return `${answer.status} ${answer.body['id']}`
  }
  const mine = `shop:${apiToken}`
  t.equal(await put('shop:wrong'), '401 unauthorized')
  t.equal(await put(`other:${apiToken}`), '404 not_found')
  t.equal(await put(`:${apiToken}`), '404 not_found')
  t.equal(await put(mine, '/api/v2/web.9'), '404 not_found')
  for (const body of [{}, [], 'text', { client_key: 7 }, { client_key: 'no key' }])
    t.match(await put(mine, undefined, body), /^4(00 bad_request|22 invalid_params)$/)
  t.equal(await put(mine, undefined, { client_key: 'x'.repeat(20_000) }), '400 bad_request')
  t.equal((await http('PUT', '/api/v2/web.1', { client_key: key })).status, 404, 'Bearer names no app')
  t.equal((await ask('DELETE', '/api/v2/web.1')).status, 404)
  t.equal((await ask('PUT', '/api/v2/%zz', {})).status, 400)
  const stranger = await as('stranger@example.com')
  t.equal(await put(`shop:${stranger.token}`), '403 forbidden')
  const reader = await as('owner@example.com', ['read-protected', 'write'])
  t.equal(await put(`shop:${reader.token}`), '403 forbidden', 'who is in a dyno sees its config vars')
  t.same(reserved, [])
})

t.test('the feature is on until it is turned off; without a listener the client hears why', async (t) => {
  const { ask, http } = await open(t)
  const feature = '/apps/shop/features/runtime-heroku-exec'
  t.match((await http('GET', feature)).body, { enabled: true, state: 'general' })
  t.match((await http('PATCH', feature, { enabled: false })).body, { enabled: false })
  t.match((await http('GET', feature)).body, { enabled: false })
  t.equal((await ask('PUT', '/api/v2/web.1', { client_key: key })).status, 403)
  t.match((await http('PATCH', feature, { enabled: true })).body, { enabled: true })
  t.equal((await ask('PUT', '/api/v2/web.1', { client_key: key })).status, 200)
  const off = await open(t, 'SSH into dynos is off on this host: EACCES')
  const refused = await off.ask('PUT', '/api/v2/web.1', { client_key: key })
  t.equal(refused.status, 503)
  t.match(refused.body, { id: 'service_unavailable', message: /EACCES/ })
})
