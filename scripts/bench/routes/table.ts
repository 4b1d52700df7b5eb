/** The route table of one shard over the real record, in this process: how quick it is, and what it takes. */
import { nearHolderOf } from '../../../actors/effects/perform/names.ts'
import {
  formationKey,
  formationPrefix,
  recordedRoute,
  routeOfRecord,
} from '../../../actors/effects/perform/recorded-routes.ts'
import { routeOf } from '../../../actors/formation/route.ts'
import type { Route } from '../../../actors/protocols/shapes.ts'
import { createResync, type Resync } from '../../../actors/router/resync.ts'
import { createRouteTable, routeTableLimits, type RouteTable } from '../../../actors/router/route-table.ts'
import type { Connection } from '../../../src/nats/connection.ts'
import { openFeed } from '../../../src/nats/feed.ts'
import { openStore } from '../../../src/nats/store.ts'
import type { Store } from '../../../src/ports/store.ts'
import { decode, encode } from '../../../src/runtime/codec.ts'
import { recordKey } from '../../../src/runtime/record.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { bucket } from '../../routes/load.ts'
import { appIdOf, appNameOf, entriesOf, formationOf, type Place } from '../../routes/records.ts'
import { row, type Row } from '../report.ts'
import { bytesEach } from './memory.ts'
import { quantiles, zipf } from './zipf.ts'

const hits = 1_000_000
const missesMax = 5_000
const changesMax = 10_000
const stampedeMax = 100_000
const writesAtOnce = 64
const connectedMsMax = 10_000
const settleMs = 500

export type TableBench = {
  readonly connection: Connection
  readonly apps: number
  readonly place: Place
  readonly log: (line: string) => void
}

export const benchTable = async (bench: TableBench): Promise<readonly Row[]> => {
  const store = await openStore(bench.connection, { bucket, replicas: 1 })
  return [
    ...benchHits(bench, store),
    ...(await benchMisses(bench, store)),
    ...(await benchStampede(bench, store)),
    ...(await benchResync(bench, store)),
  ]
}

/** What is timed without a break keeps the connection from answering the server, which ends it then. */
const connected = async (connection: Connection): Promise<void> => {
  const deadline = performance.now() + connectedMsMax
  do await new Promise<void>((resolve) => void setTimeout(resolve, settleMs))
  while (!connection.connected() && performance.now() < deadline)
}

const tableOver = (store: Store): RouteTable =>
  createRouteTable({
    appDomain: 'localhost',
    standpoint: { host: 'h1', hostState: () => 'up', zoneOf: () => undefined },
    limits: routeTableLimits,
    now: () => systemClock.monotonicMs(),
    after: (ms, run) => {
      const timer = systemClock.after(ms, run)
      return () => timer.cancel()
    },
    used: () => undefined,
    holderOf: (kind, name) => nearHolderOf(store, kind, name),
    routeOf: (appId, versionMin) => recordedRoute(store, appId, versionMin),
  })

const hostOf = (number: number): string => `${appNameOf(number)}.localhost`
/** As it comes from the bus: none of its texts is shared with anything. */
const arriving = (number: number, place: Place): Route =>
  decode(encode(routeOf(appIdOf(number), formationOf(number, place)))) as Route

const benchHits = ({ apps, place, log }: TableBench, store: Store): readonly Row[] => {
  const cached = Math.min(apps, routeTableLimits.warmMax)
  const { made: table, bytes } = bytesEach(cached, () => {
    const filled = tableOver(store)
    for (let number = 0; number < cached; number++) filled.update(arriving(number, place))
    return filled
  })
  const { made: plain, bytes: plainBytes } = bytesEach(cached, () => {
    const map = new Map<string, Route>()
    for (let number = 0; number < cached; number++) map.set(hostOf(number), arriving(number, place))
    return map
  })
  log(`${table.stats().cached} routes cached, ${Math.round(bytes)} bytes each`)
  const pick = zipf(cached)
  const hosts = Array.from({ length: hits }, () => hostOf(pick(Math.random())))
  const timed = (work: (host: string) => unknown): number => {
    for (const host of hosts.slice(0, 100_000)) work(host)
    const began = performance.now()
    for (const host of hosts) work(host)
    return ((performance.now() - began) * 1_000) / hits
  }
  const hitUs = timed((host) => table.resolve(host))
  const mapUs = timed((host) => plain.get(host))
  return [
    row({ what: `a cached route, of ${cached}`, unit: 'bytes', ours: bytes, goal: '<=1024' }),
    row({
      what: 'the same beside others',
      unit: 'bytes',
      ours: bytes,
      peers: {
        'a plain Map of routes': plainBytes,
        'Envoy (published)': 72_000,
        'Traefik (published)': 363_000,
      },
    }),
    row({ what: `hit, Zipf over ${cached}, table alone`, unit: 'us', ours: hitUs, goal: '<1' }),
    row({ what: 'the same beside a bare Map', unit: 'us', ours: hitUs, peers: { 'a plain Map': mapUs } }),
  ]
}

