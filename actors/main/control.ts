/**
 * What a control host serves besides its actors: the API and git on loopback, and the operator's side of the
 * cluster.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isolates } from '../../config/labels.ts'
import type { Settings } from '../../config/load.ts'
import { keepCertificates } from '../../src/certs/keep.ts'
import { acknowledgedWrite } from '../../src/nats/canary.ts'
import { openFeed } from '../../src/nats/feed.ts'
import { lastSequence } from '../../src/nats/last-sequence.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Rendezvous } from '../../src/rendezvous/rendezvous.ts'
import { ref, refAt } from '../../src/runtime/index.ts'
import type { Node } from '../../src/runtime/node.ts'
import { asGzip } from '../../src/slug/as-gzip.ts'
import { openAccounts } from '../api/accounts/accounts.ts'
import type { ApiRequests } from '../api/face/face.ts'
import { writeEnvFile } from '../api/env-file.ts'
import { patientReads } from '../api/patience.ts'
import { apiPort } from '../api/port.ts'
import { startApi, type Api } from '../api/start.ts'
import { slugObject } from '../effects/perform/builder.ts'
import type { Certificates } from '../effects/perform/certificates.ts'
import { derivedKeys } from '../effects/perform/seal.ts'
import type { Vault } from '../effects/perform/vault.ts'
import { readOutput } from '../logplex/output.ts'
import { openTails } from '../logplex/tails.ts'
import { App } from '../protocols/app.ts'
import { Host } from '../protocols/host.ts'
import { Placement } from '../protocols/placement.ts'
import { usageReports } from '../usage/report.ts'
import { addressesOf } from './addresses.ts'
import { openBackups } from './backup.ts'
import { untilAvailable, type Bus } from './bus.ts'
import { busUsers } from './bus-users.ts'
import { openClusterOperator } from './cluster-operator.ts'
import type { Engine } from './engine.ts'
import { factsPath, readFacts, type HostFacts } from './host-facts.ts'
import { insideOf } from './inside.ts'
import { listApps } from './list-apps.ts'
import type { LostBuilds } from '../lost-builds.ts'
import { openGuesses } from './guesses.ts'
import { createInvite } from './invite.ts'
import { authorityOf, type Cluster } from './members-file.ts'
import type { Neighbours } from './neighbours.ts'
import type { HomePaths } from './paths.ts'
import { buildThrough, openGitFace } from './push.ts'
import { keepPlatformCertificate } from './platform-certificate.ts'
import { watchElsewhere } from './outputs.ts'
import { localRequests } from './local-requests.ts'
import { openUpkeep } from './upkeep.ts'
import { lookAt, type HostKeys } from './seal-calls.ts'
import type { KeysFollowed } from './seal-follow.ts'
import { openSealOperator } from './seal-operator.ts'
import type { Ring } from './seal-ring.ts'
import { openRotation } from './seal-rotation.ts'
import { listHosts } from './host-record.ts'
import { serveEndpoints } from './serve-endpoints.ts'
import { defaultStack } from './stacks.ts'
import { openTunnel } from './tunnel.ts'

export type Control = {
  readonly close: () => Promise<void>
  readonly invite: () => Promise<string>
  readonly requests: ApiRequests
  /** Answers calls that came in at another host. */
  readonly forwarded: Api['forwarded']
}

export type ControlDeps = {
  readonly settings: Settings
  readonly paths: HomePaths
  readonly cluster: Cluster
  readonly bus: Bus
  readonly neighbours: Neighbours
  readonly engine: Engine
  readonly vault: Vault
  readonly certificates: Certificates
  readonly ring: Ring
  readonly followKeys: KeysFollowed
  /** Which keys this host has, and needs for its backups. */
  readonly keysHere: () => Promise<HostKeys>
  readonly rendezvous: Rendezvous
  readonly node: Node
  readonly lostBuilds: LostBuilds
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
  readonly facts: () => Promise<HostFacts>
  readonly token: string
  /** Where tools of this machine reach the bus, and how they log in; undefined for an external bus. */
  readonly operatorLogin: Readonly<Record<string, string>> | undefined
  readonly releaseServer: (host: string) => Promise<boolean>
  readonly emptyPlaces: () => readonly string[]
}

