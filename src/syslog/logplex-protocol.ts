/** Logplex over HTTP: its frames with its headers, and what its receivers' answers mean. Pure. */
import { logplexFrames } from './frame.ts'
import type { HttpAnswer, HttpProtocol } from './http-link.ts'
import type { Frame, Outcome } from './link.ts'

/** `Logplex/<version>` is what receivers know. */
const userAgent = 'Logplex/manifold'

const tooManyRequests = 429
const requestTimeout = 408
const unavailable = 503

export const logplexProtocol: HttpProtocol = {
  request: async (messages, frame, authorization) => ({
    headers: headersOf(messages.length, frame, authorization),
    body: logplexFrames(messages),
  }),
  outcome: (answer) => outcomeOf(answer),
}

/** In Logplex's order. */
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

const outcomeOf = ({ status, retryAfterMs }: HttpAnswer): Outcome => {
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  const reason = `the receiver answered ${status}`
  const mayChange = status === tooManyRequests || status === requestTimeout
  if (status >= 400 && status < 500 && !mayChange) return { kind: 'refused', status, reason }
  const waits = status === tooManyRequests || status === unavailable
  return {
    kind: 'failed',
    reason,
    connected: true,
    ...(waits && retryAfterMs !== undefined && { retryAfterMs }),
  }
}
