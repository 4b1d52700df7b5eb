/**
 * The host process, put together: cluster, bus, engine, actors, routers, API. Opened in this order and closed
 * in the reverse; whoever serves users comes last up and first down.
 */
import { unisolated } from '../../config/labels.ts'
import type { Settings } from '../../config/load.ts'
import type { Log } from '../../src/ports/log.ts'
import { createRendezvous } from '../../src/rendezvous/rendezvous.ts'
import { ref } from '../../src/runtime/index.ts'
import { createNode, type Node } from '../../src/runtime/node.ts'
import { systemClock as clock } from '../../src/system/clock.ts'
import { systemRandom as random } from '../../src/system/random.ts'
import { createCertificates } from '../effects/perform/certificates.ts'
import { eventRenderer } from '../api/shapes/event.ts'
import { tellBuild, type EventsDeps } from '../effects/perform/events.ts'
import { createSaid } from '../effects/perform/said.ts'
import { createVault } from '../effects/perform/vault.ts'
import { openTeams } from '../effects/perform/teams.ts'
import { lostBuilds } from '../lost-builds.ts'
import { deliverThrough } from '../logplex/deliver.ts'
import { emptied, keepFlushing } from '../logplex/outbox.ts'
import { hostTree } from '../tree.ts'
import { addressesOf } from './addresses.ts'
import { keysOfBackups } from './backup.ts'
import { openBus, untilAvailable } from './bus.ts'
import { openBusAddresses, resolveHost } from './bus-addresses.ts'
import { followBus, serveSteps } from './bus-growth.ts'
import { enterBus } from './bus-place.ts'
import { claimHome, needPort } from './claim.ts'
import { openCluster, registerHost } from './cluster.ts'
import { apiPort } from '../api/port.ts'
import { openControl, type Control } from './control.ts'
import { buildsAtOnce, chooseDriver, openEngine } from './engine.ts'
import { endContainers } from './end-containers.ts'
import { evacuate } from './evacuate.ts'
import { Webhooks } from '../protocols/webhooks.ts'
import { openUserEvents } from './user-events.ts'
import { tellHosts } from './host-events.ts'
import { needSamePort, openForwarding } from './forward.ts'
import { factsPath, hostFacts, type HostFacts } from './host-facts.ts'
import { serveInside } from './inside.ts'
import { openLogInput } from './log-input.ts'
import { openNeighbours, type Neighbours } from './neighbours.ts'
import { serveOutputs } from './outputs.ts'
import { homePaths } from './paths.ts'
import { renewAtStart } from './renew.ts'
import { requestsElsewhere, serveRequests } from './requests-elsewhere.ts'
import { needRouterPorts, routerAddress, startRouterProcesses } from './router-processes.ts'
import { keepSweeping, stacksIn } from './stacks.ts'
import { tellActors } from './tell-actors.ts'
import { followKeys } from './seal-follow.ts'
import { fetchKeys, lookHere, serveKeys } from './seal-calls.ts'
import { openRing } from './seal-ring.ts'
import { version } from './version.ts'
import { startWatchdog } from './watchdog.ts'

export type Host = {
  readonly name: string
  readonly apiUrl: string
  readonly token: string
  /** What its engine cannot do on this machine, for the operator to know. */
  readonly gaps: readonly string[]
  /** A join URL for the next host, on a control host that is the only host there is. */
  readonly joinUrl: string | undefined
  /** It began its cluster, and is alone in it. */
  readonly isFirst: boolean
  /** Resolves with the reason when the process should end: its actors gave up, or it was taken out. */
  readonly failed: Promise<string>
  /**
   * Ends everything of this host, dynos, routers and the embedded server too; other hosts take over first.
   */
  stop(): Promise<void>
}

export type HostDeps = {
  readonly settings: Settings
  /** The name this host wishes to have in its cluster. */
  readonly name: string
  readonly log: Log
  readonly progress: (text: string) => void
  /** Program and arguments of a router shard; its index is added. */
  readonly shardArgv: readonly string[]
  readonly shardEnv: Readonly<Record<string, string>>
  /** The program of scripts/watchdog. */
  readonly watchdog: string
}

const routerReadyMs = 30_000
const lookTimeoutMs = 5_000
const tokensMax = 1_000
const attachTimeoutMs = 30_000
const flushEveryMs = 1_000
const lastLinesMsMax = 3_000
const dayMs = 24 * 3_600_000

