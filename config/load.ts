/**
 * Settings from the environment: the only module that reads it. A wrong value stops the start with one line
 * that names the variable, the value and what is allowed.
 */
import { isIP, isIPv4 } from 'node:net'
import { availableParallelism, homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { isLabel } from './labels.ts'
import { stacks, type StackName } from './stacks.ts'

export type Settings = {
  /** Absolute folder of all state. */
  readonly home: string
  readonly port: number
  readonly routerPort: number
  readonly routerTlsPort: number
  /** Where log lines come in. */
  readonly logplexPort: number
  /**
   * Load balancers before the two: addresses and ranges whose connections begin with a PROXY header that says
   * who the client is.
   */
  readonly routerBalancers: readonly string[]
  readonly routerTlsBalancers: readonly string[]
  readonly appDomain: string
  /**
   * The first of four ports for other hosts: HTTPS, the bus' clients, its servers, and its clients while it
   * is one server.
   */
  readonly clusterPort: number
  /** Where other hosts reach this one. Undefined: found by looking at the machine. */
  readonly address: string | undefined
  /** What this host does. */
  readonly roles: readonly Role[]
  /** What placement may go by: `zone` spreads. */
  readonly labels: Readonly<Record<string, string>>
  /** The cluster to join at the first start. Undefined: this host is one, or begins one. */
  readonly join: string | undefined
  /** Servers of an external bus. Undefined: the embedded one. */
  readonly natsUrls: readonly string[] | undefined
  /** Where SSH into dynos comes in. Undefined: nowhere. */
  readonly ssh: { readonly host: string; readonly port: number } | undefined
  /** Undefined: `oci` where it can be, else `process`. */
  readonly driver: 'oci' | 'process' | undefined
  /** What the dynos of this host are promised together: more than it has, and they share. Undefined: all. */
  readonly dynoMemoryBytes: number | undefined
  /** Of apps that say none. Undefined: an image where one was made. */
  readonly stack: StackName | undefined
  readonly sample: boolean
  /** Folder of buildpacks that have a short name, absolute; it need not exist. */
  readonly buildpacks: string
  /** Folder of hosts that builds find here instead of in the world, absolute. Undefined: none. */
  readonly buildMirror: string | undefined
  /** Router shard processes on this host: if not set one a core, and two at least, so that one may die. */
  readonly routerShards: number
  /** Where programs are looked for. */
  readonly searchPath: string
  /** What build sandboxes inherit so that the npm client in them reaches what this machine reaches. */
  readonly buildEnv: Readonly<Record<string, string>>
}

export const roles = ['control', 'dyno', 'router', 'logplex'] as const
export type Role = (typeof roles)[number]

export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly code = 'bad_setting'
}

export type Environment = Readonly<Record<string, string | undefined>>

const refuse = (name: string, value: string, allowed: string): never => {
  throw new SettingsError(`${name}=${JSON.stringify(value)} is not allowed: want ${allowed}`)
}

const text = (env: Environment, name: string): string | undefined => {
  const value = env[name]
  return value === undefined || value === '' ? undefined : value
}

/** What the Fetch standard has clients refuse ("bad port"), the stock CLI among them. */
const blockedPorts = new Set(
  [1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566].concat([
    6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080,
  ]),
)

const port = (env: Environment, name: string, fallback: number): number => {
  const value = text(env, name)
  if (value === undefined) return fallback
  const number = Number(value)
  if (!/^\d+$/.test(value) || number < 1 || number > 65_535)
    return refuse(name, value, 'a port from 1 to 65535')
  if (blockedPorts.has(number)) return refuse(name, value, 'a port that HTTP clients do not block')
  return number
}

const domainPattern =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/

/** Ports after the first that a host listens on for others. */
const clusterPortsMore = 3
/** Without a setting of its own it lies this far from MANIFOLD_PORT, so that two homes differ. */
const clusterPortApart = 100

/** 8443 beside 8080; without a setting of its own it goes with the other, so that two homes differ. */
const tlsPortBeside = (routerPort: number): number =>
  routerPort + 363 <= 65_535 ? routerPort + 363 : routerPort - 363

/** 8601 beside 5000. */
const logplexPortApart = 3_601
const logplexPortOf = (env: Environment, apiPort: number, taken: readonly number[]): number => {
  const name = 'MANIFOLD_LOGPLEX_PORT'
  const far = apiPort + logplexPortApart
  const found = port(env, name, far <= 65_535 ? far : apiPort - logplexPortApart)
  if (taken.includes(found))
    return refuse(name, String(found), `a port other than ${taken.join(', ')}, which are in use`)
  return found
}

