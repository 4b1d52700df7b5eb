/**
 * One connection to the bus: it reconnects for ever, notices a silent server, and says when it is up or down.
 *
 * The client drops what is published while it is down without a word, so everything above asks `connected()`
 * first and does not publish then. Each host has its own inbox prefix, so that users of the bus cannot read
 * its answers.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { connect as dial, DebugEvents, Events, NatsError, type NatsConnection } from 'nats'
import { toToken } from './names.ts'

export type ConnectOptions = {
  /** `nats://[user:password@]host:port`, several for a cluster. */
  readonly urls: readonly string[]
  readonly user?: string
  readonly password?: string
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
  const listeners = new Set<(event: ConnectionEvent) => void>()
  let up = true
  const tell = (event: ConnectionEvent): void => {
    for (const listener of listeners) guarded(() => listener(event))
  }
  void watch(client, (event) => {
    if ((event === 'up' && up) || (event === 'down' && !up)) return
    if (event !== 'leaving') up = event === 'up'
    tell(event)
  })
  return {
    client,
    host: options.host,
    inbox,
    payloadBytesMax: client.info?.max_payload ?? 1_048_576,
    connected: () => up && !client.isClosed(),
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
  const login = loginOf(options)
  for (;;) {
    try {
      return await dial({
        servers: options.urls.map((url) => new URL(url).host),
        ...login,
        name: options.host,
        inboxPrefix: inbox,
        timeout: dialMsMax,
        pingInterval: options.pingMs ?? pingMsDefault,
        maxPingOut: pingsOutMax,
        reconnect: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: reconnectMs,
        reconnectJitter: reconnectMs,
        // Refused twice is refused for ever by default: a server that restarts with other users would lose
        // us.
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
      })
    } catch (error) {
      if (error instanceof NatsError && error.isAuthError()) {
        throw new ConnectFailed('nats_refused', `the bus refused ${login.user ?? 'us'}`, { cause: error })
      }
      if (performance.now() > deadline) {
        throw new ConnectFailed(
          'nats_unreachable',
          `no bus at ${options.urls.map((url) => new URL(url).host).join(', ')}`,
          { cause: error },
        )
      }
      await pause(reconnectMs)
    }
  }
}

/** The client reads no user from a URL. */
const loginOf = ({ urls, user, password }: ConnectOptions): { user?: string; pass?: string } => {
  if (user !== undefined) return { user, pass: password ?? '' }
  const [first] = urls
  const url = new URL(first ?? '')
  if (url.username === '') return {}
  return { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
}

const watch = async (client: NatsConnection, tell: (event: ConnectionEvent) => void): Promise<void> => {
  // The client's own status ends with no word when it closes.
  void client.closed().then(() => {
    tell('down')
    tell('closed')
  })
  for await (const { type } of client.status()) {
    if (type === Events.Disconnect || type === DebugEvents.StaleConnection) tell('down')
    else if (type === Events.Reconnect) tell('up')
    else if (type === Events.LDM) tell('leaving')
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
