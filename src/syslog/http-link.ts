/**
 * A connection to an HTTP receiver: each batch is one POST in Logplex's dialect, with its headers. A door to
 * undici.
 *
 * Redirects are not followed: a drain sends where its owner said, and nowhere else. An answer is read to its
 * end, within bounds of bytes and time; when it has more, its status counts and the connection ends.
 */
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import { Client } from 'undici'
import { dial } from './dial.ts'
import { logplexFrames } from './frame.ts'
import { failed, type Failure, type Frame, type Link, type LinkDeps, type Outcome } from './link.ts'

/** `Logplex/<version>` is what receivers know. */
const userAgent = 'Logplex/manifold'

export const openHttpLink = async (deps: LinkDeps): Promise<Link | Failure> => {
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
      const body = logplexFrames(messages)
      const giveUp = new AbortController()
      const late = clock.after(limits.requestMs, () => {
        const error = new Error(`no answer within ${limits.requestMs} ms`)
        giveUp.abort(Object.assign(error, { code: 'ETIMEDOUT' }))
      })
      try {
        const answer = await client.request({
          method: 'POST',
          path: target,
          headers: headersOf(messages.length, frame, address.authorization),
          body,
          signal: giveUp.signal,
        })
        broken = !(await readAll(answer.body, limits.answerBytesMax))
        return outcomeOf(answer.statusCode, answer.headers['retry-after'], deps)
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

/** In Logplex's order: name, value, name, value. */
const headersOf = (count: number, { id, token }: Frame, authorization: string | undefined): string[] => {
  const headers: readonly (readonly [string, string])[] = [
    ['Content-Type', 'application/logplex-1'],
    ['Logplex-Msg-Count', String(count)],
    ['Logplex-Frame-Id', id],
    ['Logplex-Drain-Token', token],
    ['User-Agent', userAgent],
  ]
  return [...(authorization === undefined ? [] : ['Authorization', authorization]), ...headers.flat()]
}

/** Whether that was all of it: false when it has more than it may, or did not come. */
const readAll = async (body: Readable, bytesMax: number): Promise<boolean> => {
  let bytes = 0
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      // Leaving it destroys the body, and the connection with it.
      if (bytes > bytesMax) return false
    }
    return true
  } catch {
    return false
  }
}

const tooManyRequests = 429
const requestTimeout = 408
const unavailable = 503

const outcomeOf = (status: number, retryAfter: string | string[] | undefined, deps: LinkDeps): Outcome => {
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  const mayChange = status === tooManyRequests || status === requestTimeout
  if (status >= 400 && status < 500 && !mayChange) return { kind: 'refused', status }
  const waits = status === tooManyRequests || status === unavailable
  const retryAfterMs = waits && typeof retryAfter === 'string' ? asWaitMs(retryAfter, deps) : undefined
  const reason = `the receiver answered ${status}`
  return { kind: 'failed', reason, connected: true, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

/** Seconds or an HTTP date; undefined for anything else. */
const asWaitMs = (text: string, { clock, limits }: LinkDeps): number | undefined => {
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - clock.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), limits.retryAfterMsMax)
}