const clusterPortOf = (env: Environment, apiPort: number, taken: readonly number[]): number => {
  const first = port(env, 'MANIFOLD_CLUSTER_PORT', apiPort + clusterPortApart)
  const last = first + clusterPortsMore
  const value = text(env, 'MANIFOLD_CLUSTER_PORT') ?? String(first)
  if (last > 65_535) return refuse('MANIFOLD_CLUSTER_PORT', value, 'a port from 1 to 65532')
  for (const other of taken)
    if (other >= first && other <= last)
      return refuse(
        'MANIFOLD_CLUSTER_PORT',
        value,
        `a port whose next three are free of ${other}, which is in use`,
      )
  return first
}

const rolesOf = (env: Environment): readonly Role[] => {
  const value = text(env, 'MANIFOLD_ROLES')
  if (value === undefined) return roles
  const wanted = value.split(',').map((role) => role.trim())
  const known = roles.filter((role) => wanted.includes(role))
  if (known.length !== wanted.length)
    return refuse('MANIFOLD_ROLES', value, `some of ${roles.join(',')}, each once`)
  return known
}

const labelsOf = (env: Environment): Readonly<Record<string, string>> => {
  const value = text(env, 'MANIFOLD_LABELS')
  if (value === undefined) return {}
  const pairs = value.split(',').map((pair) => /^([^=]*)=(.*)$/.exec(pair)?.slice(1))
  const labels: Record<string, string> = Object.fromEntries(
    pairs.filter((pair) => pair !== undefined).filter(([name = '', of = '']) => isLabel(name, of)),
  )
  if (Object.keys(labels).length !== pairs.length)
    return refuse('MANIFOLD_LABELS', value, 'name=value pairs like zone=a,disk=ssd, each name once')
  return labels
}

const stackOf = (env: Environment): StackName | undefined => {
  const value = text(env, 'MANIFOLD_STACK')
  const known = stacks.find((name) => name === value)
  if (value !== undefined && known === undefined) return refuse('MANIFOLD_STACK', value, stacks.join(', '))
  return known
}

const natsUrlsOf = (env: Environment): readonly string[] | undefined => {
  const value = text(env, 'MANIFOLD_NATS_URL')
  if (value === undefined) return undefined
  const urls = value.split(',')
  if (!urls.every((url) => /^(nats|tls):\/\/[^\s,]+$/.test(url)))
    return refuse('MANIFOLD_NATS_URL', value, 'nats://host:port or tls://host:port, several with commas')
  return urls
}

const joinPattern = /^https:\/\/[^\s/]+:\d+\/join\/[A-Za-z0-9_-]+\?ca=[0-9a-f]{64}$/

const joinOf = (env: Environment): string | undefined => {
  const value = text(env, 'MANIFOLD_JOIN')
  if (value !== undefined && !joinPattern.test(value))
    return refuse('MANIFOLD_JOIN', value, 'the join URL that a host of the cluster printed')
  return value
}

const addressOf = (env: Environment): string | undefined => {
  const value = text(env, 'MANIFOLD_ADDRESS')
  if (value !== undefined && !isIPv4(value))
    return refuse('MANIFOLD_ADDRESS', value, 'an IPv4 address of this machine')
  return value
}

/** The bus lets no more in. */
export const routerShardsMax = 8

/** One a core, within reason. */
const shardsOf = (env: Environment): number => {
  const value = text(env, 'MANIFOLD_ROUTER_SHARDS')
  if (value === undefined) return Math.max(2, Math.min(routerShardsMax, availableParallelism()))
  const count = Number(value)
  if (!/^\d+$/.test(value) || count < 1 || count > routerShardsMax)
    return refuse('MANIFOLD_ROUTER_SHARDS', value, `a number from 1 to ${routerShardsMax}`)
  return count
}

const mb = 1024 * 1024
/** Of the smallest dyno there is, and of more than any machine has. */
const dynoMemoryMb = { min: 512, max: 2 ** 30 }

const dynoMemoryOf = (env: Environment): number | undefined => {
  const value = text(env, 'MANIFOLD_DYNO_MEMORY_MB')
  if (value === undefined) return undefined
  const { min, max } = dynoMemoryMb
  const count = Number(value)
  if (!/^\d+$/.test(value) || count < min || count > max)
    return refuse('MANIFOLD_DYNO_MEMORY_MB', value, `a number of megabytes from ${min} to ${max}`)
  return count * mb
}

const isAddressOrRange = (member: string): boolean => {
  const [address = '', bits, ...more] = member.split('/')
  const bitsMax = isIP(address) === 4 ? 32 : isIP(address) === 6 && !address.includes('%') ? 128 : -1
  const isBits = bits === undefined || (/^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= bitsMax)
  return bitsMax > 0 && isBits && more.length === 0
}

/** Those of TLS are the same unless they are said. */
const balancersOf = (env: Environment, name: string, fallback: readonly string[]): readonly string[] => {
  const value = text(env, name)
  if (value === undefined) return fallback
  if (value === 'none') return []
  const members = value.split(',').map((member) => member.trim())
  if (!members.every(isAddressOrRange))
    return refuse(name, value, 'none, or addresses and ranges of load balancers like 10.0.0.5,10.1.0.0/16')
  return members
}

