/**
 * One good call of each endpoint, what it takes to be allowed to make it, and which shape of Heroku's it
 * answers: what the tests of permissions and of shapes go by. Said here once more, not read from the code.
 */
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { deployed, type Json, type OpenedApi } from './api.ts'
import { teamCalls } from './team-calls.ts'
import { webhookCalls } from './webhook-calls.ts'

/** Who may: `app-view` and its like at an app; the account itself; operators; anybody without credentials. */
type Right = 'app-view' | 'app-change' | 'app-manage' | 'account' | 'operator' | 'open'
type Scope = 'identity' | 'read' | 'write' | 'read-protected' | 'write-protected' | 'global'
type Sent = Readonly<Record<string, unknown>>

/** An app with one of everything, made as it is asked for. */
export type Stage = {
  readonly api: OpenedApi
  readonly app: string
  readonly appId: string
  /** As the app's owner. @throws when it is refused */
  readonly done: (name: string, sent: Sent) => Promise<Json>
  /** Whoever calls: things of its own account are made so. */
  readonly own: (name: string, sent: Sent) => Promise<Json>
  readonly unique: string
}

export type Call = {
  readonly right: Right
  readonly scope: Scope
  readonly status: number
  /** Name of the shape in Heroku's schema. */
  readonly shape?: string
  readonly sent: (stage: Stage) => Sent | Promise<Sent>
}

let count = 0

export const openStage = async (
  api: OpenedApi,
  own: (name: string, sent: Sent) => Promise<Json>,
): Promise<Stage> => {
  const unique = `n${(count += 1)}`
  const app = await deployed(api, `app-${unique}`)
  const done = async (name: string, sent: Sent): Promise<Json> => {
    const { json, headers } = await api.call(name, sent)
    if (Number(headers['Manifold-Status']) >= 300) throw new Error(`${name}: ${JSON.stringify(json)}`)
    return json
  }
  return { api, app: app['name'] as string, appId: app['id'] as string, done, own, unique }
}

const authority = { ...makeAuthority('test', Date.now(), 100), commonName: 'test' }
const pairs = new Map<string, { readonly certificate_chain: string; readonly private_key: string }>()
const pairOf = (name: string) => {
  const { certificate, key } = issue(authority, [name], Date.now(), 90)
  const made = pairs.get(name) ?? { certificate_chain: certificate, private_key: key }
  pairs.set(name, made)
  return made
}

const body = (fields: Sent): Sent => ({ body: fields })
const ofApp = async (stage: Stage, more: Sent | Promise<Sent> = {}): Promise<Sent> => {
  const { params, ...rest } = (await more) as { readonly params?: Sent }
  return { params: { app: stage.app, ...params }, ...rest }
}
type More = (stage: Stage) => Sent | Promise<Sent>
const none: More = () => ({})
const at =
  (right: Right, scope: Scope, status: number) =>
  (shape?: string, more: More = none): Call => ({
    right,
    scope,
    status,
    ...(shape !== undefined && { shape }),
    sent: (stage) => ofApp(stage, more(stage)),
  })
const view = at('app-view', 'read', 200)
const change = at('app-change', 'write', 200)
const make = at('app-change', 'write', 201)
const done = at('app-change', 'write', 202)
const plain =
  (right: Right, scope: Scope, status = 200) =>
  (shape?: string, sent: More = none): Call => ({
    right,
    scope,
    status,
    ...(shape !== undefined && { shape }),
    sent,
  })
const read = plain('account', 'read')
const open = plain('open', 'read')
const own = plain('account', 'global')
const operate = plain('operator', 'global')
const params = (fields: Sent): Sent => ({ params: fields })

const source_blob = { url: 'https://example.com/a.tgz' }
const telemetry = (id: string) => ({
  owner: { id, type: 'app' },
  signals: ['logs'],
  exporter: { type: 'otlphttp', endpoint: 'https://otlp.example.com', headers: { 'x-key': 'zq-7b3d5f9a2' } },
})
const domain = async ({ done: make, app, unique }: Stage) => {
  const fields = { hostname: `www.${unique}.example.com`, sni_endpoint: null }
  return make('domains.create', { params: { app }, ...body(fields) })
}
const sni = ({ done: make, app }: Stage) =>
  make('sni-endpoints.create', { params: { app }, ...body(pairOf('www.example.com')) })
