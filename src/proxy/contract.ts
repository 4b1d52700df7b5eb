/**
 * What the proxy is told and what it tells: where a host's requests go, and one record for each request.
 *
 * The proxy knows nothing of how routes come about. It asks `resolve` for every request, so a change
 * counts from the next request on, also on a connection that is already open.
 */

import type { Affinity } from './affinity.ts'

/** One place that answers requests. `epoch` tells two lives of the same id apart. */
export type Upstream = {
  readonly id: string
  readonly address: string
  readonly port: number
  readonly epoch: number
}

/** Forward to one of the targets. */
export type Route = {
  readonly kind: 'route'
  /** Opaque: what load is counted by and the record is labelled with. */
  readonly app: string
  readonly targets: readonly Upstream[]
  /** So many of the targets, the first ones, are nearer than the others: taken unless they are busier. */
  readonly near?: number
  /** Keep connections to the targets open between requests; without it each request has its own. */
  readonly keepAlive?: boolean
  /** Leave `Expect: 100-continue` to the target; without it the proxy answers it. */
  readonly endToEndContinue?: boolean
  /** Clients come back to the target that answered them. */
  readonly affinity?: Affinity
  /** Shown, in a frame, instead of the built-in page for errors of the server's side. */
  readonly errorPageUrl?: string
}

/** Answer with an error page. */
export type Refusal = {
  readonly kind: 'refuse'
  /** Null when the host belongs to nobody. */
  readonly app: string | null
  /** `H14` and the like; empty for a plain status such as 404. */
  readonly code: string
  readonly status: number
  readonly description: string
  /** `info` for states the owner asked for, such as maintenance. Default `error`. */
  readonly at?: 'info' | 'error'
  /** Shown, in a frame, instead of the built-in page to clients that take HTML. */
  readonly pageUrl?: string
}

/** Nothing can be decided yet: the request waits, and its app is known already. */
export type Hold = {
  readonly kind: 'hold'
  readonly app: string
  /** Calls back once, unless it is called off first: by then the client has gone. */
  readonly wait: (decided: (decision: Decided) => void) => () => void
}

export type Decided = Route | Refusal
export type Decision = Decided | Hold

export type HttpVersion = 'http1.1' | 'http2.0'
/** Empty: no TLS. */
export type TlsVersion = '' | 'tls1.2' | 'tls1.3' | 'unknown'

/** Everything an access line says of one request, made when its last byte has gone. */
export type AccessRecord = {
  readonly app: string | null
  readonly at: 'info' | 'warning' | 'error'
  readonly code: string
  readonly description: string
  readonly cause: string
  /** Which side broke the connection, where that is known. */
  readonly sock: '' | 'client' | 'backend'
  readonly method: string
  readonly path: string
  readonly host: string
  readonly requestId: string
  /** X-Forwarded-For as the target saw it. */
  readonly fwd: string
  /** Id of the target, empty when the request never got that far; then the numbers below are null. */
  readonly target: string
  /**
   * How many were before it in the target's own backlog, and until when it was seen there itself, from being
   * connected on; null: it was not seen to wait.
   */
  readonly queue: number | null
  readonly waitMs: number | null
  readonly connectMs: number | null
  readonly serviceMs: number | null
  /** Null when the proxy went away before there was one. */
  readonly status: number | null
  /** Head and body sent to the client. */
  readonly bytes: number | null
  readonly protocol: HttpVersion
  readonly tls: TlsVersion
  /** What the client calls itself, where the record says it: H31. */
  readonly agent: string
  /** Wall-clock time of the request's arrival. */
  readonly epochMs: number
}

/** Time as the proxy needs it; a test drives its own. */
export type ProxyClock = {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** Wall-clock milliseconds. */
  readonly epochMs: () => number
  /** Calls `tick` about every `ms` until the returned function is called. */
  readonly every: (ms: number, tick: () => void) => () => void
}

/** The machine's own clock. Its interval keeps no process alive. */
export const systemClock: ProxyClock = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  every: (ms, tick) => {
    const timer = setInterval(tick, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
}
