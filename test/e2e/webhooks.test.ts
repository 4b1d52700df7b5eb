/**
 * Webhooks, with the stock CLI and a real receiver: what happens to an app is told, signed, in order, also
 * while the receiver is away and while the host process is killed.
 */
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

type Told = {
  readonly action: string
  readonly resource: string
  readonly data: Readonly<Record<string, unknown>>
  readonly webhook_metadata: { readonly delivery: { readonly id: string } }
}
const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/

/** @param secret what it is signed with, as the receiver was told */
const startReceiver = async (t: Test, secret: string) => {
  const told: Told[] = []
  const unsigned: string[] = []
  const behaviour = { status: 204 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const right = createHmac('sha256', secret).update(body).digest('base64')
      const isSigned = request.headers['heroku-webhook-hmac-sha256'] === right
      if (!isSigned || request.headers.authorization !== 'Bearer mine') unsigned.push(body.toString())
      if (behaviour.status < 300) told.push(JSON.parse(body.toString()) as Told)
      response.writeHead(behaviour.status).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { told, unsigned, behaviour, url: `http://127.0.0.1:${port}/hook` }
}

const lines = (...all: readonly string[]): string => all.join('\n')
/** The rows of a table in one order. */
const sorted = (text: string): string => {
  const all = text.split('\n')
  const rows = all.filter((line) => line.startsWith('ID '))
  return [...all.slice(0, 2), ...rows.toSorted(), ...all.slice(2 + rows.length)].join('\n')
}
/** What is shown of an event. */
const payload = lines(
  '{',
  '"action": "create",',
  '"actor": {',
  '"email": "owner@manifold.local",',
  '"id": "ID"',
  '},',
  '"data": {',
  '"addon_plan_names": [],',
  '"app": {',
  '"id": "ID",',
  '"name": "shop"',
  '},',
  '"artifacts": [],',
  '"created_at": "TIME",',
  '"current": true,',
  '"description": "Set A config vars",',
  '"eligible_for_rollback": false,',
  '"id": "ID",',
  '"output_stream_url": null,',
  '"slug": null,',
  '"status": "succeeded",',
  '"updated_at": "TIME",',
  '"user": {',
  '"email": "owner@manifold.local",',
  '"id": "ID"',
  '},',
  '"version": 3',
  '},',
  '"previous_data": {},',
  '"published_at": "TIME",',
  '"resource": "release",',
  '"version": "application/vnd.heroku+json; version=3"',
  '}',
)

t.test('the stock CLI adds, shows, changes and removes webhooks, which tell what happens', async (t) => {
  const platform = await startPlatform()
  t.teardown(() => platform.dispose())
  const heroku = async (args: string, ...more: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await platform.heroku([...args.split(' '), ...more])
    if (code !== 0) throw new Error(`heroku ${args}: exit ${code}\n${stdout}${stderr}`)
    return shape(stdout + stderr)
  }
  /** Without ids, times and the colours and widths of tables. */
  const shape = (text: string): string =>
    text
      .replaceAll(new RegExp(uuid, 'g'), 'ID')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
      .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')
      .replaceAll(/─+/g, '─')
      .replaceAll(/ +/g, ' ')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .join('\n')
  const hook = await startReceiver(t, 'sesame')
  await platform.api('POST', '/apps', { name: 'shop' })
  const printed: Record<string, string> = {}
  printed['none'] = await heroku('webhooks -a shop')
  const flags = `-i api:release,api:app,api:domain -l sync -u ${hook.url}`
  printed['add'] = await heroku(`webhooks:add -a shop ${flags} -s sesame -t`, 'Bearer mine')
  const [{ id }] = (await platform.api('GET', '/apps/shop/webhooks')) as [{ id: string }]
  printed['list'] = await heroku('webhooks -a shop')
  printed['info'] = await heroku(`webhooks:info ${id} -a shop`)

  await platform.api('PATCH', '/apps/shop/config-vars', { A: '1' })
  await platform.api('PATCH', '/apps/shop', { maintenance: true })
  const kinds = () => hook.told.map(({ resource, action }) => `${resource} ${action}`)
  await until(() => hook.told.length >= 2, { what: 'the first events' })
  t.strictSame(kinds().toSorted(), ['app update', 'release create'])
  t.match(
    hook.told.find(({ resource }) => resource === 'release'),
    { data: { version: 3, description: 'Set A config vars', app: { name: 'shop' } } },
  )

  // The receiver is away, and so is the host process: what was acknowledged is told all the same.
  hook.behaviour.status = 503
  for (const n of [2, 3, 4]) await platform.api('PATCH', '/apps/shop/config-vars', { A: String(n) })
  await platform.kill()
  hook.behaviour.status = 200
  await platform.restart()
  const versions = () =>
    hook.told.filter(({ resource }) => resource === 'release').map(({ data }) => data['version'])
  await until(() => versions().includes(6), { what: 'v6', timeoutMs: 120_000 })
  t.strictSame([...new Set(versions())], [3, 4, 5, 6], 'each, in order')
  t.strictSame(hook.unsigned, [])

  // How often it took, and which came first of two actors, is for the day to say.
  printed['deliveries'] = sorted(
    (await heroku('webhooks:deliveries -a shop')).replaceAll(/ sync \d+ 20[04]/g, ' sync N CODE'),
  )
  printed['failed'] = await heroku('webhooks:deliveries -a shop -s failed')
  const deliveries = (await platform.api('GET', '/apps/shop/webhook-deliveries')) as {
    readonly id: string
    readonly event: { readonly id: string; readonly include: string }
  }[]
  const delivery = deliveries.find(({ event }) => event.include === 'api:release')!
  printed['delivery'] = await heroku(`webhooks:deliveries:info ${delivery.id} -a shop`)
  printed['events'] = sorted(await heroku('webhooks:events -a shop'))
  printed['event'] = await heroku(`webhooks:events:info ${delivery.event.id} -a shop`)
  printed['update'] = await heroku(`webhooks:update ${id} -a shop -i api:app -l notify -u ${hook.url}`)
  await platform.api('DELETE', '/apps/shop')
  await until(() => kinds().includes('app destroy'), { what: 'the end' })
  await platform.api('POST', '/apps', { name: 'other' })
  await platform.api('POST', '/apps/other/webhooks', {
    include: ['dyno'],
    level: 'notify',
    url: hook.url,
  })
  const [other] = (await platform.api('GET', '/apps/other/webhooks')) as [{ id: string }]
  printed['remove'] = await heroku(`webhooks:remove ${other.id} -a other`)
  t.strictSame(printed, {
    none: lines('shop has no webhooks', 'Use $ heroku webhooks:add to add one.'),
    add: lines('=== Webhooks Signing Secret', 'sesame', 'Adding webhook to shop... done'),
    list: lines(
      'Webhook ID URL Include Level',
      '─',
      'ID http://HOST/hook api:release,api:app,api:domain sync',
    ),
    info: lines(
      '=== ID',
      'Include: api:release,api:app,api:domain',
      'Level: sync',
      'URL: http://HOST/hook',
      'Webhook ID: ID',
    ),
    deliveries: lines(
      'Delivery ID Created Status Include Level Attempts Code Error Next Attempt',
      '─',
      'ID TIME succeeded api:app sync N CODE',
      'ID TIME succeeded api:release sync N CODE',
      'ID TIME succeeded api:release sync N CODE',
      'ID TIME succeeded api:release sync N CODE',
      'ID TIME succeeded api:release sync N CODE',
    ),
    failed: 'shop has no deliveries',
    delivery: lines(
      '=== ID',
      'Created: TIME',
      'Event: ID',
      'Webhook: ID',
      'Status: succeeded',
      'Include: api:release',
      'Level: sync',
      'Attempts: 1',
      'Code: 204',
      '=== Event Payload',
      payload,
    ),
    events: lines(
      'Event ID Resource Action Published At',
      '─',
      'ID app create TIME',
      'ID app update TIME',
      'ID release create TIME',
      'ID release create TIME',
      'ID release create TIME',
      'ID release create TIME',
      'ID release create TIME',
      'ID release create TIME',
      '› Warning: heroku webhooks:event is deprecated, please use heroku',
      '› webhooks:deliveries',
    ),
    event: lines(
      '=== ID',
      `payload: ${payload}`,
      '› Warning: heroku webhooks:event:info is deprecated, please use heroku',
      '› webhooks:deliveries:info',
    ),
    update: 'Updating webhook ID for shop... done',
    remove: 'Removing webhook ID from other... done',
  })
})
