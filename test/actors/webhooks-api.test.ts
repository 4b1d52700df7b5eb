/** Webhooks over the API: what is taken, what is refused, and that secrets stay in. */
import t from 'tap'
import { systemClock } from '../../src/system/clock.ts'
import { openApi, type Json } from '../kit/api.ts'
import { schemaFaults } from '../kit/schema.ts'

const wanted = { include: ['api:release', 'dyno'], level: 'sync', url: 'https://example.com/hook' }

t.test('a webhook is made, shown, changed and removed; its secret is shown once', async (t) => {
  const { http, world } = await openApi(t)
  const { body: app } = await http('POST', '/apps', { name: 'shop' })
  const made = await http('POST', '/apps/shop/webhooks', { ...wanted, authorization: 'Bearer mine' })
  t.equal(made.status, 201)
  t.match(made.body, { ...wanted, app: { id: app['id'], name: 'shop' } })
  t.match(made.headers.get('heroku-webhook-secret'), /^\S{64}$/)
  const path = `/apps/shop/webhooks/${made.body['id']}`
  const shown = await http('GET', path)
  t.strictSame(shown.body, made.body)
  t.equal(shown.headers.get('heroku-webhook-secret'), null)
  t.strictSame((await http('GET', '/apps/shop/webhooks')).body, [made.body])
  const changed = await http('PATCH', path, { level: 'notify', secret: 'sesame' })
  t.match(changed.body, { ...wanted, level: 'notify' })
  const sealed = () => {
    const { sealedId } = world.asked.findLast(({ type }) => type === 'change') as Json
    return world.vault.open(app['id'], sealedId)
  }
  t.strictSame(await sealed(), { secret: 'sesame', authorization: 'Bearer mine' })
  await http('PATCH', path, { authorization: 'Bearer other' })
  t.strictSame(await sealed(), { secret: 'sesame', authorization: 'Bearer other' }, 'what is left out stays')
  t.notOk(JSON.stringify(world.asked).includes('sesame'), 'actors are told none of it')
  t.equal((await http('DELETE', path)).status, 200)
  t.match(await http('GET', path), { status: 404, body: { id: 'not_found', resource: 'webhook' } })
})

t.test('what a webhook cannot be is refused, with what it may be', async (t) => {
  const { http } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  for (const [change, text] of [
    [{ url: 'ftp://example.com/' }, /Invalid webhook URL: its scheme is ftp \(allowed: http/],
    [{ url: 'syslog://example.com' }, /Invalid webhook URL/],
    [{ include: [] }, /at least one kind/],
    [{ include: ['api:nothing'] }, /Invalid include: "api:nothing" \(allowed: api:app, /],
    [{ level: 'often' }, /Invalid params: level/],
    [{ authorization: 'a\nb' }, /printable ASCII/],
    [{ secret: 'x'.repeat(2_000) }, /Invalid params: secret/],
  ] as const) {
    const { status, body } = await http('POST', '/apps/shop/webhooks', { ...wanted, ...change })
    t.equal(status, 422, JSON.stringify(change).slice(0, 60))
    t.match(body, { id: 'invalid_params', message: text })
  }
})

t.test('deliveries and events are listed as the CLI asks for them', async (t) => {
  const { http, events } = await openApi(t)
  const { body: app } = await http('POST', '/apps', { name: 'shop' })
  const { body: hook } = await http('POST', '/apps/shop/webhooks', wanted)
  const range = { range: 'seq ..; order=desc,max=1000' }
  const list = await http('GET', '/apps/shop/webhook-deliveries', undefined, range)
  t.match(list.body, [
    { status: 'retrying', webhook: { id: hook['id'], level: 'sync' }, last_attempt: { code: 503 } },
  ])
  t.strictSame((await http('GET', '/apps/shop/webhook-deliveries?eq[status]=failed')).body, [])
  t.equal((await http('GET', '/apps/shop/webhook-deliveries/nope')).status, 404)

  const log = events.attach(systemClock, () => ({ fail: 0, unknown: 0, latencyMsMax: 0 }))
  const time = '2026-11-28T00:00:00Z'
  const told = {
    id: '7846bee9-b017-4492-9bed-34cd8327e71d',
    created_at: time,
    updated_at: time,
    published_at: time,
    action: 'create',
    actor: { id: app['id'], email: 'a@example.com' },
    resource: 'release',
    data: { id: 'r1' },
    previous_data: {},
    version: 'application/vnd.heroku+json; version=3',
  }
  await log.append(`app.${app['id']}.release.create`, 'a', Buffer.from(JSON.stringify(told)))
  await log.append('app.other.release.create', 'b', Buffer.from(JSON.stringify(told)))
  const hostEvent = '0d3b8f6c-5a0c-4f0e-9d55-0a4f3f6f2b11'
  const host = { ...told, id: hostEvent, resource: 'host', data: { name: 'h1', state: 'dead' } }
  await log.append('host.h1.dead', 'c', Buffer.from(JSON.stringify(host)))
  t.match((await http('GET', '/host-events')).body, [
    { id: hostEvent, include: 'api:host', payload: { data: { name: 'h1', state: 'dead' } } },
  ])
  const found = (await http('GET', '/apps/shop/webhook-events')).body
  t.equal(found['length'], 1, 'no other app is looked into')
  t.match(found[0], {
    id: told.id,
    include: 'api:release',
    payload: { action: 'create', data: { id: 'r1' } },
  })
  t.strictSame((await http('GET', `/apps/shop/webhook-events/${told.id}`)).body, found[0])
  const from = async (range: string) =>
    (await http('GET', '/apps/shop/webhook-events', undefined, { range })).body['length'] as number
  t.strictSame([await from('seq 1..'), await from('seq ]1..')], [1, 0], 'from a number on, or behind it')
  t.strictSame(schemaFaults('app-webhook-event', found[0]), [])
  t.strictSame(schemaFaults('app-webhook-delivery', list.body[0]), [])
  t.strictSame(schemaFaults('app-webhook', hook), [])
})
