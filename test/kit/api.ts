/**
 * The API of a test's own: real sockets, TLS, HTTP; actors are answered for by control.ts, NATS by a table of
 * handlers, logs and builds by what the test says.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Scope } from '../../actors/api/access.ts'
import type { ClusterOperator } from '../../actors/api/cluster.ts'
import type { Tunnel } from '../../actors/api/face/exec.ts'
import type { Tails } from '../../actors/api/face/tail.ts'
import type { ServiceEndpoint } from '../../actors/api/service.ts'
import { busUsers } from '../../actors/main/bus-users.ts'
import { openAccounts } from '../../actors/api/accounts/accounts.ts'
import { createAttempts, freeGuesses } from '../../actors/api/accounts/attempts.ts'
import { createCertificates } from '../../actors/effects/perform/certificates.ts'
import { oneKey } from '../../actors/effects/perform/seal.ts'
import { startApi, type ApiParts } from '../../actors/api/start.ts'
import { usageReports } from '../../actors/usage/report.ts'
import type { StackName } from '../../config/stacks.ts'
import { keepCertificates } from '../../src/certs/keep.ts'
import type { Log } from '../../src/ports/log.ts'
import { lostBuilds } from '../../actors/lost-builds.ts'
import { createRendezvous } from '../../src/rendezvous/rendezvous.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { simEvents } from '../../src/sim/events.ts'
import { systemClock } from '../../src/system/clock.ts'
import { builtinFolders } from '../../config/buildpacks.ts'
import { openRegistry, type Registry } from '../../src/slug/registry.ts'
import { systemRandom } from '../../src/system/random.ts'
import { control, type Control, slug } from './control.ts'
import { memoryObjects } from './memory-objects.ts'
import type { Store } from '../../src/ports/store.ts'
import { memoryTrail, type MemoryTrail } from './memory-trail.ts'
import { memoryStore } from './memory-store.ts'
import { openOperator } from './operator.ts'
import { answerFaults } from './schema.ts'

/** An answer, looked into by name; what it must be is what the tests say. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = Record<string, any>
export const apiToken = 'HRKU-0123456789abcdef'
export const by = { id: systemRandom.uuid(), email: 'a@b.c' }

/** Where requests go in place of the table of handlers. */
export type Wire = Pick<ApiParts, 'requests' | 'serve'>

/** Lets nobody in. */
const noTunnel: Tunnel = {
  host: '',
  hostKey: '',
  refusal: async () => 'SSH into dynos is off on this host: MANIFOLD_SSH=off',
  isKey: () => true,
  reserve: () => '',
}

export type ApiOptions = {
  readonly wire?: Wire
  readonly cluster?: ClusterOperator
  readonly tunnel?: Tunnel
  readonly buildpacks?: Registry
  readonly log?: Log
  /** One more host with the record of that one. */
  readonly beside?: { readonly store: Store; readonly world: Control; readonly trail: MemoryTrail }
}

/** What it answers is held against what it says that it answers, whichever test asks. */
const answeringAsSaid = (t: Test, endpoint: ServiceEndpoint): ServiceEndpoint => ({
  ...endpoint,
  handle: async (...request) => {
    const answer = await endpoint.handle(...request)
    if (answer.error === undefined) {
      const name = endpoint.subject.replace('manifold.v1.api.', '')
      const found = answerFaults(name, JSON.parse(Buffer.from(answer.bytes).toString()))
      if (found.length > 0) t.fail(`${name} answers otherwise than it says`, { found })
    }
    return answer
  },
})