export const startHost = async (deps: HostDeps): Promise<Host> => {
  const { settings, log, progress } = deps
  const paths = homePaths(settings.home)
  const now = (): number => clock.now()
  const incarnation = now()
  const does = (role: Settings['roles'][number]): boolean => settings.roles.includes(role)
  const appUrl = (app: string): string => `http://${app}.${settings.appDomain}:${settings.routerPort}/`

  const giveBack = claimHome(settings.home, paths)
  await needPort('MANIFOLD_PORT', apiPort.address, settings.port)
  await needPort('MANIFOLD_CLUSTER_PORT', routerAddress, settings.clusterPort)
  if (does('router')) await needRouterPorts(paths, settings)
  if (does('logplex')) await needPort('MANIFOLD_LOGPLEX_PORT', routerAddress, settings.logplexPort)
  if (settings.join !== undefined) progress('joining the cluster')
  const wish = { name: deps.name, address: settings.address, port: settings.clusterPort }
  const labels = { ...settings.labels, ...(chooseDriver(settings) === 'process' ? unisolated : {}) }
  const cluster = await openCluster(
    settings.home,
    settings.join,
    { ...wish, roles: settings.roles, labels },
    { nowMs: now(), random },
  )
  const { name } = cluster
  progress('starting NATS')
  const place = await enterBus({ cluster, settings, paths, random, log, progress })
  const bus = await openBus({ paths, file: place.file(), replicas: place.replicas, log, progress })
  if (does('control')) {
    // A server that has just died leaves the record without a leader for some seconds: this host waits.
    await untilAvailable(() => registerHost(bus.store, cluster))
    // It can be done at any other start as well.
    bus.objects
      .sweep(now() - dayMs)
      .catch((error: unknown) =>
        log({ at: 'objects-not-swept', reason: error instanceof Error ? error.message : 'unknown' }),
      )
  }

  const busAddresses =
    place.external === undefined
      ? undefined
      : await openBusAddresses({
          urls: place.external,
          announced: () => bus.connection.announced(),
          resolve: resolveHost,
          clock,
          log,
        })
  const ring = openRing({
    files: cluster.files,
    store: bus.store,
    fetch: fetchKeys(
      () => controls().filter((host) => host !== name),
      (...asked) => neighbours.peers.call(...asked),
    ),
    log,
  })
  const vault = createVault(bus.store, ring.vault)
  const certificates = createCertificates(bus.store, ring.certificates)
  const rendezvous = createRendezvous({ tokensMax })
  const isGone = (host: string): boolean => neighbours.isGone(host)
  const events: EventsDeps = {
    log: openUserEvents(bus, () => neighbours.busUsers(), log),
    render: eventRenderer(addressesOf(settings), { certificates, teams: openTeams(bus.store) }),
    published: (appId) => node.ask(ref(Webhooks, appId), { type: 'look' }, { timeoutMs: lookTimeoutMs }),
  }
  const told = tellBuild(events)
  const lost = lostBuilds({
    store: bus.store,
    ask: (to, message, options) => node.ask(to, message, options),
    isGone,
    now,
    told: (build) => told(build, true),
  })
  const deliver = deliverThrough(() => node, clock)
  const said = createSaid(`${name}:${random.uuid()}`, now, deliver)
  progress('opening the container engine')
  const engine = await openEngine({
    settings,
    paths,
    bus,
    vault,
    certificates,
    rendezvous,
    random,
    clock,
    now,
    log,
    appUrl,
    isGone,
    lost,
    denied: busAddresses?.now() ?? [],
    deliver,
    said,
    events,
    told,
    fetchSlug: (sha256) => {
      const others = neighbours.members.view().members.filter((member) => member.name !== name)
      const near = others.filter(({ state }) => state === 'up' || state === 'draining')
      return neighbours.peers.fetchSlug(
        sha256,
        near.map((member) => member.name),
      )
    },
    attachElsewhere: (host, token) => (host === name ? undefined : neighbours.peers.attach(host, token)),
  })
  const { driver } = engine
  const isolates = does('dyno') && driver.kind === 'oci'
  const facts = (): Promise<HostFacts> =>
    hostFacts({
      name,
      version,
      settings,
      backups: paths.backups,
      driver: { list: () => driver.list(), gaps: engine.gaps },
      ...(isolates && { stacks: () => stacksIn(paths.stacks) }),
      now,
    })
  const backups = (): Promise<readonly string[]> => keysOfBackups(paths.backups)
  const failed = Promise.withResolvers<string>()
  /** Says how the next host joins; known once the API is. */
  const invited: { say?: () => void } = {}
  const served: { control?: Control | undefined } = {}
  const insideServer = serveInside({
    inside: engine.inside,
    admits: (peer) =>
      neighbours.hosts().some((one) => one.name === peer.name && one.roles.includes('control')),
    random,
    clock,
  })
  const neighbours: Neighbours = await openNeighbours({
    cluster,
    bus,
    keeper: place.keeper,
    busPlace: () => place.now(),
    incarnation,
    version,
    clock,
    log,
    packedSlug: (sha256) => engine.packedSlug(sha256),
    attach: async (token) => insideServer.take(token) ?? rendezvous.expect(token, attachTimeoutMs),
    client: (token, socket) => rendezvous.accept(token, socket),
    api: (...call) => served.control?.forwarded(...call) ?? false,
    calls: {
      [factsPath]: facts,
      ...serveSteps(place),
      ...insideServer.calls,
      ...serveOutputs(engine.hub),
      ...serveKeys({ cluster, ring, hosts: () => neighbours.hosts(), backups }),
      ...serveRequests(() => served.control?.requests),
    },
    joined: () => invited.say?.(),
    removed: () => failed.resolve('this host was removed from its cluster'),
  })
  const { members } = neighbours
  const controls = (): readonly string[] =>
    neighbours
      .hosts()
      .filter(({ roles: all }) => all.includes('control'))
      .map((host) => host.name)
  if (!does('control')) await needSamePort(settings.port, controls(), neighbours.peers.call)
  const keys = await followKeys({ ring, transport: bus.transport, log, isNeeded: does('control') })
  // Who may not write the record has others write down where it is.
  const renewal = does('control')
    ? undefined
    : renewAtStart({
        home: settings.home,
        cluster,
        controls,
        call: neighbours.peers.call,
        clock,
        log,
      })
  const following = followBus({ cluster, place, paths, bus, neighbours, random, clock, log, progress })

  const { transport, store } = bus
  const directory = members.directory
  const ports = { clock, random, transport, store, effects: engine.effects, log, directory }
  const node: Node = createNode(ports, {
    host: name,
    cluster: 'manifold',
    tree: hostTree({ roles: settings.roles, buildsAtOnce: buildsAtOnce() }),
    simulateRemote: false,
    onExit: (reason) => failed.resolve(reason),
  })
  await node.start()
  const flushing = keepFlushing(said, clock, flushEveryMs)
  tellActors({ node, name, roles: settings.roles, members, transport, log })
  const telling = does('control') ? tellHosts({ log: bus.events, members, clock, report: log }) : undefined
  const watchdog = isolates
    ? startWatchdog({ paths, members, clock, log, program: deps.watchdog })
    : undefined
  const sweeping = keepSweeping({ folder: paths.stacks, driver: engine.driver, clock, log })
  busAddresses?.follow((addresses) => {
    engine.driver.deny(addresses).catch((error: unknown) => {
      log({ at: 'deny-failed', reason: error instanceof Error ? error.message : 'unknown' })
    })
  })
  neighbours.onHosts((hosts) => {
    const others = hosts.filter((host) => host.name !== name).map(({ address }) => address)
    engine.driver.admit(others, cluster.address).catch((error: unknown) => {
      log({ at: 'admit-failed', reason: error instanceof Error ? error.message : 'unknown' })
    })
  })

  const routers = does('router')
    ? startRouterProcesses({
        paths,
        settings,
        argv: deps.shardArgv,
        env: deps.shardEnv,
        clock,
        log,
      })
    : undefined
  if (routers !== undefined) progress('starting the router')
  await routers?.ready(routerReadyMs)

  const token = cluster.secrets.ownerToken ?? ''
  const control = does('control')
    ? await openControl({
        settings,
        paths,
        cluster,
        bus,
        neighbours,
        engine,
        vault,
        certificates,
        ring,
        followKeys: keys,
        keysHere: () => lookHere(ring, backups),
        rendezvous,
        node,
        lostBuilds: lost,
        random,
        clock,
        log,
        facts,
        token,
        operatorLogin: place.operatorLogin,
        releaseServer: (host) => following.release(host),
        emptyPlaces: () => place.now().removed ?? [],
      })
    : undefined
  served.control = control
  const passing = { settings, paths, cluster, neighbours, clock }
  const forwarding = control ? undefined : await openForwarding(passing)
  const logInput = does('logplex')
    ? await openLogInput({
        host: name,
        listen: { host: routerAddress, port: settings.logplexPort },
        certificate: cluster,
        bus,
        node,
        requests: control?.requests ?? requestsElsewhere(controls, neighbours.peers),
        random,
        clock,
        log,
      })
    : undefined
  invited.say = () => {
    const told = control?.invite().then((url) => progress(`the next host joins with MANIFOLD_JOIN=${url}`))
    told?.catch((error: unknown) =>
      log({ at: 'invite-failed', reason: error instanceof Error ? error.message : 'unknown' }),
    )
  }
  const isFirst = neighbours.hosts().length <= 1
  const joinUrl = isFirst && control ? await untilAvailable(control.invite) : undefined

  return {
    name,
    apiUrl: addressesOf(settings).apiUrl,
    token,
    gaps: does('dyno') ? await engine.gaps() : [],
    joinUrl,
    isFirst,
    failed: failed.promise,
    stop: async () => {
      renewal?.close()
      sweeping.close()
      following.close()
      keys.close()
      busAddresses?.close()
      await evacuate({ name, neighbours, driver: engine.driver, clock, progress })
      await logInput?.close()
      await forwarding?.close()
      await control?.close()
      await routers?.stop()
      await emptied(said, clock, lastLinesMsMax)
      flushing.close()
      await node.stop()
      await endContainers({ ...engine, shippingFolder: paths.shipping }, progress)
      await engine.driver.teardown()
      engine.driver.close()
      watchdog?.stop()
      await members.leave()
      await neighbours.close()
      telling?.close()
      await bus.close()
      await place.keeper?.stop()
      giveBack()
    },
  }
}