const ownerEmail = 'owner@manifold.local'
const fleetTimeoutMs = 2_000

export const openControl = async (deps: ControlDeps): Promise<Control> => {
  const { settings, paths, cluster, bus, neighbours, engine, node, random, clock, log } = deps
  const { members, peers } = neighbours
  const { store } = bus
  const feed = openFeed(bus.connection, 'manifold')
  await rm(paths.sorting, { recursive: true, force: true })
  const certificates = await keepCertificates(paths.keys, apiPort.names, clock.now())
  const invite = (): Promise<string> =>
    createInvite(store, {
      address: cluster.address,
      port: cluster.port,
      authority: cluster.authority,
      random,
      nowMs: clock.now(),
    })
  const keys = openSealOperator({
    store,
    ring: deps.ring,
    now: () => clock.now(),
    changed: () => deps.followKeys.changed(),
  })
  // The same on every control host, and of no use for anything else.
  const signing = derivedKeys(deps.ring.vault, 'signed addresses')
  const wake = (appId: string): void => node.tell(ref(App, appId), { type: 'resume' })
  const operator = openClusterOperator({
    self: cluster.name,
    cluster: cluster.cluster,
    store,
    feed,
    sorting: paths.sorting,
    clock,
    log,
    members,
    fleet: () => {
      const { leader } = members.view()
      const ask = { type: 'hosts' } as const
      return node.ask(refAt(Placement, 'placement', leader), ask, { timeoutMs: fleetTimeoutMs })
    },
    facts: async (host) =>
      host === cluster.name ? deps.facts() : readFacts(await peers.call(host, factsPath, {})),
    invite,
    hostChanged: (host) => neighbours.hostChanged(host),
    releaseServer: deps.releaseServer,
    emptyPlaces: deps.emptyPlaces,
    canaryWrite: async () => (await acknowledgedWrite(bus.connection, 'manifold')).writeMs,
    spool: join(paths.run, 'restore.jsonl'),
    keys,
    restored: () => {
      // Every formation there is now hears of every host, and so wakes up.
      for (const { name } of members.view().members) node.tell(refAt(Host, 'host', name), { type: 'census' })
      void listApps(store, feed, wake, log, true)
    },
  })
  const backups = openBackups({
    feed,
    sorting: paths.sorting,
    folder: paths.backups,
    cluster: cluster.cluster,
    keys: keys.names,
    clock,
    log,
    leads: () => members.view().leader === cluster.name,
    revision: () => lastSequence(bus.connection, 'manifold'),
  })
  const upkeep = openUpkeep({
    store,
    feed,
    objects: bus.objects,
    hub: engine.hub,
    clock,
    log,
    leads: () => members.view().leader === cluster.name,
  })
  const rotation = openRotation({
    store,
    feed,
    ring: deps.ring,
    clock,
    log,
    hosts: () => listHosts(store),
    stateOf: (host) => members.view().members.find(({ name }) => name === host)?.state,
    look: (host) => (host === cluster.name ? deps.keysHere() : lookAt(peers.call, host)),
    changed: () => deps.followKeys.changed(),
    leads: () => members.view().leader === cluster.name,
  })
  deps.followKeys.onChange(() => rotation.nudge())
  const authority = authorityOf(cluster)
  const platformCertificate =
    authority &&
    keepPlatformCertificate({
      certificates: deps.certificates,
      authority,
      domain: settings.appDomain,
      clock,
      log,
    })
  const git = await openGitFace({
    home: settings.home,
    hub: engine.hub,
    objects: bus.objects,
    store,
    log,
    now: () => clock.now(),
    uuid: () => random.uuid(),
    kept: (appId, repoBytes) => node.tell(ref(App, appId), { type: 'stored', repoBytes }),
    build: buildThrough(node),
  })
  const tunnel = await openTunnel({
    listen: settings.ssh,
    secret: cluster.secrets.authorityKey,
    inside: insideOf({ self: cluster.name, inside: engine.inside, peers }),
    random,
    clock,
    log,
  })
  const isGone = (host: string): boolean => neighbours.isGone(host)
  const wordsOf = (appId: string | undefined) => async (buildId: string) =>
    appId === undefined ? undefined : deps.lostBuilds.lastWords(appId, buildId)
  const requests = localRequests(clock)
  const guesses = openGuesses({
    transport: bus.transport,
    clock,
    admits: (host) =>
      host !== cluster.name &&
      neighbours.hosts().some(({ name, roles }) => name === host && roles.includes('control')),
  })
  const owner = { email: ownerEmail, token: deps.token, attempts: guesses.passwords }
  const reads = patientReads(clock, store)
  const accounts = await untilAvailable(() => openAccounts(reads, random, () => clock.now(), owner))
  const api = await startApi({
    host: cluster.name,
    lostBuilds: deps.lostBuilds,
    guesses: guesses.tokens,
    signingKeys: () => signing.held().map(({ key }) => key),
    objects: bus.objects,
    node,
    store: reads,
    trail: bus.trail,
    events: bus.events,
    random,
    clock,
    log,
    vault: deps.vault,
    appCertificates: deps.certificates,
    rendezvous: deps.rendezvous,
    isolates: (host) => isolates(members.view().members.find(({ name }) => name === host)?.labels ?? {}),
    streams: {
      // Builds of this host or of the one that is named; what is none of them may be the output of a release,
      // which every host has.
      watch: (id, watcher, { host, appId }) =>
        engine.hub.watch(id, watcher) ??
        (host === undefined || host === cluster.name
          ? readOutput(bus.history, id, watcher)
          : watchElsewhere({ peers, clock, isGone, lastWords: wordsOf(appId) }, host, id, watcher)),
    },
    slugs: {
      get: async (sha256) => {
        const slug = await bus.objects.get(slugObject(sha256))
        return slug && asGzip(slug)
      },
    },
    tails: openTails(bus.history, clock),
    repositories: git,
    git: (request, response, { app, user, pathInfo }) => git.serve(request, response, app, user, pathInfo),
    tunnel,
    requests,
    serve: (endpoints) => {
      requests.serve(endpoints)
      return serveEndpoints(bus.connection, endpoints, log)
    },
    certificates,
    cluster: operator,
    busKeys:
      deps.operatorLogin &&
      busUsers({
        store,
        changed: () => neighbours.accessChanged(),
        urls: () => deps.operatorLogin?.['NATS_URL']?.split(',') ?? [],
      }),
    buildpacks: engine.buildpacks,
    usage: usageReports(reads, () => clock.now()),
    settings: {
      ...addressesOf(settings),
      stack: () => settings.stack ?? defaultStack(paths.stacks, engine.driver.kind),
    },
    accounts,
    ownerToken: deps.token,
    listen: { host: apiPort.address, port: settings.port },
  })
  void listApps(reads, feed, wake, log)
  await writeEnvFile(paths.env, {
    ...addressesOf(settings),
    token: deps.token,
    authorityPath: certificates.authorityPath,
    bundlePath: join(paths.keys, 'ca-bundle.pem'),
    home: settings.home,
    ...(deps.operatorLogin && { more: deps.operatorLogin }),
  })
  return {
    invite,
    requests,
    forwarded: api.forwarded,
    close: async () => {
      await api.close()
      await tunnel.close()
      await git.close()
      await backups.close()
      await rotation.close()
      guesses.close()
      await upkeep.close()
      platformCertificate?.close()
    },
  }
}