export const openApi = async (t: Test, options: ApiOptions = {}) => {
  const { wire, cluster, tunnel = noTunnel, log = () => undefined } = options
  const { buildpacks = openRegistry('/nowhere', builtinFolders) } = options
  const directory = mkdtempSync(join(tmpdir(), 'manifold-api-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const certificates = await keepCertificates(directory, ['localhost', '127.0.0.1'], Date.now())
  const store = options.beside?.store ?? memoryStore()
  const world: Control = options.beside?.world ?? control(store)
  /** Apps whose repository was reset. */
  const resets: string[] = []
  const rendezvous = createRendezvous({ tokensMax: 100 })
  const service = new Map<string, ServiceEndpoint>()
  const gone = new Set<string>()
  /** Hosts that do not keep their dynos apart. */
  const unisolated = new Set<string>()
  const readers: {
    wanted: Parameters<Tails['open']>[0]
    sink: Parameters<Tails['open']>[1]
    open: boolean
  }[] = []
  const preset: { stack: StackName } = { stack: 'heroku-24' }
  const settings = {
    apiUrl: 'http://localhost:5000',
    secureHost: 'localhost:5000',
    appDomain: 'localhost',
    routerPort: 8080,
    stack: () => preset.stack,
  }
  const call = async (name: string, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const endpoint = service.get(`manifold.v1.api.${name}`)
    if (endpoint === undefined) throw Object.assign(new Error('no responders'), { undone: true })
    const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body))
    const answer = await endpoint.handle(bytes, (header) => headers[header])
    return { ...answer, json: JSON.parse(Buffer.from(answer.bytes).toString()) as Json }
  }
  const objects = memoryObjects()
  const trail: MemoryTrail = options.beside?.trail ?? memoryTrail()
  const busKeys = busUsers({ store, changed: () => Promise.resolve(), urls: () => ['nats://127.0.0.1:4222'] })
  const events = simEvents(seededRandom(1), () => systemClock.now())
  const accounts = await openAccounts(store, systemRandom, () => systemClock.now(), {
    email: 'owner@example.com',
    token: apiToken,
  })
  const api = await startApi({
    host: 'here',
    lostBuilds: lostBuilds({
      store,
      ask: world.node.ask,
      isGone: (host) => gone.has(host),
      now: () => systemClock.now(),
      told: () => Promise.resolve(),
    }),
    guesses: createAttempts(() => systemClock.now(), freeGuesses),
    signingKeys: () => [Buffer.alloc(32, 7)],
    objects,
    node: world.node,
    store,
    trail,
    events: events.attach(systemClock, () => ({ fail: 0, unknown: 0, latencyMsMax: 0 })),
    random: systemRandom,
    clock: systemClock,
    log,
    vault: world.vault,
    appCertificates: createCertificates(store, oneKey(Buffer.alloc(32, 1))),
    rendezvous,
    buildpacks,
    busKeys,
    streams: {
      watch: (id, { onText, onEnd }) => {
        if (id !== 'b'.repeat(36)) return undefined
        onText('-----> Building\n')
        onEnd()
        return { close: () => undefined }
      },
    },
    slugs: {
      get: async (sha256) =>
        sha256 === 'ab'.repeat(32)
          ? (async function* () {
              yield Buffer.from('packed')
            })()
          : undefined,
    },
    tails: {
      open(wanted, sink) {
        const entry = { wanted, sink, open: true }
        readers.push(entry)
        return { ready: () => undefined, finish: () => sink.end(), close: () => (entry.open = false) }
      },
    },
    git: async (_req, res, { app, user, pathInfo }) => {
      res.end(`git ${app.name} ${user.email} ${pathInfo}`)
      return pathInfo === '/git-receive-pack' ? 7 : null
    },
    tunnel,
    requests: wire?.requests ?? {
      async ask(subject, bytes, _timeoutMs, headers) {
        const { headers: back, bytes: answer } = await call(
          subject.replace('manifold.v1.api.', ''),
          Buffer.from(bytes).toString(),
          headers,
        )
        return { bytes: answer, header: (name) => back[name] }
      },
    },
    async serve(endpoints) {
      for (const endpoint of endpoints) service.set(endpoint.subject, answeringAsSaid(t, endpoint))
      return (await wire?.serve(endpoints)) ?? { close: async () => service.clear() }
    },
    certificates,
    cluster: cluster ?? (await openOperator(t)).operator,
    repositories: { reset: async (appId) => void resets.push(appId) },
    isolates: (host) => !unisolated.has(host),
    usage: usageReports(store, () => systemClock.now()),
    settings,
    accounts,
    ownerToken: apiToken,
    listen: { host: '127.0.0.1', port: 0 },
  })
  t.teardown(() => api.close())
  const http = async (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const response = await fetch(`http://127.0.0.1:${api.port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${apiToken}`,
        accept: 'application/vnd.heroku+json; version=3',
        'content-type': 'application/json',
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson && text ? JSON.parse(text) : {}) as Json,
    }
  }
  /** A user of that address, with a token good for these scopes: requests are theirs. */
  const as = async (email: string, scopes: readonly Scope[] = ['global']) => {
    const user = (await accounts.users.find({ email })) ?? (await accounts.users.add(email, {}))
    if (user === undefined) throw new Error(`no user ${email}`)
    const wanted = { description: 'a test', scopes, expiresAt: null }
    const { token } = await accounts.authorizations.grant(user.id, wanted)
    const theirs: typeof http = (method, path, body, headers) =>
      http(method, path, body, { authorization: `Bearer ${token}`, ...headers })
    return { user, token, http: theirs }
  }
  return {
    api,
    as,
    accounts,
    world,
    trail,
    events,
    store,
    objects,
    gone,
    rendezvous,
    readers,
    resets,
    service,
    call,
    http,
    certificates,
    directory,
    unisolated,
    preset,
  }
}
export type OpenedApi = Awaited<ReturnType<typeof openApi>>

/** An app with one deploy. */
export const deployed = async ({ http, world }: OpenedApi, name: string): Promise<Json> => {
  const { body: app } = await http('POST', '/apps', { name })
  const to = { to: 'releases', key: app['id'] as string }
  const deploy = { type: 'deploy', slug: slug('60a874b3ff'), description: 'Deploy 60a874b3', by } as const
  await world.node.ask(to, deploy as never, { timeoutMs: 1000 })
  return app
}