/** The stock client dials port 80 and no other. */
const sshPort = 80

const sshOf = (env: Environment): Settings['ssh'] => {
  const value = text(env, 'MANIFOLD_SSH') ?? '127.0.0.1'
  if (value === 'off') return undefined
  const [host = '', number = String(sshPort), ...more] = value.split(':')
  const isPort = /^[1-9]\d{0,4}$/.test(number) && Number(number) <= 65_535
  if (!isIPv4(host) || !isPort || more.length > 0)
    return refuse('MANIFOLD_SSH', value, 'off, or an IPv4 address of this machine like 127.0.0.1:80')
  return { host, port: Number(number) }
}

/** What package managers need from their surroundings: where packages are and whom to trust. */
const buildEnvNames = [
  'GOPROXY',
  'PIP_INDEX_URL',
  'PIP_EXTRA_INDEX_URL',
  'npm_config_registry',
  'NPM_CONFIG_REGISTRY',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
]

const folder = (env: Environment, name: string): string | undefined => {
  const value = text(env, name)
  if (value !== undefined && !isAbsolute(value)) return refuse(name, value, 'the absolute path of a folder')
  return value
}

/** Where all state is, absolute. @throws SettingsError */
export const loadHome = (env: Environment = process.env): string => {
  const home = text(env, 'MANIFOLD_HOME') ?? join(text(env, 'HOME') ?? homedir(), '.manifold')
  if (!isAbsolute(home) && home.startsWith('~')) refuse('MANIFOLD_HOME', home, 'a path without ~')
  return resolve(home)
}

/** Of who runs a command, where the host has no token to lend. */
export const loadUserToken = (env: Environment = process.env): string | undefined =>
  text(env, 'HEROKU_API_KEY')

/** @throws SettingsError with one line for the user */
export const loadSettings = (env: Environment = process.env): Settings => {
  const routerPort = port(env, 'MANIFOLD_ROUTER_PORT', 8080)
  const ports = {
    port: port(env, 'MANIFOLD_PORT', 5000),
    routerPort,
    routerTlsPort: port(env, 'MANIFOLD_ROUTER_TLS_PORT', tlsPortBeside(routerPort)),
  }
  if (ports.port === ports.routerPort)
    refuse('MANIFOLD_ROUTER_PORT', String(ports.routerPort), 'a port other than MANIFOLD_PORT')
  if (ports.routerTlsPort === ports.port || ports.routerTlsPort === routerPort) {
    const value = String(ports.routerTlsPort)
    refuse('MANIFOLD_ROUTER_TLS_PORT', value, 'a port other than MANIFOLD_PORT and MANIFOLD_ROUTER_PORT')
  }
  const logplexPort = logplexPortOf(env, ports.port, Object.values(ports))
  const routerBalancers = balancersOf(env, 'MANIFOLD_ROUTER_PROXY_PROTOCOL', [])
  const appDomain = text(env, 'MANIFOLD_APP_DOMAIN') ?? 'localhost'
  if (!domainPattern.test(appDomain)) refuse('MANIFOLD_APP_DOMAIN', appDomain, 'a lower-case domain name')
  const driver = text(env, 'MANIFOLD_DRIVER')
  if (driver !== undefined && driver !== 'oci' && driver !== 'process')
    return refuse('MANIFOLD_DRIVER', driver, 'oci or process')
  const sample = text(env, 'MANIFOLD_SAMPLE') ?? '1'
  if (sample !== '0' && sample !== '1') refuse('MANIFOLD_SAMPLE', sample, '0 or 1')
  const home = loadHome(env)
  const buildEnv = Object.fromEntries(buildEnvNames.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
  return {
    home,
    ...ports,
    logplexPort,
    routerBalancers,
    routerTlsBalancers: balancersOf(env, 'MANIFOLD_ROUTER_TLS_PROXY_PROTOCOL', routerBalancers),
    clusterPort: clusterPortOf(env, ports.port, [...Object.values(ports), logplexPort]),
    address: addressOf(env),
    roles: rolesOf(env),
    labels: labelsOf(env),
    join: joinOf(env),
    appDomain,
    natsUrls: natsUrlsOf(env),
    stack: stackOf(env),
    ssh: sshOf(env),
    driver,
    dynoMemoryBytes: dynoMemoryOf(env),
    sample: sample === '1',
    buildpacks: folder(env, 'MANIFOLD_BUILDPACKS') ?? join(home, 'registry'),
    buildMirror: folder(env, 'MANIFOLD_BUILD_MIRROR'),
    routerShards: shardsOf(env),
    searchPath: env['PATH'] ?? '',
    buildEnv,
  }
}
