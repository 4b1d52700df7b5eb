/**
 * Users of the bus, against a real nats-server: the API answers them as who they are, whatever they say, and
 * they reach nothing else.
 */
import {
  connect as dial,
  Events,
  headers,
  nkeyAuthenticator,
  type NatsConnection,
  type ServiceInfo,
} from 'nats'
import t, { type Test } from 'tap'
import { operatorSubjects } from '../../actors/main/bus-conf.ts'
import { serveEndpoints } from '../../actors/main/serve-endpoints.ts'
import { apiClient } from '../../src/client/client.ts'
import { overNats } from '../../src/client/over-nats.ts'
import { connect } from '../../src/nats/connection.ts'
import { sayEvent } from '../../src/nats/events.ts'
import { createSeed, publicOfSeed } from '../../src/nats/nkeys.ts'
import { startServer } from '../../src/nats/server.ts'
import { apiToken, openApi } from '../kit/api.ts'
import { busOptions } from '../kit/bus.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

const grants = {
  cluster: 'c',
  readable: ['KV_manifold'],
  written: ['events.>'],
  suffixes: ['-router-0'],
  served: ['manifold.v1.>', '$SRV.>'],
}

const open = async (t: Test) => {
  const api = await openApi(t)
  const ann = (await api.accounts.users.add('ann@example.com', {}))!
  const bob = (await api.accounts.users.add('bob@example.com', {}))!
  const seeds = { host: createSeed(), ann: createSeed(), bob: createSeed() }
  const server = await startServer({
    ...busOptions(t),
    operatorSubjects,
    access: {
      kind: 'hosts',
      hosts: [{ name: 'h1', nkey: publicOfSeed(seeds.host), control: true }],
      grants,
      users: [
        { id: ann.id, nkey: publicOfSeed(seeds.ann), operator: false },
        { id: bob.id, nkey: publicOfSeed(seeds.bob), operator: true },
      ],
    },
  })
  const host = await connect({ urls: [server.url], nkeySeed: seeds.host, host: 'h1' })
  const service = await serveEndpoints(host, [...api.service.values()], () => undefined)
  const clients: NatsConnection[] = []
  t.teardown(async () => {
    await Promise.all(clients.map((client) => client.close()))
    await service.close()
    await host.close(200)
    await server.stop()
  })
  /** A client of another make, as a user has it; what the server refuses it is kept. */
  const join = async (user: { readonly id: string }, seed: string) => {
    const client = await dial({
      servers: server.url,
      authenticator: nkeyAuthenticator(Buffer.from(seed)),
      inboxPrefix: `_USER.${user.id}`,
    })
    clients.push(client)
    const refused: unknown[] = []
    void (async () => {
      for await (const { type, data } of client.status()) if (type === Events.Error) refused.push(data)
    })()
    const api = (said: Readonly<Record<string, string>> = {}) =>
      apiClient(
        overNats(
          async (subject, bytes) => {
            const all = headers()
            for (const [name, value] of Object.entries(said)) all.set(name, value)
            const answer = await client.request(subject, bytes, { timeout: 5_000, headers: all })
            return { bytes: answer.data, header: (name) => answer.headers?.get(name) || undefined }
          },
          { subjects: `manifold.v1.user.${user.id}.api.` },
        ),
      )
    return { client, refused, api }
  }
  return { api, ann, bob, seeds, host, join }
}

t.test('a user of the bus asks as oneself, whatever the request says', async (t) => {
  const { api, ann, seeds, join } = await open(t)
  const user = await join(ann, seeds.ann)
  t.match(await user.api().call('account.info'), { email: 'ann@example.com' })
  t.match(await user.api().call('apps.create', { body: { name: 'anns' } }), { owner: { id: ann.id } })
  t.equal((await api.http('POST', '/apps', { name: 'owners' })).status, 201)
  const lies = { Authorization: `Bearer ${apiToken}`, 'Manifold-Client': '10.0.0.1' }
  t.match(await user.api(lies).call('account.info'), { email: 'ann@example.com' }, 'no header changes that')
  const others = { params: { app: 'owners' } }
  await t.rejects(user.api(lies).call('apps.info', others), { code: 'forbidden' })
  await t.rejects(user.api().call('users.list'), { code: 'forbidden' }, 'nobody is the operator')
  await api.accounts.users.change(ann.id, (kept) => ({ ...kept, suspendedAt: 1 }))
  await t.rejects(user.api().call('account.info'), { code: 'suspended' })
  await api.accounts.users.remove((await api.accounts.users.find({ id: ann.id }))!)
  await t.rejects(user.api().call('account.info'), { code: 'unauthorized' })
})

