/**
 * One connection to the bus: it reconnects for ever, notices a silent server, and says when it is up or down.
 *
 * The client drops what is published while it is down without a word, so everything above asks `connected()`
 * first and does not publish then. Each host has its own inbox prefix, so that users of the bus cannot read
 * its answers.
 */
import { setTimeout as pause } from 'node:timers/promises'
import {
  connect as dial,
  DebugEvents,
  Events,
  nkeyAuthenticator,
  NatsError,
  type NatsConnection,
  type ConnectionOptions as DialOptions,
} from 'nats'
import { toToken } from './names.ts'
import { hostAndPort, listServers, tlsFor } from './servers.ts'

export type ConnectOptions = {
  /**
   * `nats://[user:password@]host:port`, several for a cluster, the nearest first. TLS where it leaves this
   * machine and `ca` is given; `tls://…`: always.
   */
  readonly urls: readonly string[]
  /**
   * A host's key (nkeys.ts). Refused at first, it tries on: the servers may be about to learn of this host.
   */
  readonly nkeySeed?: string
  readonly user?: string
  readonly password?: string
  /** PEM of the authority that the servers' certificates must be of. */
  readonly ca?: string
  /** Shown by the server's monitoring, and the name of the inbox: one a host. */
  readonly host: string
  /** How long the first connection may take, in all. */
  readonly connectMsMax?: number
  /** A silent server is noticed after about `pingMs` x 2.5. */
  readonly pingMs?: number
}

export type ConnectionEvent = 'up' | 'down' | 'closed' | 'leaving'
export type Connection = {
  /** The client itself: for the files beside this one only. */
  readonly client: NatsConnection
  readonly host: string
  /** Subject prefix of this host's inboxes. */
  readonly inbox: string
  /** Largest message the server takes, in bytes. */
  readonly payloadBytesMax: number
  readonly connected: () => boolean
  /** Name of the server it is, or was last, connected to. */
  readonly serverName: () => string
  /** Servers that the one it is on says there are, `host:port`; none when it is alone. */
  readonly announced: () => readonly string[]
  /** Of that server this start: another after each restart. */
  readonly serverLife: () => string
  /** Which servers it may use from now on; what is connected stays until it breaks. */
  readonly setUrls: (urls: readonly string[]) => void
  /** Leaves the server that it is on for the first of the list that it can reach. */
  readonly goHome: () => Promise<void>
  /** Calls back with each permission the server has refused: what was sent went nowhere, without a word. */
  readonly onRefused: (refused: (what: string) => void) => void
  /** `down` and `up` come in turns; `leaving`: the server will stop soon; `closed` comes last, once. */
  readonly onEvent: (happened: (event: ConnectionEvent) => void) => { readonly close: () => void }
  /**
   * Sends what is queued, waits for the handlers of what has come, and closes; at the latest after
   * `withinMs`.
   */
  readonly close: (withinMs?: number) => Promise<void>
}

