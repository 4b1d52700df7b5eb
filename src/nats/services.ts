/**
 * NATS micro services (ADR-32): endpoints that `nats micro ls` finds, each with a bound on what it does at
 * once.
 *
 * Own code because the client library's service measures only the synchronous part of a handler and bounds
 * nothing.
 */
import { headers as newHeaders, Match, nuid, type Msg, type MsgHdrs, type Subscription } from 'nats'
import { setTimeout as pause } from 'node:timers/promises'
import type { Connection } from './connection.ts'
import { requestsOf, type Headers } from './requests.ts'

export type Request = {
  readonly subject: string
  readonly bytes: Uint8Array
  /** A header, whatever the case of its name. */
  readonly header: (name: string) => string | undefined
}
export type Reply = { readonly bytes: Uint8Array; readonly headers?: Headers }
export type Endpoint = {
  /** Letters, digits, `-` and `_`. */
  readonly name: string
  readonly subject: string
  /**
   * Throws `ServiceError` to refuse; anything else it throws is a fault and answered 500 without its text.
   */
  readonly handler: (request: Request) => Promise<Reply>
  /**
   * What the reply subjects of a request must begin with: an answer leaves with the service's own rights, so
   * who asks must not choose where it goes. What asks otherwise is passed over.
   */
  readonly repliesUnder?: (subject: string) => string
  readonly metadata?: Readonly<Record<string, string>>
}
export type ServiceOptions = {
  /** Letters, digits, `-` and `_`. */
  readonly name: string
  /** Semantic version. */
  readonly version: string
  readonly description: string
  readonly endpoints: readonly Endpoint[]
  /** One of the services with the same queue group gets each request. */
  readonly queue?: string
  /** Requests one endpoint works on at once, and how many may wait; more are answered 503. */
  readonly concurrencyMax?: number
  readonly waitingMax?: number
  /** What the reply subjects of those who look it up must begin with; left out: anything. */
  readonly shownUnder?: readonly string[]
  /** A handler threw something that is no `ServiceError`. */
  readonly onFault: (endpoint: string, error: unknown) => void
}
export type Service = {
  readonly id: string
  /** Takes no more, and waits for what is under way. */
  readonly stop: (withinMs?: number) => Promise<void>
}

/** A service's refusal: an HTTP-like code, a line for people, and a body for programs. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: number
  readonly bytes: Uint8Array
  constructor(code: number, description: string, bytes: Uint8Array = nothing, options?: ErrorOptions) {
    super(description, options)
    this.code = code
    this.bytes = bytes
  }
}

const nothing = new Uint8Array(0)
const errorHeader = 'Nats-Service-Error'
const errorCodeHeader = 'Nats-Service-Error-Code'
const concurrencyMaxDefault = 64
const waitingMaxDefault = 512
/** Of a message, for its headers. */
const headerRoomBytes = 16 * 1024
const stopMsDefault = 5_000
const stopPollMs = 10
/** Of those who look it up; what it shows is long. */
const shownPerSecondMax = 50

/** Serves until stopped. Resolves when the server knows all subjects. */
export const serve = async (connection: Connection, options: ServiceOptions): Promise<Service> => {
  const { client } = connection
  const id = nuid.next()
  const started = new Date().toISOString()
  const endpoints = options.endpoints.map((endpoint) => openEndpoint(connection, endpoint, options))
  const identity = { name: options.name, id, version: options.version, metadata: {} }
  const info = JSON.stringify({
    type: 'io.nats.micro.v1.info_response',
    ...identity,
    description: options.description,
    endpoints: endpoints.map((endpoint) => endpoint.info),
  })
  const answers = {
    PING: () => JSON.stringify({ type: 'io.nats.micro.v1.ping_response', ...identity }),
    INFO: () => info,
    STATS: () =>
      JSON.stringify({
        type: 'io.nats.micro.v1.stats_response',
        ...identity,
        started,
        endpoints: endpoints.map(({ stats }) => stats()),
      }),
  }
  const control: Subscription[] = []
  const shown = { second: 0, count: 0 }
  const isShown = ({ reply }: Msg): boolean => {
    const second = Math.floor(performance.now() / 1_000)
    if (shown.second !== second) Object.assign(shown, { second, count: 0 })
    shown.count += 1
    if (shown.count > shownPerSecondMax) return false
    return options.shownUnder?.some((root) => reply?.startsWith(root)) ?? true
  }
  const respond = (message: Msg, text: string): void => {
    // Closing takes a moment in which requests still come.
    if (!client.isClosed() && !client.isDraining()) message.respond(text)
  }
  for (const [verb, answer] of Object.entries(answers)) {
    for (const subject of [
      `$SRV.${verb}`,
      `$SRV.${verb}.${options.name}`,
      `$SRV.${verb}.${options.name}.${id}`,
    ]) {
      const callback = (_: unknown, message: Msg): void => {
        if (isShown(message)) respond(message, answer())
      }
      control.push(client.subscribe(subject, { callback }))
    }
  }
  await client.flush()
  return {
    id,
    async stop(withinMs = stopMsDefault) {
      if (client.isClosed()) return
      for (const subscription of control) subscription.unsubscribe()
      await Promise.all(endpoints.map(({ subscription }) => subscription.drain()))
      const deadline = performance.now() + withinMs
      while (endpoints.some(({ busy }) => busy()) && performance.now() < deadline) await pause(stopPollMs)
    },
  }
}