const drain = ({ done: make, app }: Stage) =>
  make('log-drains.create', { params: { app }, ...body({ url: 'syslog://logs.example.com:514' }) })
const telemetryDrain = ({ done: make, appId }: Stage) =>
  make('telemetry-drains.create', body(telemetry(appId)))
const build = ({ done: make, app }: Stage) =>
  make('builds.create', { params: { app }, ...body({ source_blob }) })
const slugOf = ({ done: make, app }: Stage) =>
  make('slugs.create', { params: { app }, ...body({ process_types: { web: 'x' } }) })
const authorization = ({ own: make }: Stage) => make('oauth-authorizations.create', body({ scope: ['read'] }))
const client = (make: Stage['own']): Promise<Json> =>
  make('oauth-clients.create', body({ name: 'shop', redirect_uri: 'https://shop.example.com/in' }))
const exchange = async (make: Stage['own']): Promise<Sent> => {
  const { id, secret } = await client(make)
  const { grant } = await make('oauth-authorizations.create', body({ scope: ['read'], client: id }))
  return body({
    grant: { type: 'authorization_code', code: grant?.code ?? '' },
    client: { secret: secret ?? '' },
  })
}
/** A key of Ed25519 in the format of OpenSSH; of which number it is the half matters to nobody. */
export const keyOf = (seed: string): string => {
  const part = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
  const parts = [Buffer.from('ssh-ed25519'), Buffer.from(seed.padEnd(32, '.'))].map(part)
  return `ssh-ed25519 ${Buffer.concat(parts).toString('base64')} ann@laptop`
}
const key = ({ own: make, unique }: Stage) => make('account.add-key', body({ public_key: keyOf(unique) }))
const guest = async ({ api, done: make, app, unique }: Stage): Promise<Sent> => {
  const email = `guest-${unique}@example.com`
  await api.accounts.users.add(email, {})
  await make('collaborators.create', { params: { app }, ...body({ user: email }) })
  return params({ collaborator: email })
}
const account = async ({ api, unique }: Stage): Promise<Sent> => {
  const email = `user-${unique}@example.com`
  await api.accounts.users.add(email, {})
  return params({ account: email })
}
const pipeline = ({ own: make, unique }: Stage) => make('pipelines.create', body({ name: `pipe-${unique}` }))
const idOf = async (name: string, made: Promise<Json>, field = 'id'): Promise<Sent> =>
  params({ [name]: (await made)[field] })
const both = async (one: Promise<Sent>, more: Sent): Promise<Sent> => ({ ...(await one), ...more })