t.test('a user of the bus reaches nothing but the API, as nobody else, and hears nothing else', async (t) => {
  const { ann, bob, seeds, host, join } = await open(t)
  const user = await join(ann, seeds.ann)
  const heard: string[] = []
  host.client.subscribe('manifold.v1.api.>', { callback: (_, { subject }) => void heard.push(subject) })
  host.client.subscribe('manifold.v1.user.*.api.>', {
    callback: (_, { subject }) => void heard.push(subject),
  })
  await host.client.flush()
  const forbidden = [
    `manifold.v1.user.${bob.id}.api.account.info`,
    'manifold.v1.api.users.list',
    '$JS.API.STREAM.NAMES',
    '$KV.manifold.app.x',
    'manifold.v1.events.app.x.release.create',
    'act.v1.c.h1.h1',
    `manifold.v1.user.${ann.id}.events.app.x.release.create`,
    '$SRV.STATS',
    '$SRV.STATS.manifold',
  ]
  for (const subject of forbidden) user.client.publish(subject, '{}')
  for (const subject of [
    '_USER.>',
    `_USER.${bob.id}.>`,
    '_INBOX.>',
    '_HOST.>',
    'manifold.v1.events.>',
    `manifold.v1.user.${bob.id}.events.>`,
    'live.>',
  ])
    user.client.subscribe(subject)
  // The server takes one after the other: what is answered now came behind all of them.
  await user.api().call('account.info')
  await until(() => user.refused.length >= forbidden.length + 7, { what: 'a refusal of each' })
  t.strictSame(heard, [`manifold.v1.user.${ann.id}.api.account.info`])
})

t.test('an answer goes to whom it is for: who asks cannot lead it elsewhere', async (t) => {
  const { ann, bob, seeds, host, join } = await open(t)
  const user = await join(ann, seeds.ann)
  const led: string[] = []
  host.client.subscribe('manifold.v1.led', { callback: () => void led.push('a host') })
  const other = await join(bob, seeds.bob)
  other.client.subscribe(`_USER.${bob.id}.x`, { callback: () => void led.push('bob') })
  await host.client.flush()
  await other.client.flush()
  const subject = `manifold.v1.user.${ann.id}.api.account.info`
  for (const reply of ['manifold.v1.led', `_USER.${bob.id}.x`, `_USER.${ann.id}`, undefined])
    user.client.publish(subject, '{}', reply === undefined ? {} : { reply })
  t.match(await user.api().call('account.info'), { email: 'ann@example.com' })
  await other.client.flush()
  t.strictSame(led, [])
})

t.test(
  'a user looks services up in its own inbox, and cannot have them shown to anything else',
  async (t) => {
    const { ann, seeds, host, join } = await open(t)
    const user = await join(ann, seeds.ann)
    const found: ServiceInfo[] = []
    for await (const one of await user.client.services.client().info('manifold')) found.push(one)
    const names = found.flatMap(({ endpoints }) => endpoints.map(({ name }) => name))
    t.ok(names.includes('apps_create') && names.includes('as_user'), names.slice(0, 5).join())
    const led: string[] = []
    for (const subject of ['manifold.v1.led', '_HOST.h1.x', `manifold.v1.user.${ann.id}.events.x`])
      host.client.subscribe(subject, { callback: () => void led.push(subject) })
    await host.client.flush()
    for (const reply of ['manifold.v1.led', '_HOST.h1.x', `manifold.v1.user.${ann.id}.events.x`, undefined])
      for (const subject of ['$SRV.INFO', '$SRV.PING', '$SRV.INFO.manifold'])
        user.client.publish(subject, '', reply === undefined ? {} : { reply })
    t.match(await user.api().call('account.info'), { email: 'ann@example.com' })
    await host.client.flush()
    t.strictSame(led, [])
    const inbox = `_USER.${ann.id}.many`
    let shown = 0
    user.client.subscribe(inbox, { callback: () => void (shown += 1) })
    for (let asked = 0; asked < 1_000; asked++) user.client.publish('$SRV.PING', '', { reply: inbox })
    await user.api().call('account.info')
    t.ok(shown > 0 && shown <= 200, `${shown} of 1,000 are answered within a second or two`)
  },
)

t.test('a user hears what it is told under its own subject, an operator all events', async (t) => {
  const { ann, bob, seeds, host, join } = await open(t)
  const [user, operator] = [await join(ann, seeds.ann), await join(bob, seeds.bob)]
  const heard: string[] = []
  const hear = async (who: string, { client }: typeof user, subject: string) => {
    client.subscribe(subject, {
      callback: (_, { subject: at, headers: all }) =>
        void heard.push(`${who} ${at} ${all?.get('Nats-Sequence') ?? ''}`),
    })
    await client.flush()
  }
  const own = `manifold.v1.user.${ann.id}.events`
  await hear('ann', user, `${own}.>`)
  await hear('bob', operator, 'manifold.v1.events.>')
  const bytes = Buffer.from('{}')
  sayEvent(host, `${own}.app.x.release.create`, { id: 'a', sequence: 7, bytes })
  sayEvent(host, 'manifold.v1.events.host.h2.dead', { id: 'b', sequence: 8, bytes })
  await until(() => heard.length === 2, { what: 'both' })
  t.strictSame(heard.toSorted(), [
    `ann ${own}.app.x.release.create 7`,
    'bob manifold.v1.events.host.h2.dead 8',
  ])
})