const openEndpoint = (connection: Connection, endpoint: Endpoint, options: ServiceOptions) => {
  const { concurrencyMax = concurrencyMaxDefault, waitingMax = waitingMaxDefault, queue = 'q' } = options
  const answerBytesMax = connection.payloadBytesMax - headerRoomBytes
  const waiting: Msg[] = []
  let working = 0
  let requests = 0
  let errors = 0
  let lastError = ''
  let busyMs = 0

  const respond = (message: Msg, bytes: Uint8Array, headers: MsgHdrs | undefined): void => {
    try {
      message.respond(bytes, headers === undefined ? {} : { headers })
    } catch (error) {
      // The connection went while the handler worked: there is nobody left to answer.
      options.onFault(endpoint.name, error)
    }
  }
  const refuse = (message: Msg, error: ServiceError): void => {
    errors += 1
    lastError = `${error.code}: ${error.message}`
    const set = newHeaders()
    set.append(errorHeader, oneLine(error.message))
    set.append(errorCodeHeader, String(error.code))
    respond(message, error.bytes, set)
  }
  const work = async (message: Msg): Promise<void> => {
    const startedMs = performance.now()
    try {
      const { bytes, headers } = await endpoint.handler(requestOf(message))
      if (bytes.length > answerBytesMax) throw new ServiceError(500, 'the answer is too large')
      respond(message, bytes, headers === undefined ? undefined : headersOf(headers))
    } catch (error) {
      if (!(error instanceof ServiceError)) options.onFault(endpoint.name, error)
      refuse(message, error instanceof ServiceError ? error : new ServiceError(500, 'internal error'))
    }
    busyMs += performance.now() - startedMs
  }
  const take = async (first: Msg): Promise<void> => {
    working += 1
    for (let message: Msg | undefined = first; message !== undefined; message = waiting.shift()) {
      await work(message)
    }
    working -= 1
  }
  const subscription = connection.client.subscribe(endpoint.subject, {
    queue,
    callback(error, message) {
      if (error !== null) return
      requests += 1
      const under = endpoint.repliesUnder?.(message.subject)
      if (under !== undefined && message.reply?.startsWith(under) !== true) {
        errors += 1
        lastError = "a reply subject that is not the asker's"
        return
      }
      if (working < concurrencyMax) void take(message)
      else if (waiting.length < waitingMax) waiting.push(message)
      else refuse(message, new ServiceError(503, 'too many requests are waiting'))
    },
  })
  const info = {
    name: endpoint.name,
    subject: endpoint.subject,
    queue_group: queue,
    metadata: endpoint.metadata ?? {},
  }
  return {
    subscription,
    info,
    busy: () => working > 0,
    stats: () => ({
      ...info,
      num_requests: requests,
      num_errors: errors,
      last_error: lastError,
      processing_time: Math.round(busyMs * 1e6),
      average_processing_time: requests === 0 ? 0 : Math.round((busyMs * 1e6) / requests),
      data: { working, waiting: waiting.length },
    }),
  }
}

/**
 * Asks a service.
 * @throws ServiceError what it refused with; RequestFailed `no_responders` when there is none, `timeout` and
 *   the like when nobody knows
 */
export const request = async (
  connection: Connection,
  subject: string,
  bytes: Uint8Array,
  { headers, timeoutMs }: { readonly headers?: Headers; readonly timeoutMs: number },
): Promise<{ readonly bytes: Uint8Array; readonly header: (name: string) => string | undefined }> => {
  const answer = await requestsOf(connection).ask(subject, bytes, timeoutMs, headers)
  const code = answer.header(errorCodeHeader)
  if (code === undefined) return answer
  throw new ServiceError(Number(code), answer.header(errorHeader) ?? '', answer.bytes)
}

const requestOf = (message: Msg): Request => ({
  subject: message.subject,
  bytes: message.data,
  header: (name) => message.headers?.get(name, Match.IgnoreCase) || undefined,
})

const headersOf = (headers: Headers) => {
  const set = newHeaders()
  for (const [name, value] of Object.entries(headers)) set.append(name, oneLine(value))
  return set
}

/** A header is one line. */
const oneLine = (text: string): string => text.replaceAll(/[\r\n]+/g, ' ')
