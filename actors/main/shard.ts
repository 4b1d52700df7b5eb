/**
 * A router shard's process: its proxy and route table, its connection to the bus, and the actor that keeps
 * the table true.
 *
 * It needs nobody to go on serving what it knows. SIGTERM drains it.
 */
import { rmSync, writeFileSync, renameSync } from 'node:fs'
import type { Settings } from '../../config/load.ts'
import type { Membership, MemberState } from '../../src/membership/contract.ts'
import { followMembership } from '../../src/membership/follow.ts'
import { connect } from '../../src/nats/connection.ts'
import { openFeed } from '../../src/nats/feed.ts'
import { openStore } from '../../src/nats/store.ts'
import { openTransport } from '../../src/nats/transport.ts'
import { EffectFailed, type Effects } from '../../src/ports/effects.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import { siblingsVersion, type SiblingMessage } from '../../src/proxy/siblings.ts'
import { decode } from '../../src/runtime/codec.ts'
import { checker, ref, refAt } from '../../src/runtime/index.ts'
import { createNode } from '../../src/runtime/node.ts'
import { systemClock } from '../../src/system/clock.ts'
import { openLog } from '../../src/system/log.ts'
import { openMesh } from '../../src/system/mesh.ts'
import { processOf } from '../../src/system/process.ts'
import { systemRandom } from '../../src/system/random.ts'
import { addressSet } from '../../src/wire/address-set.ts'
import { createCertificates } from '../effects/perform/certificates.ts'
import { nearHolderOf } from '../effects/perform/names.ts'
import {
  formationKey,
  formationPrefix,
  recordedRoute,
  routeOfRecord,
} from '../effects/perform/recorded-routes.ts'
import { Formation } from '../protocols/formation.ts'
import { routesTopic, Shard, standInsTopic } from '../protocols/shard.ts'
import { routeShape, standInShape, type Route, type StandIn } from '../protocols/shapes.ts'
import { deliverThrough } from '../logplex/deliver.ts'
import { emptied, keepFlushing } from '../logplex/outbox.ts'
import { createAccessLog } from '../router/access-log.ts'
import { createResync } from '../router/resync.ts'
import { createRouteTable, routeTableLimits } from '../router/route-table.ts'
import { routerTree } from '../tree.ts'
import { busCluster } from './bus-conf.ts'
import { busLogin, readBusFile } from './bus-login.ts'
import { keyFiles, readCertificateKey } from './members-file.ts'
import { homePaths } from './paths.ts'
import { openShardBacklogs } from './shard-backlogs.ts'
import { openTicketKeys } from './ticket-keys.ts'
import { seldomLog } from './seldom-log.ts'
import { keysOfFile } from './seal-ring.ts'
import { openShardTls, type ShardTls } from './shard-tls.ts'
import { shardText, routerAddress, shardFile } from './router-processes.ts'

export type ShardSettings = Pick<
  Settings,
  | 'home'
  | 'routerPort'
  | 'routerTlsPort'
  | 'routerBalancers'
  | 'routerTlsBalancers'
  | 'routerShards'
  | 'appDomain'
> & { readonly index: number }

const flushEveryMs = 100
const revalidateAppsMax = 2_000
const drainMsMax = 30_000
const badOpeningsEveryMs = 10_000
const lastLinesMsMax = 3_000
const meshMsMax = 1_000
const firstViewMsMax = 2_000
const firstViewLookMs = 10

