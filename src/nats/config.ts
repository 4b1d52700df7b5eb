/**
 * The text of nats.conf for an embedded server: a pure function of what is decided elsewhere.
 *
 * Acknowledged means on disk (`sync_interval: always`; without it acks precede fsync by up to two minutes).
 * It knows no anonymous user, and drops a silent client after `pingIntervalMs` x (`pingMax` + 1): stopped
 * hosts must not look alive for minutes.
 */
import assert from 'node:assert/strict'
import {
  eventRoot,
  permissionsOf,
  permissionsOfUser,
  type ApiUser,
  type Grants,
  type HostUser,
} from './permissions.ts'

/** A user of the bus and its password. */
export type Login = { readonly user: string; readonly password: string }
/**
 * Logins that are no host's: the platform's own (may all; only on a server that nobody else uses), the
 * operator's tools, and the server's own events and administration.
 */
export type Logins = { readonly platform: Login; readonly operator: Login; readonly system: Login }

/** PEM files. */
export type TlsFiles = { readonly certificate: string; readonly key: string; readonly ca: string }

/**
 * Who may use the server.
 * - `platform`: the platform's login and the operator's: one host alone, benches, tests.
 * - `hosts`: each host by its key, with what it is granted, and the operator.
 * - `closed`: this login alone, whatever it asks: the server is being filled or emptied.
 */
export type Access =
  | { readonly kind: 'platform' }
  | {
      readonly kind: 'hosts'
      readonly hosts: readonly HostUser[]
      readonly grants: Grants
      /** Who may ask the API; left out: nobody but hosts and the operator. */
      readonly users?: readonly ApiUser[]
    }
  | { readonly kind: 'closed'; readonly login: Login }

/** A server as one of several. */
export type ClusterConf = {
  readonly name: string
  /** Where it listens for the other servers. */
  readonly listen: { readonly host: string; readonly port: number }
  /** `address:port` of the servers, its own may be among them; at least one that is not. */
  readonly routes: readonly string[]
  /** Only the servers know it. */
  readonly login: Login
  /** Left out only where nobody else can reach the routes: tests on the loopback address. */
  readonly tls?: TlsFiles | undefined
}

export type NatsConf = {
  /** Name of this server, unique in a cluster. */
  readonly name: string
  readonly storeDir: string
  readonly logFile: string
  readonly pidFile: string
  readonly logins: Logins
  /** What the operator may ask, as subjects; answers come to `_INBOX.>`. It hears all events besides. */
  readonly operatorSubjects: readonly string[]
  readonly access: Access
  /**
   * Clients from other machines use it; those on the loopback address may do without. A key proves itself by
   * signing, so no secret ever crosses a plain connection but the operator's and the system's password, which
   * are for this machine's own use.
   */
  readonly tls?: TlsFiles | undefined
  readonly cluster?: ClusterConf | undefined
}

/** Largest message in bytes. The server itself warns beyond 8 MB. */
export const payloadBytesMax = 8 * 1024 * 1024
/** The account that hosts are in: events of the system account are named by it. */
export const accountName = 'MANIFOLD'
/** What the server holds for a client that reads too slowly before it cuts it. */
const pendingBytesMax = 8 * payloadBytesMax
const logBytesMax = 8 * 1024 * 1024
const logFilesMax = 4
const pingIntervalMs = 1_000
const pingMax = 2

/**
 * @returns the whole of nats.conf; port and address are given on the command line, where a running server
 * shows them
 */
export const natsConf = (conf: NatsConf): string => `# Written by manifold at each start; edits are lost.
server_name: ${quote(conf.name)}
pid_file: ${quote(conf.pidFile)}
log_file: ${quote(conf.logFile)}
log_size_limit: ${logBytesMax}
log_max_num: ${logFilesMax}
max_payload: ${payloadBytesMax}
max_pending: ${pendingBytesMax}
ping_interval: "${pingIntervalMs}ms"
ping_max: ${pingMax}
write_deadline: "10s"
lame_duck_duration: "30s"
jetstream {
  store_dir: ${quote(conf.storeDir)}
  sync_interval: always
  max_memory_store: ${256 * 1024 * 1024}
}
accounts {
  ${accountName} {
    jetstream: enabled
    users: [
${usersOf(conf).join('\n')}
    ]
  }
  SYS {
    users: [{ ${loginText(conf.logins.system)} }]
  }
}
system_account: SYS
${tlsBlock(conf.tls)}${clusterText(conf.cluster)}`

const tlsBlock = (tls: TlsFiles | undefined): string =>
  tls === undefined ? '' : `tls {\n${tlsText(tls)}\n}\nallow_non_tls: true\n`

const usersOf = ({ access, logins, operatorSubjects }: NatsConf): readonly string[] => {
  if (access.kind === 'closed') return [`      { ${loginText(access.login)} }`]
  const operator = permitted(loginText(logins.operator), operatorSubjects, ['_INBOX.>', `${eventRoot}.>`])
  if (access.kind === 'platform') return [`      { ${loginText(logins.platform)} }`, operator]
  const hosts = access.hosts.map((host) => {
    const { publish, subscribe } = permissionsOf(host, access.grants)
    return permitted(`nkey: ${quote(host.nkey)}`, publish, subscribe)
  })
  const users = (access.users ?? []).map((user) => {
    const { publish, subscribe } = permissionsOfUser(user)
    return permitted(`nkey: ${quote(user.nkey)}`, publish, subscribe)
  })
  return [...hosts, ...users, operator]
}

const permitted = (who: string, publish: readonly string[], subscribe: readonly string[]): string =>
  `      { ${who}
        permissions {
          publish { allow: ${listText(publish)} }
          subscribe { allow: ${listText(subscribe)} }
        } }`

const clusterText = (cluster: ClusterConf | undefined): string => {
  if (cluster === undefined) return ''
  const { user, password } = cluster.login
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
  return `cluster {
  name: ${quote(cluster.name)}
  listen: ${quote(`${cluster.listen.host}:${cluster.listen.port}`)}
  no_advertise: true
  authorization { ${loginText(cluster.login)} }
  routes: ${listText(cluster.routes.map((route) => `nats://${login}@${route}`))}
${cluster.tls === undefined ? '' : `  tls {\n${tlsText(cluster.tls)}\n    verify: true\n  }\n`}}
`
}

const tlsText = ({ certificate, key, ca }: TlsFiles): string =>
  `    cert_file: ${quote(certificate)}\n    key_file: ${quote(key)}\n    ca_file: ${quote(ca)}`

const loginText = ({ user, password }: Login): string => `user: ${quote(user)}, password: ${quote(password)}`

const listText = (texts: readonly string[]): string => `[${texts.map(quote).join(', ')}]`

/** A quoted string of the configuration language, which has no escape for control characters. */
const quote = (text: string): string => {
  assert(!/[\u0000-\u001f\u007f]/.test(text), 'nats.conf cannot hold control characters')
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
