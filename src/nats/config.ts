/**
 * The text of nats.conf for the embedded server: a pure function of what is decided elsewhere.
 *
 * Acknowledged means on disk (`sync_interval: always`; without it acks precede fsync by up to two minutes).
 * It listens on the loopback address only, knows no anonymous user, and drops a silent client after
 * `pingIntervalMs` x (`pingMax` + 1): stopped hosts must not look alive for minutes.
 */
import assert from 'node:assert/strict'

/** A user of the bus and its password. */
export type Login = { readonly user: string; readonly password: string }
/** Who may use the bus: the platform's own processes, the operator's tools, and the server's own events. */
export type Logins = { readonly platform: Login; readonly operator: Login; readonly system: Login }

export type NatsConf = {
  /** Name of this server, unique in a cluster. */
  readonly name: string
  readonly storeDir: string
  readonly logFile: string
  readonly pidFile: string
  readonly logins: Logins
  /** What the operator may ask, as subjects; answers come to `_INBOX.>`. */
  readonly operatorSubjects: readonly string[]
}

/** Largest message in bytes. The server itself warns beyond 8 MB. */
export const payloadBytesMax = 8 * 1024 * 1024
/** What the server holds for a client that reads too slowly before it cuts it. */
const pendingBytesMax = 8 * payloadBytesMax
const logBytesMax = 8 * 1024 * 1024
const logFilesMax = 4
const pingIntervalMs = 1_000
const pingMax = 2
const account = 'MANIFOLD'

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
  ${account} {
    jetstream: enabled
    users: [
      { user: ${quote(conf.logins.platform.user)}, password: ${quote(conf.logins.platform.password)} }
      { user: ${quote(conf.logins.operator.user)}, password: ${quote(conf.logins.operator.password)}
        permissions {
          publish { allow: [${conf.operatorSubjects.map(quote).join(', ')}] }
          subscribe { allow: ["_INBOX.>"] }
        } }
    ]
  }
  SYS {
    users: [{ user: ${quote(conf.logins.system.user)}, password: ${quote(conf.logins.system.password)} }]
  }
}
system_account: SYS
`

/** A quoted string of the configuration language, which has no escape for control characters. */
const quote = (text: string): string => {
  assert(!/[\u0000-\u001f\u007f]/.test(text), 'nats.conf cannot hold control characters')
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
