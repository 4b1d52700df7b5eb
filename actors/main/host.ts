/**
 * The host process, put together: bus, engine, actors, routers, API. Opened in this order and closed in the
 * reverse; whoever serves users comes last up and first down.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from '../../config/load.ts'
import { keepCertificates } from '../../src/certs/keep.ts'
import { requestsOf } from '../../src/nats/requests.ts'
import type { Directory } from '../../src/ports/directory.ts'
import type { Log } from '../../src/ports/log.ts'
import { createRendezvous } from '../../src/rendezvous/rendezvous.ts'
import { createNode, type Node } from '../../src/runtime/node.ts'
import { systemClock as clock } from '../../src/system/clock.ts'
import { systemRandom as random } from '../../src/system/random.ts'
import { keepToken, writeEnvFile } from '../api/env-file.ts'
import { startApi } from '../api/start.ts'
import { slugObject } from '../effects/perform/builder.ts'
import { createVault } from '../effects/perform/vault.ts'
import { deliverThrough } from '../logplex/deliver.ts'
import { formatLine } from '../logplex/line.ts'
import { openTail } from '../logplex/tail.ts'
import { hostTree } from '../tree.ts'
import { openBus } from './bus.ts'
import { claimHome, needPort } from './claim.ts'
import { builtinNames, openEngine } from './engine.ts'
import { endContainers } from './end-containers.ts'
import { homePaths } from './paths.ts'
import { buildThrough, openGitFace } from './push.ts'
import { readShard, routerAddress, startRouterProcesses } from './router-processes.ts'
import { serveEndpoints } from './serve-endpoints.ts'

export type Host = {
  readonly apiUrl: string
  readonly token: string
  readonly driver: 'oci' | 'process'
  /** Resolves with the reason when the actors' root gave up: the process should end and be started again. */
  readonly failed: Promise<string>
  /** Ends everything of this host, dynos, routers and the embedded server too. */
  stop(): Promise<void>
}

export type HostDeps = {
  readonly settings: Settings
  /** Name of this host, unique in the cluster. */
  readonly name: string
  readonly log: Log
  readonly progress: (text: string) => void
  /** Program and arguments of a router shard; its index is added. */
  readonly shardArgv: readonly string[]
  readonly shardEnv: Readonly<Record<string, string>>
}

const routerReadyMs = 30_000
// The stock CLI sends its token to this machine's own address only.
const apiAddress = '127.0.0.1'
const tokensMax = 1_000
const vaultKeyBytes = 32
const ownerEmail = 'owner@manifold.local'

/** The vault's key: made once, outside the store. */
const keepVaultKey = (folder: string): Uint8Array => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, 'config.key')
  if (!existsSync(file)) writeFileSync(file, randomBytes(vaultKeyBytes), { mode: 0o600, flush: true })
  return readFileSync(file)
}

export const startHost = async (deps: HostDeps): Promise<Host> => {
  const { settings, name, log, progress } = deps
  const paths = homePaths(settings.home)
  const now = (): number => clock.now()
  const appUrl = (app: string): string => `http://${app}.${settings.appDomain}:${settings.routerPort}/`

  const giveBack = claimHome(settings.home, paths)
  await needPort('MANIFOLD_PORT', apiAddress, settings.port)
  // A shard that outlived the last host process has the port already, as it should.
  if (readShard(paths, 0) === undefined)
    await needPort('MANIFOLD_ROUTER_PORT', routerAddress, settings.routerPort)
  progress('starting NATS')
  const bus = await openBus({
    paths,
    host: name,
    natsUrl: settings.natsUrls?.[0],
    random,
    now,
    log,
    progress,
  })
  const vault = createVault(bus.store, keepVaultKey(paths.keys))
  const rendezvous = createRendezvous({ tokensMax })
  progress('opening the container engine')
  const engine = await openEngine({
    settings,
    paths,
    bus,
    vault,
    rendezvous,
    random,
    now,
    appUrl,
    deliver: deliverThrough(() => node, clock),
  })

  const view = { number: 1, hosts: [{ name, roles: ['control', 'dyno'] }] }
  const directory: Directory = { view: () => view, onChange: () => undefined }
  const { transport, store } = bus
  const ports = { clock, random, transport, store, effects: engine.effects, log, directory }
  const failed = Promise.withResolvers<string>()
  const onExit = (reason: string): void => failed.resolve(reason)
  const node: Node = createNode(ports, {
    host: name,
    cluster: 'manifold',
    tree: hostTree(),
    simulateRemote: false,
    onExit,
  })
  await node.start()

  progress('starting the router')
  const routers = startRouterProcesses({
    paths,
    count: settings.routerShards,
    port: settings.routerPort,
    argv: deps.shardArgv,
    env: deps.shardEnv,
    clock,
    log,
  })
  await routers.ready(routerReadyMs)

  const git = await openGitFace({
    home: settings.home,
    hub: engine.hub,
    objects: bus.objects,
    store: bus.store,
    log,
    uuid: () => random.uuid(),
    build: buildThrough(node),
  })
  const secureHost = `localhost:${settings.port}`
  const apiUrl = `http://${secureHost}`
  const names = ['localhost', '127.0.0.1', 'api.localhost', 'git.localhost']
  const certificates = await keepCertificates(paths.keys, names, now())
  const token = await keepToken(join(paths.keys, 'owner.token'), random)
  const api = await startApi({
    node,
    store: bus.store,
    random,
    clock,
    log,
    vault,
    rendezvous,
    streams: engine.hub,
    slugs: { get: (sha256) => bus.objects.get(slugObject(sha256)) },
    tails: { open: (wanted, reader) => openTail(bus.history, wanted, reader), format: formatLine },
    git: (request, response, { app, user, pathInfo }) => git.serve(request, response, app, user, pathInfo),
    requests: requestsOf(bus.connection),
    serve: (endpoints) => serveEndpoints(bus.connection, endpoints, log),
    certificates,
    settings: {
      apiUrl,
      secureHost,
      appDomain: settings.appDomain,
      routerPort: settings.routerPort,
      buildpacks: builtinNames,
    },
    owner: { email: ownerEmail, token },
    listen: { host: apiAddress, port: settings.port },
  })
  const { operator } = bus
  await writeEnvFile(paths.env, {
    apiUrl,
    secureHost,
    token,
    authorityPath: certificates.authorityPath,
    bundlePath: join(paths.keys, 'ca-bundle.pem'),
    home: settings.home,
    ...(operator && {
      more: { NATS_URL: operator.url, NATS_USER: operator.user, NATS_PASSWORD: operator.password },
    }),
  })

  return {
    apiUrl,
    token,
    driver: engine.driver.kind,
    failed: failed.promise,
    stop: async () => {
      await api.close()
      await git.close()
      await routers.stop()
      await node.stop()
      await endContainers({ ...engine, shippingFolder: paths.shipping }, progress)
      await engine.driver.teardown()
      engine.driver.close()
      await bus.close()
      giveBack()
    },
  }
}
