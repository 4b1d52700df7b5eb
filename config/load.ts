/**
 * Settings from the environment: the only module that reads it. A wrong value stops the start with one line
 * that names the variable, the value and what is allowed.
 */
import { availableParallelism, homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

export type Settings = {
  /** Absolute folder of all state. */
  readonly home: string
  readonly port: number
  readonly routerPort: number
  readonly appDomain: string
  /** Undefined: the embedded server. */
  readonly natsUrl: string | undefined
  /** Undefined: `oci` where it can be, else `process`. */
  readonly driver: 'oci' | 'process' | undefined
  readonly sample: boolean
  /** Router shard processes on this host: one a core, and two at least, so that one may die. */
  readonly routerShards: number
  /** Where programs are looked for. */
  readonly searchPath: string
  /** What build sandboxes inherit so that the npm client in them reaches what this machine reaches. */
  readonly buildEnv: Readonly<Record<string, string>>
}

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

/** What an npm client needs from its surroundings: where packages are and whom to trust. */
const buildEnvNames = [
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

/** Later issues bring these; until then a silent half-meaning would be worse than a refusal. */
const notYet = ['MANIFOLD_JOIN', 'MANIFOLD_ROLES', 'MANIFOLD_ROUTER_TLS_PORT', 'MANIFOLD_LOGPLEX_PORT']

/** @throws SettingsError with one line for the user */
export const loadSettings = (env: Environment = process.env): Settings => {
  for (const name of notYet) {
    const value = text(env, name)
    if (value !== undefined) refuse(name, value, 'it unset: this version runs one host with all roles')
  }
  const homeText = text(env, 'MANIFOLD_HOME') ?? join(text(env, 'HOME') ?? homedir(), '.manifold')
  if (!isAbsolute(homeText) && homeText.startsWith('~')) refuse('MANIFOLD_HOME', homeText, 'a path without ~')
  const ports = {
    port: port(env, 'MANIFOLD_PORT', 5000),
    routerPort: port(env, 'MANIFOLD_ROUTER_PORT', 8080),
  }
  if (ports.port === ports.routerPort)
    refuse('MANIFOLD_ROUTER_PORT', String(ports.routerPort), 'a port other than MANIFOLD_PORT')
  const appDomain = text(env, 'MANIFOLD_APP_DOMAIN') ?? 'localhost'
  if (!domainPattern.test(appDomain)) refuse('MANIFOLD_APP_DOMAIN', appDomain, 'a lower-case domain name')
  const natsUrl = text(env, 'MANIFOLD_NATS_URL')
  if (natsUrl !== undefined && !/^(nats|tls):\/\/\S+$/.test(natsUrl))
    refuse('MANIFOLD_NATS_URL', natsUrl, 'nats://host:port or tls://host:port')
  const driver = text(env, 'MANIFOLD_DRIVER')
  if (driver !== undefined && driver !== 'oci' && driver !== 'process')
    return refuse('MANIFOLD_DRIVER', driver, 'oci or process')
  const sample = text(env, 'MANIFOLD_SAMPLE') ?? '1'
  if (sample !== '0' && sample !== '1') refuse('MANIFOLD_SAMPLE', sample, '0 or 1')
  const buildEnv = Object.fromEntries(buildEnvNames.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
  return {
    home: resolve(homeText),
    ...ports,
    appDomain,
    natsUrl,
    driver,
    sample: sample === '1',
    routerShards: Math.max(2, Math.min(8, availableParallelism())),
    searchPath: env['PATH'] ?? '',
    buildEnv,
  }
}
