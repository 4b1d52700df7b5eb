/** Calls that are sent again: the same answer, and the thing done once. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createRetries, idFrom, keyIn } from '../../actors/api/retries.ts'
import { openApi, type OpenedApi } from '../kit/api.ts'

const asked = ({ world }: OpenedApi, type: string): number =>
  world.asked.filter((question) => question.type === type).length

t.test('a call with the same Request-Id answers the same, and is done once', async (t) => {
  const api = await openApi(t)
  const ids = { 'request-id': [randomUUID(), randomUUID()].join() }
  const made = await api.http('POST', '/apps', { name: 'shop' }, ids)
  t.equal(made.status, 201)
  t.equal(made.headers.get('idempotent-replayed'), null)
  const again = await api.http('POST', '/apps', { name: 'shop' }, ids)
  t.equal(again.status, 201)
  t.strictSame(again.body, made.body)
  t.equal(again.headers.get('idempotent-replayed'), 'true')
  t.not(again.headers.get('request-id'), made.headers.get('request-id'))
  t.equal(asked(api, 'create'), 1)
  t.match(await api.http('POST', '/apps', { name: 'shop' }), {
    status: 422,
    body: { message: /already taken/ },
  })
  const later = { 'request-id': `${randomUUID()},${ids['request-id']}` }
  t.equal((await api.http('POST', '/apps', { name: 'shop' }, later)).status, 422, 'the newest id counts')

  const ann = await api.as('ann@example.com')
  const hers = await ann.http('POST', '/apps', { name: 'shop' }, ids)
  t.equal(hers.status, 422, 'somebody else’s call is another')
  t.equal((await api.http('POST', '/apps', { name: 'other' }, ids)).status, 201, 'and so is another body')
  const odd = { 'request-id': 'always-the-same' }
  const command = { command: 'ls' }
  for (let n = 0; n < 2; n += 1)
    t.equal(
      (await api.http('POST', '/apps/shop/dynos', command, odd)).headers.get('idempotent-replayed'),
      null,
    )
})

t.test('calls with one key at one time share an answer', async (t) => {
  const api = await openApi(t)
  const key = { 'idempotency-key': 'deploy-42' }
  const all = await Promise.all(
    Array.from({ length: 5 }, () => api.http('POST', '/apps', { name: 'shop' }, key)),
  )
  for (const { status, body } of all) t.match({ status, body }, { status: 201, body: all[0]?.body })
  t.equal(asked(api, 'create'), 1)
  const other = await api.http('POST', '/apps', { name: 'other' }, key)
  t.match(other, { status: 422, body: { id: 'invalid_params', message: /used for another call/ } })
  const long = await api.http('POST', '/apps', {}, { 'idempotency-key': 'x'.repeat(256) })
  t.match(long, { status: 400, body: { message: /1 to 255 characters/ } })
})

t.test('another host, or the next life of this one, does not do it twice', async (t) => {
  const api = await openApi(t)
  const key = { 'idempotency-key': randomUUID() }
  const made = await api.http('POST', '/apps', { name: 'shop' }, key)
  const next = await openApi(t, { beside: api })
  const again = await next.http('POST', '/apps', { name: 'shop' }, key)
  t.match(again, { status: 201, body: { id: made.body['id'], name: 'shop' } }, 'the same app')
  t.equal((await next.http('GET', '/apps')).body['length'], 1)

  const nameless = { 'idempotency-key': randomUUID() }
  const one = await api.http('POST', '/apps', {}, nameless)
  t.match(await next.http('POST', '/apps', {}, nameless), { status: 201, body: { id: one.body['id'] } })

  for (const [path, wanted] of [
    ['/teams', { name: 'acme' }],
    ['/teams/apps', { team: 'acme', name: 'store' }],
  ] as const) {
    const its = { 'idempotency-key': randomUUID() }
    const { body: first } = await api.http('POST', path, wanted, its)
    const { status, body: second } = await next.http('POST', path, wanted, its)
    t.match([status, second], [201, { id: first['id'] }], `${path}: the same one`)
  }
  t.equal((await next.http('GET', '/teams')).body['length'], 1)

  const hook = { 'idempotency-key': randomUUID() }
  const body = { url: 'https://hook.example/', include: ['api:release'], level: 'notify' }
  t.equal((await api.http('POST', '/apps/shop/webhooks', body, hook)).status, 201)
  const twice = await next.http('POST', '/apps/shop/webhooks', body, hook)
  t.match(twice, { status: 409, body: { id: 'conflict', message: /made before, and was answered with 201/ } })
  t.match(await next.http('POST', '/apps/shop/webhooks', body, hook), { status: 409 }, 'nor the third time')

  const set = { 'idempotency-key': randomUUID() }
  t.equal((await api.http('PATCH', '/apps/shop/config-vars', { A: '1' }, set)).status, 200)
  t.equal(
    (await next.http('PATCH', '/apps/shop/config-vars', { A: '1' }, set)).status,
    200,
    'it is so by then',
  )
})

t.test(
  'a call of which nothing came may be made again, and one that may have been done may not',
  async (t) => {
    const api = await openApi(t)
    const key = { 'idempotency-key': randomUUID() }
    await api.http('POST', '/apps', { name: 'shop' })
    const body = { url: 'https://hook.example/', include: ['api:release'], level: 'notify' }
    const add = () => api.http('POST', '/apps/shop/webhooks', body, key)
    api.world.failNext('webhooks', { kind: 'nobody', reason: 'passivated' })
    const first = await add()
    t.match(first, { status: 503, body: { message: /nothing was changed/ } })
    t.match(first.headers.get('retry-after'), /^[1-9]$/)
    t.equal((await add()).status, 201)

    const lost = { 'idempotency-key': randomUUID() }
    const other = { ...body, url: 'https://other.example/' }
    api.world.failNext('webhooks', { kind: 'unknown', reason: 'timeout' })
    const unknown = await api.http('POST', '/apps/shop/webhooks', other, lost)
    t.match(unknown, { status: 503, body: { message: /may have been made/ } })
    const again = await api.http('POST', '/apps/shop/webhooks', other, lost)
    t.match(again, { status: 409, body: { message: /what came of it is not known/ } })

    api.trail.away = true
    const unwritten = { 'idempotency-key': randomUUID() }
    t.match(await api.http('POST', '/apps', { name: 'late' }, unwritten), { status: 503 })
    api.trail.away = false
    t.equal((await api.http('POST', '/apps', { name: 'late' }, unwritten)).status, 201)
  },
)

t.test('a drain whose lines others may read is warned of, also when it is sent again', async (t) => {
  const api = await openApi(t)
  await api.http('POST', '/apps', { name: 'shop' })
  const add = async (url: string) => {
    const key = { 'idempotency-key': url }
    const one = await api.http('POST', '/apps/shop/log-drains', { url }, key)
    const again = await api.http('POST', '/apps/shop/log-drains', { url }, key)
    t.equal(again.headers.get('warning-message'), one.headers.get('warning-message'))
    return one.headers.get('warning-message')
  }
  t.equal(await add('syslog://logs.example.com:514'), 'Lines go to this receiver in clear text.')
  t.match(await add('https://logs.example.com/#insecure'), /certificate of this receiver is not verified/)
  t.equal(await add('https://logs.example.com/in'), null)
})

t.test('answers are kept for ten minutes, and few of them', (t) => {
  let now = 0
  const retries = createRetries(() => now)
  const said = { userId: 'u', name: 'apps.create', key: 'key a' }
  const answer = (length: number) => ({ bytes: Buffer.alloc(length), headers: {} })
  const begin = (key: string) => {
    const begun = retries.begin({ ...said, key }, Buffer.from('{}'))
    return 'answer' in begun ? undefined : begun
  }
  begin('key a')?.end(answer(1), 'done')
  t.equal(begin('key a'), undefined)
  now += 10 * 60_000
  t.ok(begin('key a'), 'that was long ago')
  for (let n = 0; n < 40; n += 1) begin(`key large ${n}`)?.end(answer(1024 * 1024), 'done')
  t.ok(begin('key large 0'), '32 MB in all')
  t.equal(begin('key large 39'), undefined)
  for (let n = 0; n < 10_050; n += 1) begin(`key small ${n}`)?.end(answer(0), 'done')
  t.ok(begin('key small 0'))
  t.equal(begin('key small 10049'), undefined)
  t.end()
})

t.test('an id that is made of a call is a UUID, the same each time', (t) => {
  t.equal(idFrom('a', 'b'), idFrom('a', 'b'))
  t.not(idFrom('a', 'b'), idFrom('ab', ''))
  for (let n = 0; n < 100; n += 1)
    t.match(idFrom(`${n}`, 'x'), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.equal(keyIn({ idempotencyKey: undefined, requestId: undefined }), undefined)
  t.equal(keyIn({ idempotencyKey: undefined, requestId: 'x,y' }), undefined)
  t.throws(() => keyIn({ idempotencyKey: '', requestId: undefined }), { code: 'bad_request' })
  t.end()
})
