/**
 * A connection to an HTTP receiver: each batch is one POST, of whatever protocol. A door to undici.
 *
 * Redirects are not followed: a drain sends where its owner said, and nowhere else. An answer is read to its
 * end, within bounds of bytes and time; when it has more, its status counts and the connection ends.
 */
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import { Client } from 'undici'
import { dial } from './dial.ts'
import { failed, type Failure, type Frame, type Link, type LinkDeps, type Outcome } from './link.ts'
import type { LogMessage } from './message.ts'

export type HttpAnswer = {
  readonly status: number
  /** Of `Retry-After`, counted from now. */
  readonly retryAfterMs?: number
  /** Undefined: it did not come whole. */
  readonly body: Buffer | undefined
}

/** How messages are put to a receiver, and what its answer means. */
export type HttpProtocol = {
  /**
   * Headers are name, value, name, value.
   * @param authorization what the receiver's address has of it
   */
  readonly request: (
    messages: readonly LogMessage[],
    frame: Frame,
    authorization: string | undefined,
  ) => Promise<{ readonly headers: readonly string[]; readonly body: Uint8Array }>
  /** @param count of the messages */
  readonly outcome: (answer: HttpAnswer, count: number) => Outcome
}

export const openHttpLink = async (deps: LinkDeps, protocol: HttpProtocol): Promise<Link | Failure> => {
  const socket = await dial(deps, deps.limits.httpConnectMs)
  if ('kind' in socket) return socket
  const { address, clock, limits } = deps
  const { scheme, host, port, target } = address
  let taken = false
  const client = new Client(`${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`, {
    // This connection and no other: the next one is a link of its own.
    connect: (_options, done) => {
      const isThere = !taken && !socket.destroyed
      taken = true
      // Who asks does not expect to be answered at once, and would wait for ever.
      queueMicrotask(() => (isThere ? done(null, socket) : done(closed(), null)))
    },
    allowH2: false,
    pipelining: 1,
    // These bounds are kept here, by the clock that was handed in; a receiver may still wish for less.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: limits.httpIdleMs + 2 * limits.idleJitterMs,
    keepAliveMaxTimeout: limits.httpIdleMs + 2 * limits.idleJitterMs,
  })
  let broken = false
  return {
    get usable() {
      return !broken && socket.writable && !socket.readableEnded
    },
    async send(messages, frame) {
      const giveUp = new AbortController()
      const late = clock.after(limits.requestMs, () => {
        const error = new Error(`no answer within ${limits.requestMs} ms`)
        giveUp.abort(Object.assign(error, { code: 'ETIMEDOUT' }))
      })
      try {
        const { headers, body } = await protocol.request(messages, frame, address.authorization)
        const answer = await client.request({
          method: 'POST',
          path: target,
          headers: [...headers],
          body,
          signal: giveUp.signal,
        })
        const answered = await readAll(answer.body, limits.answerBytesMax)
        broken = answered === undefined
        const retryAfterMs = asWaitMs(answer.headers['retry-after'], deps)
        const { statusCode: status } = answer
        const told = { status, body: answered, ...(retryAfterMs !== undefined && { retryAfterMs }) }
        return protocol.outcome(told, messages.length)
      } catch (error) {
        return failed(error, { connected: true })
      } finally {
        late.cancel()
      }
    },
    async close() {
      const late = clock.after(limits.closeMs, () => void client.destroy())
      await client.close().catch(() => {})
      late.cancel()
      socket.destroy()
    },
    destroy() {
      void client.destroy()
      socket.destroy()
    },
  }
}

const closed = (): Error =>
  Object.assign(new Error('the receiver closed the connection'), { code: 'ECONNRESET' })

/** Undefined when it has more than it may, or did not come. */
const readAll = async (body: Readable, bytesMax: number): Promise<Buffer | undefined> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      // Leaving it destroys the body, and the connection with it.
      if (bytes > bytesMax) return undefined
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch {
    return undefined
  }
}

/** Seconds or an HTTP date; undefined for anything else. */
const asWaitMs = (
  text: string | readonly string[] | undefined,
  { clock, limits }: LinkDeps,
): number | undefined => {
  if (typeof text !== 'string') return undefined
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - clock.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), limits.retryAfterMsMax)
}