/** Resolves when it listens. */
export const runShard = async (settings: ShardSettings): Promise<void> => {
  const { home, index, routerPort, routerTlsPort, appDomain } = settings
  const paths = homePaths(home)
  const bus = readBusFile(paths)
  const host = `${bus.host}-router-${index}`
  const log = openLog({ stream: process.stderr, fields: { process: `router.${index}` } })
  const connection = await connect({ ...busLogin(bus), host })
  // The host process writes down where the bus is; it may have moved by the time the connection breaks.
  connection.onEvent((event) => {
    if (event === 'down') connection.setUrls(readBusFile(paths).urls)
  })
  const transport = openTransport(connection, { cluster: busCluster })
  const store = await openStore(connection, { bucket: 'manifold', replicas: 1, ensure: false })
  const membership = followMembership({ clock: systemClock, transport })
  const { directory } = membership
  const hostState = (name: string): MemberState | undefined =>
    membership.view().members.find((member) => member.name === name)?.state

  const zoneOf = (name: string): string | undefined =>
    membership.view().members.find((member) => member.name === name)?.labels['zone']

  const table = createRouteTable({
    appDomain,
    standpoint: { host: bus.host, hostState, zoneOf },
    // Of requests that wait for a dyno, too, a host has no more with more shards.
    limits: {
      ...routeTableLimits,
      waitingPerAppMax: Math.ceil(routeTableLimits.waitingPerAppMax / settings.routerShards),
    },
    now: () => systemClock.monotonicMs(),
    after: (ms, run) => {
      const timer = systemClock.after(ms, run)
      return () => timer.cancel()
    },
    holderOf: async (kind, name) => nearHolderOf(store, kind, name),
    routeOf: (appId, versionMin) => recordedRoute(store, appId, versionMin),
    used: (appId) => node.tell(ref(Formation, appId), { type: 'used' }),
  })
  const resync = createResync({
    table,
    feed: openFeed(connection, 'manifold'),
    prefix: formationPrefix,
    keyOf: formationKey,
    routeOf: routeOfRecord,
  })
  const accessLog = createAccessLog(
    `${host}:${systemRandom.uuid()}`,
    () => performance.timeOrigin + performance.now(),
    deliverThrough(() => node, systemClock),
  )
  const logBadOpening = seldomLog(systemClock, log, badOpeningsEveryMs)
  /** Set once it listens. */
  const secure: { tls?: ShardTls } = {}
  const proxy = createProxy({
    resolve: (name) => table.resolve(name),
    onDone: (record) => accessLog.add(record),
    isServedTogether: (name, other) => secure.tls?.isServedTogether(name, other) ?? true,
    backlogOf: openShardBacklogs(paths.containers, systemClock),
    siblings: { index, count: settings.routerShards, send: (peer, message) => mesh.send(peer, message) },
    onBadOpening: (peer, reason) => logBadOpening({ at: 'bad-opening', peer, reason }),
  })

  const mesh = await openMesh({
    folder: paths.run,
    name: (other) => `router-${other}.sock`,
    index,
    count: settings.routerShards,
    version: siblingsVersion,
    clock: systemClock,
    ...proxy.siblings,
    heard: (peer, message) => proxy.siblings.heard(peer, message as SiblingMessage),
  })

  /**
   * Without one, nobody can be asked where an app is; a cluster that has none now is served by announcements.
   */
  const firstView = async (): Promise<void> => {
    const endMs = systemClock.monotonicMs() + firstViewMsMax
    while (membership.view().number === 0 && systemClock.monotonicMs() < endMs)
      await new Promise<void>((resolve) => void systemClock.after(firstViewLookMs, resolve))
  }

  const drain = async (): Promise<void> => {
    // First: its place among the shards is another's from now on.
    mesh.close()
    rmSync(shardFile(paths, index), { force: true })
    await proxy.drain(drainMsMax)
    // What was logged last gets a moment to be stored.
    await emptied(accessLog, systemClock, lastLinesMsMax)
    await node.stop()
    await connection.close()
    process.exit(0)
  }
  const effects: Effects = {
    'routing.follow': () => resync.follow().catch(asEffectFailed),
    'routing.revalidate': () => table.revalidate(revalidateAppsMax).catch(asEffectFailed),
    'routing.stats': () => Promise.resolve({ ...table.stats(), inFlight: proxy.stats().inFlight }),
    'routing.drain': drain,
  }
  const ports = { clock: systemClock, random: systemRandom, transport, store, effects, log, directory }
  const node = createNode(ports, { host, cluster: 'manifold', tree: routerTree(), simulateRemote: false })
  await node.start()

  const self = refAt(Shard, 'shard', host)
  const check = checker(routeShape)
  transport.subscribe(routesTopic, (body) => {
    const route = decode(body)
    if (check(route) === undefined) table.update(route as Route)
    else log({ at: 'route-malformed' })
  })
  const checkStandIn = checker(standInShape)
  transport.subscribe(standInsTopic, (body) => {
    const standIn = decode(body)
    if (checkStandIn(standIn) === undefined) table.standIn(standIn as StandIn)
    else log({ at: 'stand-in-malformed' })
  })
  let serverLife = connection.serverLife()
  const follow = (): void => node.tell(self, { type: 'follow' })
  transport.onConnection((isConnected) => {
    if (!isConnected) return
    if (connection.serverLife() !== serverLife) resync.distrust()
    serverLife = connection.serverLife()
    follow()
  })
  follow()
  let wellBefore = wellIn(membership.view())
  membership.onChange((view) => {
    table.hostsChanged()
    // What is announced by a host that is not connected is lost: who is back may have had something to say.
    const well = wellIn(view)
    if (well.some((name) => !wellBefore.includes(name))) follow()
    wellBefore = well
  })
  keepFlushing(accessLog, systemClock, flushEveryMs)

  await firstView()
  // What the others have of this one's part of the limits is not to be given away again.
  await mesh.settled(meshMsMax)
  const { port } = await proxy.listen({
    port: routerPort,
    host: routerAddress,
    reusePort: true,
    ...balancers(settings.routerBalancers),
  })
  secure.tls = openShardTls({
    certificates: () => {
      const read = () => readCertificateKey(keyFiles(home))
      return read() && createCertificates(store, keysOfFile(read))
    },
    tickets: openTicketKeys({ folder: paths.run, clock: systemClock, log }),
    appDomain,
    routeFor: (name) => table.routeFor(name),
    clock: systemClock,
    log,
    listen: async (certificates) => {
      await proxy.listen({
        port: routerTlsPort,
        host: routerAddress,
        reusePort: true,
        tls: certificates,
        ...balancers(settings.routerTlsBalancers),
      })
      log({ at: 'listening', port: routerTlsPort, tls: true })
    },
  })
  const own = processOf(process.pid)
  const written = { ...own, port, tlsPort: routerTlsPort, more: shardText(settings) }
  writeFileSync(`${shardFile(paths, index)}.new`, JSON.stringify(written), {
    mode: 0o600,
  })
  renameSync(`${shardFile(paths, index)}.new`, shardFile(paths, index))
  process.once('SIGTERM', () => void drain())
  log({ at: 'listening', port })
}

/** Nothing is asked of connections where nobody is one. */
const balancers = (members: readonly string[]) =>
  members.length === 0 ? {} : { isBalancer: addressSet(members) }

const wellIn = ({ members }: Membership): readonly string[] =>
  members.filter(({ state }) => state === 'up' || state === 'draining').map(({ name }) => name)

/** The record is away: the next look goes on from here. */
const asEffectFailed = (error: unknown): never => {
  throw error instanceof StoreUnavailable
    ? new EffectFailed(error.code, error.message, { cause: error })
    : error
}
