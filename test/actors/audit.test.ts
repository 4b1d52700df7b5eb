/** The audit trail: every change is in it before it is made, and what came of it. */
import t from 'tap'
import { openAudit, type Change } from '../../actors/api/audit.ts'
import { deployed, openApi, type Json } from '../kit/api.ts'
import { memoryTrail } from '../kit/memory-trail.ts'

const changeOf = (requestId: string, more: Partial<Change> = {}): Change => ({
  requestId,
  action: 'apps.update',
  who: { id: 'u', email: 'u@example.com' },
  authorizationId: null,
  from: { address: '127.0.0.1', agent: 'curl' },
  appId: 'a',
  params: { app: 'shop' },
  fields: ['maintenance'],
  ...more,
})

t.test(
  'what a caller changed is told with who, from where, its fields, and the release that it made',
  async (t) => {
    const opened = await openApi(t)
    const { http, as } = opened
    await deployed(opened, 'shop')
    const ann = await as('ann@example.com')
    await http('POST', '/apps/shop/collaborators', { user: 'ann@example.com' })
    const agent = { 'user-agent': 'heroku-cli/11.10.0 linux' }
    await ann.http('PATCH', '/apps/shop/config-vars', { SECRET: 'hunter2' }, agent)
    await ann.http('PATCH', '/apps/shop/formation', { updates: [{ type: 'nothing', quantity: 1 }] })
    await ann.http('GET', '/apps/shop')
    const { status, text, body } = await http('GET', '/apps/shop/audit-trail')
    t.equal(status, 200)
    const [scaled, set, access, created] = body as unknown as Json[]
    t.match(scaled, { action: 'formation.batch-update', status: 422, fields: ['updates'], release: null })
    t.match(set, {
      action: 'config-vars.update',
      actor: { email: 'ann@example.com' },
      fields: ['SECRET'],
      from: { address: '127.0.0.1', agent: agent['user-agent'] },
      params: { app: 'shop' },
      release: { version: 4 },
      status: 200,
      authorization: { id: /-/ },
    })
    t.match(access, { action: 'collaborators.create', actor: { email: 'owner@example.com' }, status: 201 })
    t.equal(created, undefined, 'an app has no id before it is made')
    t.notMatch(text, /hunter2/)
    t.equal(
      (await ann.http('GET', '/apps/shop/audit-trail')).status,
      403,
      'who may not manage it does not see it',
    )
    t.equal((await ann.http('GET', '/audit-trail')).status, 403)
    const { body: all } = await http('GET', '/audit-trail')
    t.ok((all as unknown as Json[]).some(({ action }) => action === 'apps.create'))
  },
)

t.test('a change that cannot be written down is not made', async (t) => {
  const { http, trail, world } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  trail.away = true
  const before = world.asked.length
  t.match(await http('PATCH', '/apps/shop', { maintenance: true }), {
    status: 503,
    body: { id: 'service_unavailable', message: /nothing was changed/ },
  })
  t.same(world.asked.slice(before), [], 'nobody was asked')
  t.equal((await http('GET', '/apps/shop')).status, 200, 'reading goes on')
})

t.test('what began and did not end is told so, and pages go back to the first', async (t) => {
  const trail = memoryTrail()
  const audit = openAudit(
    trail,
    () => 5,
    () => undefined,
  )
  for (let n = 0; n < 400; n += 1) (await audit.begin(changeOf(`r${n}`))).end(200)
  await audit.begin(changeOf('broken off'))
  const first = await audit.list({ max: 100 })
  t.match(first.events[0], { requestId: 'broken off', status: null, at: 5 })
  const seen: string[] = []
  for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null;) {
    const { events, next } = await audit.list({ max: 100, before })
    seen.push(...events.map(({ requestId, status }) => `${requestId} ${status}`))
    before = next
  }
  t.same(seen, ['broken off null', ...Array.from({ length: 400 }, (_, n) => `r${399 - n} 200`)])
})

t.test('what clients choose is cut, and what opens something is not written', async (t) => {
  const trail = memoryTrail()
  const audit = openAudit(
    trail,
    () => 5,
    () => undefined,
  )
  const params = { drain: 'https://user:pass@logs.example.com', token: 't.0123', app: 'x'.repeat(1000) }
  const fields = Array.from({ length: 1000 }, (_, n) => `f${n}`)
  await audit.begin(changeOf('r', { params, fields, from: { address: 'a', agent: 'y'.repeat(10_000) } }))
  const [step] = await trail.read({ max: 1 })
  t.ok((step?.bytes.length ?? 0) < 2_000)
  t.notMatch(Buffer.from(step?.bytes ?? []).toString(), /pass@|t\.0123/)
})

t.test('a push and a restore are in the trail as well, with what came of them', async (t) => {
  const { http } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  await http('POST', '/shop.git/git-receive-pack', '0000')
  await http('GET', '/shop.git/info/refs?service=git-receive-pack')
  t.equal((await http('PUT', '/cluster/restore', 'no backup')).status, 422)
  const events = (await http('GET', '/audit-trail')).body as unknown as Json[]
  t.match(events, [
    { action: 'cluster.restore', status: 422, app: null, actor: { email: 'owner@example.com' } },
    { action: 'git.push', status: 200, release: { version: 7 }, params: { app: 'shop' } },
    { action: 'apps.create' },
  ])
  t.equal(events.length, 3, 'asking for what there is changes nothing')
})