/** The first connection could not be made. */
export class ConnectFailed extends Error {
  override readonly name = 'ConnectFailed'
  readonly code: 'nats_unreachable' | 'nats_refused'
  constructor(code: 'nats_unreachable' | 'nats_refused', message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const connectMsMaxDefault = 10_000
const dialMsMax = 2_000
const pingMsDefault = 500
const pingsOutMax = 2
const reconnectMs = 100
const closeMsDefault = 2_000

/** @throws ConnectFailed */
export const connect = async (options: ConnectOptions): Promise<Connection> => {
  const inbox = `_HOST.${toToken(options.host)}`
  const client = await dialUntil(options, inbox)
  const list = listServers(client, options.urls, options.ca)
  let { urls } = options
  const setUrls = (next: readonly string[]): void => {
    urls = next
    list(next)
  }
  const listeners = new Set<(event: ConnectionEvent) => void>()
  let up = true
  let server = client.info?.server_name ?? ''
  let refused: ((what: string) => void) | undefined
  const tell = (event: ConnectionEvent): void => {
    for (const listener of listeners) guarded(() => listener(event))
  }
  const onStatus = (event: ConnectionEvent): void => {
    if ((event === 'up' && up) || (event === 'down' && !up)) return
    if (event !== 'leaving') up = event === 'up'
    server = client.info?.server_name ?? server
    tell(event)
  }
  void watch(client, onStatus, (what) => guarded(() => refused?.(what)))
  return {
    client,
    host: options.host,
    inbox,
    payloadBytesMax: client.info?.max_payload ?? 1_048_576,
    connected: () => up && !client.isClosed(),
    serverName: () => server,
    announced: () => client.info?.connect_urls ?? [],
    serverLife: () => client.info?.server_id ?? '',
    setUrls,
    goHome: async () => {
      if (client.isClosed() || !up) return
      // The library goes on after the one it has: the list is set again so that the first comes first.
      setUrls(urls)
      await client.reconnect()
    },
    onRefused(listener) {
      refused = listener
    },
    onEvent(happened) {
      listeners.add(happened)
      return { close: () => listeners.delete(happened) }
    },
    async close(withinMs = closeMsDefault) {
      if (!client.isClosed()) {
        // A drain waits for the server's answer, which may never come.
        const late = new AbortController()
        const drained = up && !client.isDraining() ? client.drain() : client.closed()
        await Promise.race([drained, up ? pause(withinMs, undefined, { signal: late.signal }) : undefined])
        late.abort()
        await client.close()
      }
    },
  }
}

const dialUntil = async (options: ConnectOptions, inbox: string): Promise<NatsConnection> => {
  const deadline = performance.now() + (options.connectMsMax ?? connectMsMaxDefault)
  /** A server that says no tells more than others that are not there. */
  let refusal: NatsError | undefined
  for (let tries = 0; ; tries += 1) {
    const url = options.urls[tries % options.urls.length] ?? ''
    try {
      return await dial(dialOptions(options, url, inbox))
    } catch (error) {
      if (error instanceof NatsError && error.isAuthError()) refusal = error
      const late = performance.now() > deadline
      if (refusal !== undefined && (late || options.nkeySeed === undefined)) {
        const who = options.nkeySeed === undefined ? (loginOf(options).user ?? 'us') : options.host
        throw new ConnectFailed('nats_refused', `the bus refused ${who}`, { cause: refusal })
      }
      if (late) {
        const where = options.urls.map(hostAndPort).join(', ')
        throw new ConnectFailed('nats_unreachable', `no bus at ${where}`, { cause: error })
      }
      if ((tries + 1) % options.urls.length === 0) await pause(reconnectMs)
    }
  }
}

const dialOptions = (options: ConnectOptions, url: string, inbox: string): DialOptions => {
  const tls = tlsFor(url, options.ca)
  return {
    servers: [hostAndPort(url)],
    ...loginOf(options),
    ...(tls === undefined ? {} : { tls }),
    name: options.host,
    inboxPrefix: inbox,
    timeout: dialMsMax,
    pingInterval: options.pingMs ?? pingMsDefault,
    maxPingOut: pingsOutMax,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectMs,
    reconnectJitter: reconnectMs,
    reconnectJitterTLS: reconnectMs,
    // The composition says which servers there are.
    ignoreClusterUpdates: true,
    // Refused twice is refused for ever by default: a server that restarts with other users would lose us.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  }
}

/** The client reads no user from a URL. */
const loginOf = ({ urls, nkeySeed, user, password }: ConnectOptions): Partial<DialOptions> => {
  if (nkeySeed !== undefined) return { authenticator: nkeyAuthenticator(Buffer.from(nkeySeed, 'latin1')) }
  if (user !== undefined) return { user, pass: password ?? '' }
  const [first] = urls
  const url = new URL(first ?? '')
  if (url.username === '') return {}
  return { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
}

const watch = async (
  client: NatsConnection,
  tell: (event: ConnectionEvent) => void,
  refused: (what: string) => void,
): Promise<void> => {
  // The client's own status ends with no word when it closes.
  void client.closed().then(() => {
    tell('down')
    tell('closed')
  })
  for await (const { type, permissionContext } of client.status()) {
    if (type === Events.Disconnect || type === DebugEvents.StaleConnection) tell('down')
    else if (type === Events.Reconnect) tell('up')
    else if (type === Events.LDM) tell('leaving')
    else if (type === Events.Error && permissionContext !== undefined) {
      refused(`${permissionContext.operation} ${permissionContext.subject}`)
    }
  }
}

/**
 * Runs what a subscription calls back. The client's reader would die of an exception without a word and the
 * connection with it: a bug ends the process instead, where everybody sees it.
 */
export const guarded = (run: () => void): void => {
  try {
    run()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
