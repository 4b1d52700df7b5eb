/**
 * A control host of many apps: their actors, and the API on a port, over a bus and a record that are there.
 * It has no dynos, builds nothing and takes no backups.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openAccounts } from '../../../actors/api/accounts/accounts.ts'
import { createAttempts, freeGuesses } from '../../../actors/api/accounts/attempts.ts'
import { eventRenderer } from '../../../actors/api/shapes/event.ts'
import { startApi, type ApiParts } from '../../../actors/api/start.ts'
import { performAccess } from '../../../actors/effects/perform/access.ts'
import { createCertificates } from '../../../actors/effects/perform/certificates.ts'
import { openTeams } from '../../../actors/effects/perform/teams.ts'
import { performEvents } from '../../../actors/effects/perform/events.ts'
import { performHistory } from '../../../actors/effects/perform/history.ts'
import { performNames } from '../../../actors/effects/perform/names.ts'
import { performRecords } from '../../../actors/effects/perform/records.ts'
import { performRoutes } from '../../../actors/effects/perform/routes.ts'
import { createSaid, performSaid } from '../../../actors/effects/perform/said.ts'
import { oneKey } from '../../../actors/effects/perform/seal.ts'
import { createVault } from '../../../actors/effects/perform/vault.ts'
import { deliverThrough } from '../../../actors/logplex/deliver.ts'
import { keepFlushing } from '../../../actors/logplex/outbox.ts'
import { openBus } from '../../../actors/main/bus.ts'
import { localRequests } from '../../../actors/main/local-requests.ts'
import { homePaths } from '../../../actors/main/paths.ts'
import { hostTree } from '../../../actors/tree.ts'
import { keepCertificates } from '../../../src/certs/keep.ts'
import { createNode, type Node } from '../../../src/runtime/index.ts'
import { systemClock as clock } from '../../../src/system/clock.ts'
import { systemRandom as random } from '../../../src/system/random.ts'

export type Served = {
  readonly port: number
  /** Tokens of as many operators: each has a pool of requests of its own. */
  readonly tokens: readonly string[]
  readonly ownerToken: string
  readonly close: () => Promise<void>
}

const host = 'bench'
const flushEveryMs = 100
const roles = ['control', 'logplex']
const key = new Uint8Array(32).fill(7)
const addresses = {
  apiUrl: 'http://localhost:5000',
  secureHost: 'localhost:5000',
  appDomain: 'localhost',
  routerPort: 8080,
}

/** @param url of the server with its login; `owner` has all apps */
export const serveApi = async (
  home: string,
  url: string,
  owner: { readonly id: string; readonly email: string },
  operators: number,
): Promise<Served> => {
  const paths = homePaths(home)
  for (const folder of [paths.run, paths.keys]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const log = (): void => undefined
  const bus = await openBus({ paths, file: { urls: [url], host }, replicas: 1, log, progress: log })
  const { store, transport } = bus
  const now = (): number => clock.now()
  const vault = createVault(store, oneKey(key))
  const certificates = createCertificates(store, oneKey(key))
  const said = createSaid(
    `${host}:${random.uuid()}`,
    now,
    deliverThrough(() => node, clock),
  )
  const render = eventRenderer(addresses, { certificates, teams: openTeams(store) })
  const effects = {
    ...vault.effects,
    ...certificates.effects,
    ...performAccess(store),
    ...performNames(store),
    ...performRecords((record) => store.peek(record)),
    ...performRoutes(transport),
    ...performHistory(bus.history),
    ...performSaid(said),
    ...performEvents({ log: bus.events, render, published: () => Promise.resolve() }),
  }
  const view = { number: 1, hosts: [{ name: host, roles }] }
  const directory = { view: () => view, onChange: () => undefined }
  const node: Node = createNode(
    { clock, random, transport, store, effects, log, directory },
    { host, cluster: 'manifold', tree: hostTree({ roles: ['logplex'] }), simulateRemote: false },
  )
  await node.start()
  const flushing = keepFlushing(said, clock, flushEveryMs)
  const accounts = await openAccounts(store, random, now, {
    email: 'root@example.com',
    token: random.token(40),
  })
  const grant = async (userId: string): Promise<string> => {
    const wanted = { description: 'bench', scopes: ['global' as const], expiresAt: null }
    return (await accounts.authorizations.grant(userId, wanted)).token
  }
  await store.create(
    `user/${owner.id}`,
    Buffer.from(JSON.stringify({ ...owner, createdAt: 1, updatedAt: 1 })),
  )
  const tokens: string[] = []
  for (let n = 0; n < operators; n += 1) {
    const user = await accounts.users.add(`operator-${n}@example.com`, { operator: true })
    if (user !== undefined) tokens.push(await grant(user.id))
  }
  const requests = localRequests(clock)
  const api = await startApi({
    host,
    guesses: createAttempts(now, freeGuesses),
    signingKeys: () => [key],
    objects: bus.objects,
    node,
    store,
    trail: bus.trail,
    busKeys: undefined,
    events: bus.events,
    random,
    clock,
    log,
    vault,
    appCertificates: certificates,
    requests,
    serve: async (endpoints) => {
      requests.serve(endpoints)
      return { close: () => Promise.resolve() }
    },
    certificates: await keepCertificates(join(home, 'tls'), ['localhost'], now()),
    isolates: () => true,
    settings: { ...addresses, stack: () => 'heroku-24' },
    accounts,
    ownerToken: '',
    listen: { host: '127.0.0.1', port: 0 },
    ...elsewhere,
  })
  return {
    port: api.port,
    tokens,
    ownerToken: await grant(owner.id),
    close: async () => {
      await api.close()
      flushing.close()
      await node.stop()
      await bus.close()
    },
  }
}

const notAsked = (what: string): never => {
  throw new Error(`${what} is not asked here`)
}
/** What nobody who measures this asks for. */
const elsewhere = {
  lostBuilds: { view: () => notAsked('a build') },
  rendezvous: { accept: () => notAsked('a run'), reserve: () => undefined, close: () => undefined },
  streams: { watch: () => undefined },
  slugs: { get: () => Promise.resolve(undefined) },
  tails: { open: () => notAsked('a log') },
  git: () => notAsked('git'),
  tunnel: { host: '127.0.0.1', hostKey: '' },
  cluster: {},
  usage: {},
  buildpacks: {},
  repositories: { reset: () => Promise.resolve() },
} as unknown as Pick<
  ApiParts,
  | 'lostBuilds'
  | 'rendezvous'
  | 'streams'
  | 'slugs'
  | 'tails'
  | 'git'
  | 'tunnel'
  | 'cluster'
  | 'usage'
  | 'buildpacks'
  | 'repositories'
>
