/**
 * The router of one host as it runs: real shard processes that share their ports, kept by what keeps them on
 * a host, over a real bus and record. The dynos are the test's own servers, and the apps' logs are read where
 * channels store them.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { certificateKeyOf, createCertificates } from '../../actors/effects/perform/certificates.ts'
import { oneKey } from '../../actors/effects/perform/seal.ts'
import { nameKey } from '../../actors/effects/perform/names.ts'
import { routeOf } from '../../actors/formation/route.ts'
import { formationFormat } from '../../actors/formation/kept.ts'
import type { Formed } from '../../actors/formation/record.ts'
import { channel } from '../../actors/logplex/channel.ts'
import { busCluster } from '../../actors/main/bus-conf.ts'
import { writeBusFile } from '../../actors/main/bus-login.ts'
import { keyFiles } from '../../actors/main/members-file.ts'
import { homePaths } from '../../actors/main/paths.ts'
import { readShard, startRouterProcesses, type ShardFile } from '../../actors/main/router-processes.ts'
import type { Part } from '../../actors/protocols/channel.ts'
import { routesTopic } from '../../actors/protocols/shard.ts'
import { loadSettings } from '../../config/load.ts'
import { bucket, urlOf } from '../../scripts/routes/load.ts'
import { appIdOf, appNameOf, formationOf } from '../../scripts/routes/records.ts'
import { makeAuthority } from '../../src/certs/certificate.ts'
import { openMembership } from '../../src/membership/membership.ts'
import { openStore } from '../../src/nats/store.ts'
import { openTransport } from '../../src/nats/transport.ts'
import { encode } from '../../src/runtime/codec.ts'
import { createNode, keyed, supervise } from '../../src/runtime/index.ts'
import { noReminders, recordKey } from '../../src/runtime/record.ts'
import { systemClock } from '../../src/system/clock.ts'
import { signal } from '../../src/system/process.ts'
import { systemRandom } from '../../src/system/random.ts'
import { openBus } from './bus.ts'
import type { Ends } from './ends.ts'
import { freePorts } from './ports.ts'
import { until } from './until.ts'

const host = 'h1'
const program = fileURLToPath(new URL('../../scripts/shard.ts', import.meta.url))
const vaultKeyBytes = 32
const startMsMax = 40_000

/** One web dyno; `up` listens at the port. */
export type Dyno = { readonly port: number; readonly state?: 'up' | 'starting' | 'crashed' }

export type AppPlan = {
  readonly dynos: readonly Dyno[]
  /** Default 1: no code has been pushed when 0. */
  readonly release?: 0 | 1
  readonly maintenance?: boolean
  readonly features?: readonly string[]
  readonly hostnames?: readonly string[]
}