export const calls: Readonly<Record<string, Call>> = {
  'account.info': plain('account', 'identity')('account'),
  'account.update': own('account', () => body({ name: 'Ann' })),
  'account.rate-limits': read('rate-limit'),
  'account.create-bus-key': plain('account', 'global', 201)(),
  'account.delete-bus-key': own(),
  'account.features': read('account-feature'),
  'account.get-quota': read(undefined, () => params({ account: '~' })),
  'account.keys': own('key', async (stage) => (await key(stage), {})),
  'account.key': own('key', (stage) => idOf('key', key(stage))),
  'account.add-key': plain(
    'account',
    'global',
    201,
  )('key', ({ unique }) => body({ public_key: keyOf(unique) })),
  'account.remove-key': own('key', (stage) => idOf('key', key(stage))),
  'oauth-authorizations.list': own('oauth-authorization', async (stage) => (await authorization(stage), {})),
  'oauth-authorizations.create': plain(
    'account',
    'global',
    201,
  )('oauth-authorization', () => body({ description: 'x', expires_in: 60 })),
  'oauth-authorizations.info': own('oauth-authorization', (stage) =>
    idOf('authorization', authorization(stage)),
  ),
  'oauth-authorizations.update': own('oauth-authorization', (stage) =>
    both(idOf('authorization', authorization(stage)), body({ description: 'new' })),
  ),
  'oauth-authorizations.delete': own('oauth-authorization', (stage) =>
    idOf('authorization', authorization(stage)),
  ),
  'oauth-authorizations.regenerate-tokens': own('oauth-authorization', (stage) =>
    idOf('authorization', authorization(stage)),
  ),
  'oauth-clients.list': own('oauth-client', async (stage) => (await client(stage.own), {})),
  'oauth-clients.create': plain(
    'account',
    'global',
    201,
  )('oauth-client', () => body({ name: 'shop', redirect_uri: 'http://localhost:3000/in' })),
  'oauth-clients.info': read('oauth-client', (stage) => idOf('client', client(stage.own))),
  'oauth-clients.update': own('oauth-client', (stage) =>
    both(idOf('client', client(stage.own)), body({ name: 'other' })),
  ),
  'oauth-clients.rotate-credentials': own('oauth-client', (stage) => idOf('client', client(stage.own))),
  'oauth-clients.delete': own('oauth-client', (stage) => idOf('client', client(stage.own))),
  'oauth-tokens.create': plain('open', 'read', 201)('oauth-token', ({ done: make }) => exchange(make)),
  'oauth-tokens.delete': own('oauth-token', async ({ own: make }) => {
    const { id } = await make('oauth-tokens.create', await exchange(make))
    return params({ token: id ?? 'none' })
  }),
  'oauth-sessions.list': own(),
  'users.list': operate(),
  'users.create': plain(
    'operator',
    'global',
    201,
  )(undefined, ({ unique }) => body({ email: `new-${unique}@example.com` })),
  'users.rotate': operate(undefined, account),
  'users.suspend': operate(undefined, account),
  'users.unsuspend': operate(undefined, account),
  'users.delete': operate(undefined, account),
  'apps.create': plain('account', 'write', 201)('app', ({ unique }) => body({ name: `made-${unique}` })),
  'apps.list': read('app'),
  'apps.list-own': read('app'),
  'apps.info': view('app'),
  'apps.update': change('app', () => body({ maintenance: true })),
  'apps.destroy': at('app-manage', 'write', 200)('app'),
  'collaborators.list': view('collaborator'),
  'collaborators.info': view('collaborator', guest),
  'collaborators.create': make('collaborator', async ({ api, unique }) => {
    await api.accounts.users.add(`other-${unique}@example.com`, {})
    return body({ user: `other-${unique}@example.com` })
  }),
  'collaborators.delete': change('collaborator', guest),
  'app-transfers.create': at(
    'app-manage',
    'write',
    201,
  )('app-transfer', async (stage) => {
    const { params: guests } = (await guest(stage)) as { params: { collaborator: string } }
    return { params: {}, ...body({ app: stage.app, recipient: guests.collaborator }) }
  }),
  'app-transfers.list': read('app-transfer'),
  'config-vars.list': at('app-view', 'read-protected', 200)(),
  'config-vars.update': at('app-change', 'write-protected', 200)(undefined, () => body({ A: '1' })),
  'releases.config-vars': at('app-view', 'read-protected', 200)(undefined, () => params({ release: 'v3' })),
  'features.list': view('app-feature'),
  'features.info': view('app-feature', () => params({ feature: 'preboot' })),
  'features.update': change('app-feature', () => ({
    ...params({ feature: 'preboot' }),
    ...body({ enabled: true }),
  })),
  'formation.list': view('formation'),
  'formation.info': view('formation', () => params({ type: 'web' })),
  'formation.batch-update': change('formation', () => body({ updates: [{ type: 'web', quantity: '2' }] })),
  'formation.update': change('formation', () => ({ ...params({ type: 'web' }), ...body({ quantity: 2 }) })),
  'dynos.list': view('dyno'),
  'dynos.info': view('dyno', () => params({ dyno: 'web.1' })),
  'dynos.create': at('app-change', 'write-protected', 201)('dyno', () => body({ command: 'bash' })),
  'dynos.run-inside': at(
    'app-change',
    'write-protected',
    201,
  )('dyno', () => ({
    ...params({ dyno: 'web.1' }),
    ...body({ command: 'bash' }),
  })),
  'dynos.restart-all': done(),
  'dynos.restart': done(undefined, () => params({ dyno: 'web.1' })),
  'formations.restart': done(undefined, () => params({ type: 'web' })),
  'dynos.stop': done(undefined, () => params({ dyno: 'web.1' })),
  'formations.stop': done(undefined, () => params({ type: 'web' })),
  'dynos.idle': done(),
  'releases.list': view('release'),
  'releases.info': view('release', () => params({ release: 'v3' })),
  'releases.create': make('release', () => body({ release: '3' })),
  'slugs.create': make('slug', () => body({ process_types: { web: 'x' } })),
  'slugs.info': view('slug', (stage) => idOf('slug', slugOf(stage))),
  'builds.list': view('build', async (stage) => (await build(stage), {})),
  'builds.info': view('build', (stage) => idOf('build', build(stage))),
  'builds.create': make('build', () => body({ source_blob })),
  'buildpack-installations.list': view('buildpack-installation'),
  'buildpack-installations.update': change('buildpack-installation', () =>
    body({ updates: [{ buildpack: 'heroku/nodejs' }] }),
  ),
  'buildpacks.list': open(),
  'buildpacks.info': open(undefined, () => params({ buildpack: 'heroku/nodejs' })),
  'buildpacks.revisions': open(undefined, () => params({ buildpack: 'heroku/nodejs' })),
  'sources.create': plain('account', 'write', 201)('source'),
  'build-cache.purge': done(),
  'repository.reset': done(),
  'domains.list': view('domain'),
  'domains.info': view('domain', (stage) => idOf('domain', domain(stage))),
  'domains.create': make('domain', ({ unique }) =>
    body({ hostname: `a.${unique}.example.com`, sni_endpoint: null }),
  ),
  'domains.delete': change('domain', (stage) => idOf('domain', domain(stage), 'hostname')),
  'domains.update': change('domain', async (stage) => {
    const { name } = await sni(stage)
    return both(idOf('domain', domain(stage), 'hostname'), body({ sni_endpoint: name }))
  }),
  'sni-endpoints.list': view('sni-endpoint', async (stage) => (await sni(stage), {})),
  'sni-endpoints.info': view('sni-endpoint', (stage) => idOf('endpoint', sni(stage))),
  'sni-endpoints.create': make('sni-endpoint', () => body(pairOf('www.example.com'))),
  'sni-endpoints.update': change('sni-endpoint', (stage) =>
    both(idOf('endpoint', sni(stage)), body(pairOf('other.example.com'))),
  ),
  'sni-endpoints.delete': change('sni-endpoint', (stage) => idOf('endpoint', sni(stage))),
  'log-sessions.create': at('app-view', 'read', 201)('log-session', () => body({ lines: 10 })),
  'log-drains.list': view(undefined, async (stage) => (await drain(stage), {})),
  'log-drains.info': view(undefined, (stage) => idOf('drain', drain(stage))),
  'log-drains.create': make(undefined, () => body({ url: 'syslog://logs.example.com:514' })),
  'log-drains.delete': change(undefined, (stage) => idOf('drain', drain(stage))),
  'channels.info': at('app-view', 'read-protected', 200)(),
  'channels.update': at('app-change', 'write-protected', 200)(undefined, () => body({ tokens: ['cron'] })),
  'log-tokens.create': at('app-change', 'write-protected', 200)(undefined, () => body({ name: 'cron' })),
  'log-tokens.delete': at(
    'app-change',
    'write-protected',
    200,
  )(undefined, async ({ done: create, app }) => {
    await create('log-tokens.create', { params: { app }, ...body({ name: 'cron' }) })
    return params({ token: 'cron' })
  }),
  ...teamCalls(plain),
  ...webhookCalls({ view, change, make }),
  'telemetry-drains.list-by-app': at(
    'app-view',
    'read-protected',
    200,
  )('telemetry-drain', async (stage) => {
    await telemetryDrain(stage)
    return {}
  }),
  'telemetry-drains.create': at(
    'app-change',
    'write-protected',
    201,
  )('telemetry-drain', ({ appId }) => body(telemetry(appId))),
  'telemetry-drains.info': at(
    'app-view',
    'read-protected',
    200,
  )('telemetry-drain', (stage) => idOf('drain', telemetryDrain(stage))),
  'telemetry-drains.delivery': view(undefined, (stage) => idOf('drain', telemetryDrain(stage))),
  'telemetry-drains.update': at(
    'app-change',
    'write-protected',
    200,
  )('telemetry-drain', (stage) => both(idOf('drain', telemetryDrain(stage)), body({ signals: ['logs'] }))),
  'telemetry-drains.delete': change('telemetry-drain', (stage) => idOf('drain', telemetryDrain(stage))),
  'regions.list': read('region'),
  'regions.info': read('region', () => params({ region: 'us' })),
  'stacks.list': read('stack'),
  'stacks.info': read('stack', () => params({ stack: 'heroku-24' })),
  'generations.list': read('generation'),
  'generations.info': read('generation', () => params({ generation: 'cedar' })),
  'dyno-sizes.list': read('dyno-size'),
  'dyno-sizes.info': read('dyno-size', () => params({ size: 'basic' })),
  'hosts.list': operate(),
  'host-events.list': operate(),
  'hosts.drain': operate(undefined, () => params({ host: 'h2' })),
  'hosts.undrain': operate(undefined, () => params({ host: 'h2' })),
  'hosts.invite': plain('operator', 'global', 201)(),
  'sealing-keys.list': operate(),
  'sealing-keys.rotate': operate(),
  'sealing-keys.create': plain(
    'operator',
    'global',
    201,
  )(undefined, () => body({ keys: Buffer.alloc(32, 9).toString('base64') })),
  'cluster.info': operate(),
  'cluster.doctor': operate(),
  'audit.list': plain('operator', 'global', 206)(undefined, () => ({ range: 'seq ..; max=1' })),
  'audit.list-by-app': at('app-manage', 'read', 200)(),
  'usage.list': operate(),
  'pipelines.list': read('pipeline'),
  'pipelines.create': plain(
    'account',
    'write',
    201,
  )('pipeline', ({ unique }) => body({ name: `p-${unique}` })),
  'pipelines.info': read('pipeline', (stage) => idOf('pipeline', pipeline(stage))),
  'pipelines.update': plain('account', 'write')('pipeline', (stage) =>
    both(idOf('pipeline', pipeline(stage)), body({ name: `q-${stage.unique}` })),
  ),
  'pipelines.destroy': plain('account', 'write')('pipeline', (stage) => idOf('pipeline', pipeline(stage))),
  'pipeline-couplings.list': read('pipeline-coupling'),
  'pipeline-couplings.list-by-pipeline': read('pipeline-coupling', (stage) =>
    idOf('pipeline', pipeline(stage)),
  ),
  'filters.apps': plain('account', 'read')('app', ({ appId }) => body({ in: { id: [appId] } })),
  'addons.list': read('add-on'),
  'addons.list-by-app': view('add-on'),
  'addons.usage': view(),
  'addon-attachments.list': read('add-on-attachment'),
  'addon-attachments.list-by-app': view('add-on-attachment'),
  'spaces.list': read('space'),
  'status.info': open(),
  'schema.info': open(),
}

/** What is only ever refused here, and where: 404 for everybody who may call at all. */
export const refusals: Readonly<Record<string, Call>> = {
  'account.feature': plain('account', 'read', 404)(undefined, () => params({ feature: 'x' })),
  'account.update-feature': plain('account', 'write', 404)(undefined, () => params({ feature: 'x' })),
  'oauth-sessions.delete': plain('account', 'global', 404)(undefined, () => params({ session: '~' })),
  'spaces.info': plain('account', 'read', 404)(undefined, () => params({ space: 'x' })),
  'telemetry-drains.list-by-space': plain('account', 'read', 404)(undefined, () => params({ space: 'x' })),
}
