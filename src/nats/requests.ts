/**
 * Requests over one inbox subscription, with failures that tell "it was not done" from "nobody knows".
 *
 * The client's own requests wait out their time-out when the connection breaks; here the break itself ends
 * them, and what is asked while there is no connection is refused without being sent.
 */
import { createInbox, headers as newHeaders, type Msg } from 'nats'
import type { Connection } from './connection.ts'

/**
 * - `not_sent`: no connection, too large, or too many in flight: it never left. Nothing was done.
 * - `no_responders`: the server knew nobody to give it to. Nothing was done.
 * - `timeout`, `broken`: it may or may not have been done.
 */
export type RequestFailure = 'not_sent' | 'no_responders' | 'timeout' | 'broken'
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  readonly code: RequestFailure
  constructor(code: RequestFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
  /** True when it is certain that nothing was done. */
  get undone(): boolean {
    return this.code === 'not_sent' || this.code === 'no_responders'
  }
}

export type Headers = Readonly<Record<string, string>>
export type Answer = {
  readonly bytes: Uint8Array
  readonly header: (name: string) => string | undefined
  /** What the server says in place of an answer, HTTP-like; 0: it is one. */
  readonly status: number
}
export type Requests = {
  /** @throws RequestFailed */
  readonly ask: (subject: string, bytes: Uint8Array, timeoutMs: number, headers?: Headers) => Promise<Answer>
}

const inFlightMax = 65_536
const statusNoResponders = 503

type Waiting = {
  readonly subject: string
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: RequestFailed) => void
  readonly timer: NodeJS.Timeout
}

const opened = new WeakMap<Connection, Requests>()

/**
 * The requests of a connection: one inbox subscription, made when first asked for, gone with the connection.
 */
export const requestsOf = (connection: Connection): Requests => {
  const known = opened.get(connection)
  if (known !== undefined) return known
  const fresh = openRequests(connection)
  opened.set(connection, fresh)
  return fresh
}

const openRequests = (connection: Connection): Requests => {
  const { client } = connection
  const root = `${createInbox(connection.inbox)}.`
  const waiting = new Map<string, Waiting>()
  let count = 0

  const end = (token: string): Waiting | undefined => {
    const one = waiting.get(token)
    if (one === undefined) return undefined
    waiting.delete(token)
    clearTimeout(one.timer)
    return one
  }
  const failAll = (code: RequestFailure, why: string): void => {
    for (const [token, { subject }] of waiting)
      end(token)?.reject(new RequestFailed(code, `${subject}: ${why}`))
  }
  client.subscribe(`${root}*`, {
    callback(error, message) {
      if (error !== null) return failAll('broken', error.message)
      const one = end(message.subject.slice(root.length))
      if (one === undefined) return
      if (isNoResponders(message))
        one.reject(new RequestFailed('no_responders', `${one.subject}: nobody listens`))
      else one.resolve(answerOf(message))
    },
  })
  connection.onEvent((event) => {
    if (event === 'down') failAll('broken', 'the connection broke')
  })

  return {
    ask(subject, bytes, timeoutMs, headers) {
      return new Promise((resolve, reject) => {
        const refuse = (why: string, options?: ErrorOptions): void =>
          reject(new RequestFailed('not_sent', `${subject}: ${why}`, options))
        if (!connection.connected()) return refuse('there is no connection')
        if (waiting.size >= inFlightMax) return refuse(`${inFlightMax} requests are in flight`)
        if (bytes.length > connection.payloadBytesMax) return refuse(`${bytes.length} bytes are too many`)
        count += 1
        const token = count.toString(36)
        const timer = setTimeout(() => {
          end(token)?.reject(new RequestFailed('timeout', `${subject}: no answer in ${timeoutMs} ms`))
        }, timeoutMs)
        waiting.set(token, { subject, resolve, reject, timer })
        try {
          client.publish(subject, bytes, publishOptions(root + token, headers))
        } catch (error) {
          end(token)
          refuse('the client did not take it', { cause: error })
        }
      })
    },
  }
}

/** The status message the server sends in place of an answer. */
export const isNoResponders = (message: Msg): boolean =>
  message.data.length === 0 && message.headers?.code === statusNoResponders

const answerOf = (message: Msg): Answer => ({
  bytes: message.data,
  header: (name) => message.headers?.get(name) || undefined,
  status: message.headers?.code ?? 0,
})

const publishOptions = (reply: string, headers: Headers | undefined) => {
  if (headers === undefined) return { reply }
  const set = newHeaders()
  for (const [name, value] of Object.entries(headers)) set.append(name, value)
  return { reply, headers: set }
}