export type RouterHost = {
  readonly port: number
  readonly tlsPort: number
  readonly home: string
  /** The authority that signed what the platform shows. */
  readonly authority: string
  /** The shard processes that listen now. */
  readonly shards: () => readonly ShardFile[]
  /** Puts the app with this number on record, or changes it, and announces it. @returns its host name */
  readonly app: (number: number, plan: AppPlan) => Promise<string>
  /** The router's lines in the log of the app with this number. */
  readonly lines: (number: number) => readonly string[]
  /** The line with this text, once it is there. */
  readonly line: (number: number, text: string | RegExp) => Promise<string>
  /** What the shards themselves wrote. */
  readonly log: () => string
  /** SIGKILL to the bus server. */
  readonly killBus: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** @param env settings of the shards, beside home and ports */
export const startRouterHost = async (
  t: Ends,
  env: Readonly<Record<string, string>> = {},
): Promise<RouterHost> => {
  const home = mkdtempSync(join(tmpdir(), 'manifold-router-'))
  const paths = homePaths(home)
  const bus = await openBus(t)
  const connection = await bus.join(host)
  const store = await openStore(connection, { bucket, replicas: 1 })
  const transport = openTransport(connection, { cluster: busCluster })
  writeBusFile(paths, { urls: [urlOf(bus.server())], host })

  const vaultKey = randomBytes(vaultKeyBytes)
  const authority = { ...makeAuthority('test root', Date.now(), 10), commonName: 'test root' }
  await createCertificates(store, oneKey(certificateKeyOf(vaultKey))).renewPlatform(
    authority,
    'localhost',
    Date.now(),
  )

  const kept = new Map<string, string[]>()
  const effects = {
    'history.append': async ({ appId, parts }: { appId: string; parts: readonly Part[] }) => {
      const lines = parts.flatMap((part) => part.lines)
      const texts = lines.map(({ text }) => Buffer.from(text).toString('latin1'))
      kept.set(appId, [...(kept.get(appId) ?? []), ...texts])
      return null
    },
    'history.drop': async () => undefined,
  }
  const log = (): void => undefined
  const members = openMembership(
    { clock: systemClock, transport, log },
    {
      name: host,
      incarnation: Date.now(),
      roles: ['control', 'logplex'],
      address: '127.0.0.1',
      labels: {},
      version: '0',
      protocol: 1,
      draining: false,
      server: connection.serverName(),
    },
  )
  const { directory } = members
  const tree = supervise('apps', { strategy: 'one_for_one', intensity: 5, periodMs: 1_000 }, [
    keyed(channel, { role: 'logplex' }),
  ])
  const node = createNode(
    { clock: systemClock, random: systemRandom, transport, store, effects, log, directory },
    { host, cluster: busCluster, simulateRemote: false, tree },
  )
  await node.start()

  const [routerPort = 0, routerTlsPort = 0] = await freePorts(2)
  const shardEnv = {
    MANIFOLD_HOME: home,
    MANIFOLD_ROUTER_PORT: String(routerPort),
    MANIFOLD_ROUTER_TLS_PORT: String(routerTlsPort),
    PATH: process.env['PATH'] ?? '',
    ...env,
  }
  const settings = loadSettings(shardEnv)
  const routers = startRouterProcesses({
    paths,
    settings,
    argv: [process.execPath, program],
    env: shardEnv,
    clock: systemClock,
    log,
  })
  const shards = (): readonly ShardFile[] =>
    Array.from({ length: settings.routerShards }, (_, index) => readShard(paths, index)).filter(
      (shard) => shard !== undefined,
    )
  const logText = (): string =>
    Array.from({ length: settings.routerShards }, (_, index) => {
      try {
        return readFileSync(join(paths.logs, `router-${index}.log`), 'utf8')
      } catch {
        return ''
      }
    }).join('')
  t.teardown(async () => {
    // Whatever they still have in flight is not waited for.
    for (const shard of shards()) signal(shard, 'SIGKILL')
    await routers.stop()
    await node.stop()
    members.close()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  })
  await routers.ready(startMsMax)
  // They are given it while they run.
  mkdirSync(paths.keys, { recursive: true })
  writeFileSync(keyFiles(home).certificateKey, certificateKeyOf(vaultKey))
  await until(() => logText().split('tls=true').length > settings.routerShards, {
    what: `every shard to listen for TLS: ${logText()}`,
    timeoutMs: startMsMax,
  })

  let changes = 0
  const lines = (number: number): readonly string[] => kept.get(appIdOf(number)) ?? []
  return {
    port: routerPort,
    tlsPort: routerTlsPort,
    home,
    authority: authority.certificate,
    shards,
    app: async (number, plan) => {
      const appId = appIdOf(number)
      const formed = formedOf(number, plan, ++changes)
      const key = recordKey('formation', appId)
      const value = formationFormat.encode(formed, noReminders, `change-${changes}`, []) ?? new Uint8Array()
      const before = await store.get(key)
      if (before === undefined) {
        await store.create(key, value)
        const held = Buffer.from(JSON.stringify({ appId }))
        await store.create(nameKey('app', appNameOf(number)), held)
        for (const name of plan.hostnames ?? []) await store.create(nameKey('host', name), held)
      } else await store.update(key, value, before.revision)
      transport.publish(routesTopic, encode(routeOf(appId, formed)))
      return `${appNameOf(number)}.localhost`
    },
    lines,
    line: (number, text) =>
      until(
        () =>
          lines(number).find((line) => (typeof text === 'string' ? line.includes(text) : text.test(line))),
        { what: `a line with ${text} in ${JSON.stringify(lines(number).slice(-5))}` },
      ),
    log: logText,
    killBus: () => bus.kill(),
    stop: () => routers.stop(),
  }
}

const formedOf = (number: number, plan: AppPlan, changes: number): Formed => {
  const place = { host, address: '127.0.0.1', port: 1, maintenance: plan.maintenance ?? false }
  const formed = formationOf(number, place, changes)
  const [first] = formed.slots
  if (first === undefined) throw new Error('a formation has a slot')
  const slots = plan.dynos.map(({ port, state = 'up' }, at) => {
    const phase = state === 'up' ? ('up' as const) : ('starting' as const)
    const run = {
      ...first.run!,
      id: `${first.run!.id.slice(0, -4)}${String(port).padStart(4, '0')}`,
      phase,
      port,
    }
    return { ...first, name: `web.${at + 1}`, state, run: state === 'crashed' ? null : run }
  })
  return {
    ...formed,
    hostnames: [...(plan.hostnames ?? [])],
    features: [...(plan.features ?? [])],
    types: plan.release === 0 ? [] : formed.types.map((type) => ({ ...type, quantity: plan.dynos.length })),
    slots,
  }
}