const benchMisses = async ({ apps, connection, log }: TableBench, store: Store): Promise<readonly Row[]> => {
  await connected(connection)
  const count = Math.min(missesMax, apps)
  const table = tableOver(store)
  const step = Math.max(1, Math.floor(apps / count))
  const timed = async (work: (number: number) => unknown): Promise<Float64Array> => {
    const ms = new Float64Array(count)
    for (let at = 0; at < count; at++) {
      const began = performance.now()
      await work(at * step)
      ms[at] = performance.now() - began
    }
    return ms
  }
  const miss = quantiles(await timed((number) => table.resolve(hostOf(number))))
  const none = quantiles(await timed((number) => table.resolve(`nobody-${number}.localhost`)))
  const bare = quantiles(await timed((number) => store.peek(recordKey('formation', appIdOf(number)))))
  await connection.client.flush()
  log(`misses: p50 ${miss.p50.toFixed(2)} ms, p99 ${miss.p99.toFixed(2)} ms`)
  const peer = 'one bare KV get'
  return [
    row({ what: 'miss, p99', unit: 'ms', ours: miss.p99, goal: '<5' }),
    row({ what: 'miss, p50', unit: 'ms', ours: miss.p50, peers: { [peer]: bare.p50 } }),
    row({ what: 'miss, p99', unit: 'ms', ours: miss.p99, peers: { [peer]: bare.p99 } }),
    row({ what: 'a host that nobody has, p50', unit: 'ms', ours: none.p50, peers: { [peer]: bare.p50 } }),
    row({ what: 'a host that nobody has, p99', unit: 'ms', ours: none.p99, peers: { [peer]: bare.p99 } }),
  ]
}

/** Everybody comes at once, each for another app, and none is known. */
const benchStampede = async ({ apps, log }: TableBench, store: Store): Promise<readonly Row[]> => {
  const count = Math.min(stampedeMax, apps)
  const step = Math.max(1, Math.floor(apps / count))
  const table = tableOver(store)
  const began = performance.now()
  const made = await Promise.all(
    Array.from({ length: count }, async (_, at) => table.resolve(hostOf(at * step))),
  )
  const ms = performance.now() - began
  const failed = made.filter((decision) => decision.kind === 'refuse' && decision.code === 'H99').length
  log(`${count} cold hosts at once: ${Math.round(ms)} ms, ${failed} not answered`)
  return [
    row({ what: `${count} different cold hosts at once`, unit: 'ms', ours: ms, goal: '<=60000' }),
    row({ what: 'of them not answered', unit: 'requests', ours: failed, goal: '<=0' }),
  ]
}

const benchResync = async (
  { apps, place, connection, log }: TableBench,
  store: Store,
): Promise<readonly Row[]> => {
  const table = tableOver(store)
  const cached = Math.min(apps, routeTableLimits.warmMax)
  for (let number = 0; number < cached; number++) table.update(arriving(number, place))
  await connected(connection)
  const feed = openFeed(connection, bucket)
  const resync = createResync({
    table,
    feed,
    prefix: formationPrefix,
    keyOf: formationKey,
    routeOf: routeOfRecord,
  })
  await resync.follow()
  const changes = Math.min(changesMax, cached)
  await changeRecords(store, changes, place)
  const followMs = await msOf(resync)
  const isCurrent = (number: number): boolean => {
    const decision = table.resolve(hostOf(number))
    return !(decision instanceof Promise) && decision.kind === 'route'
  }
  let stale = 0
  for (let number = 0; number < changes; number++) if (!isCurrent(number)) stale++
  resync.distrust()
  const confirmMs = await msOf(resync)
  log(`${changes} changes in ${Math.round(followMs)} ms; all ${cached} in ${Math.round(confirmMs)} ms`)
  return [
    row({ what: `resync after a gap with ${changes} changes`, unit: 'ms', ours: followMs }),
    row({ what: 'of them stale afterwards', unit: 'routes', ours: stale, goal: '<=0' }),
    row({ what: `all ${cached} cached routes asked for again`, unit: 'ms', ours: confirmMs }),
  ]
}

const msOf = async (resync: Resync): Promise<number> => {
  const began = performance.now()
  await resync.follow()
  return performance.now() - began
}

/** Ends the maintenance of the first so many, on record alone: nobody announces it. */
const changeRecords = async (store: Store, count: number, place: Place): Promise<void> => {
  let next = 0
  const writer = async (): Promise<void> => {
    while (next < count) {
      const number = next++
      const [entry] = entriesOf(number, { ...place, maintenance: false }, 1)
      if (entry === undefined) continue
      const found = await store.get(entry[0])
      await store.update(entry[0], entry[1], found?.revision ?? 0)
    }
  }
  await Promise.all(Array.from({ length: writesAtOnce }, writer))
}
