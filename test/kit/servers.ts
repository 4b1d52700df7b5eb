/**
 * Bus servers of several hosts on the loopback address: keys, certificates, ports and a folder for each, and
 * no process left when the test ends, whoever started it.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { issueHost, makeAuthority, makeKey, publicHalf } from '../../src/certs/certificate.ts'
import type { Access, TlsFiles } from '../../src/nats/config.ts'
import { connect, type Connection, type ConnectOptions } from '../../src/nats/connection.ts'
import { openKeeper, type Keeper } from '../../src/nats/keeper.ts'
import { createSeed, publicOfSeed } from '../../src/nats/nkeys.ts'
import { endServer } from '../../src/nats/server.ts'
import { systemRandom } from '../../src/system/random.ts'
import { natsServer } from './bus.ts'
import { freePorts } from './ports.ts'

/** All that must be known to open the same keeper again, in another process too. */
export type HostPlan = {
  readonly name: string
  readonly home: string
  readonly seed: string
  readonly ports: { readonly client: number; readonly route: number; readonly alone: number }
  readonly tls: TlsFiles
}
export type ClusterPlan = { readonly hosts: readonly HostPlan[]; readonly ca: string }

/** Folders, keys and certificates of these hosts; their servers end and the folders go with the test. */
export const planCluster = async (t: Test, names: readonly string[]): Promise<ClusterPlan> => {
  const folder = mkdtempSync(join(tmpdir(), 'manifold-servers-'))
  const authority = { ...makeAuthority('test', Date.now(), 2), commonName: 'test' }
  const ca = join(folder, 'ca.pem')
  writeFileSync(ca, authority.certificate)
  const ports = await freePorts(3 * names.length)
  const hosts = names.map((name, index): HostPlan => {
    const home = join(folder, name)
    mkdirSync(home)
    const key = makeKey()
    const wish = {
      commonName: name,
      publicKey: publicHalf(key),
      names: ['127.0.0.1'],
      nowMs: Date.now(),
      days: 1,
    }
    const tls = { certificate: join(home, 'host.pem'), key: join(home, 'host.key'), ca }
    writeFileSync(tls.certificate, issueHost(authority, wish))
    writeFileSync(tls.key, key, { mode: 0o600 })
    const [client = 0, route = 0, alone = 0] = ports.slice(3 * index)
    return { name, home: join(home, 'nats'), seed: createSeed(), ports: { client, route, alone }, tls }
  })
  t.teardown(async () => {
    for (const { home } of hosts) {
      const folders = readdirOrNone(home).filter((name) => name.startsWith('cluster-'))
      for (const one of [home, ...folders.map((name) => join(home, name))]) await endServer(one, 1_000)
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return { hosts, ca: authority.certificate }
}

const readdirOrNone = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

export const keeperOf = (host: HostPlan, onLog: (text: string) => void = () => undefined): Keeper => {
  mkdirSync(host.home, { recursive: true })
  return openKeeper({
    binary: natsServer,
    home: host.home,
    name: host.name,
    random: systemRandom,
    operatorSubjects: ['manifold.v1.api.>'],
    listen: { host: '127.0.0.1', port: host.ports.client, alonePort: host.ports.alone },
    routes: { host: '127.0.0.1', port: host.ports.route },
    tls: host.tls,
    log: (fields) => onLog(JSON.stringify(fields)),
  })
}

/** Everyone named is a control host, but those whose name begins with `d`. */
export const accessOf = (hosts: readonly HostPlan[]): Access => ({
  kind: 'hosts',
  hosts: hosts.map(({ name, seed }) => ({ name, nkey: publicOfSeed(seed), control: !name.startsWith('d') })),
  grants: {
    cluster: 'c',
    readable: ['KV_manifold', 'OBJ_manifold'],
    written: ['history.>'],
    suffixes: ['-router-0'],
    served: ['manifold.v1.api.>'],
  },
})

export const placeOf = ({ name, ports }: HostPlan) => ({ name, route: `127.0.0.1:${ports.route}` })

/** Over TLS, as from another machine; `nats` for the host's own. */
export const urlsOf = (hosts: readonly HostPlan[], scheme: 'tls' | 'nats' = 'tls'): readonly string[] =>
  hosts.flatMap(({ ports }) => [ports.client, ports.alone].map((port) => `${scheme}://127.0.0.1:${port}`))

/** A connection as this host, closed with the test. */
export const joinAs = async (
  t: Test,
  plan: ClusterPlan,
  host: HostPlan,
  options: Partial<ConnectOptions> = {},
): Promise<Connection> => {
  const connection = await connect({
    urls: urlsOf(plan.hosts),
    nkeySeed: host.seed,
    ca: plan.ca,
    host: host.name,
    ...options,
  })
  t.teardown(() => connection.close(200))
  return connection
}

/** The pid of what runs on this home's current server folder. */
export const pidOf = (keeper: Keeper): number => {
  const server = keeper.server()
  if (server === undefined) throw new Error('no server runs')
  return server.pid
}

export const readPlan = (file: string): ClusterPlan => JSON.parse(readFileSync(file, 'utf8')) as ClusterPlan
