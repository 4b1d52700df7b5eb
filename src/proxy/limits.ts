/**
 * Every bound of the proxy in one place: Heroku's documented times and counts (HTTP Routing), and ours
 * where Heroku's are unknown. Tests pass smaller ones.
 */
import assert from 'node:assert/strict'

export type ProxyLimits = {
  /** One connection attempt, all attempts of a request, and how many there are. */
  readonly connectMs: number
  readonly connectTotalMs: number
  readonly connectTriesMax: number
  /** An attempt that takes longer has another target tried beside it, so many at once. */
  readonly hedgeMs: number
  readonly hedgesMax: number
  /** How long a target that could not be connected to is left alone. */
  readonly quarantineMs: number
  /** While all targets are: the first and the longest pause between two looks. */
  readonly lookMsMin: number
  readonly lookMsMax: number
  /** From the request's last byte to the response's first. */
  readonly firstByteMs: number
  /** Rolling: silence allowed while bodies or an upgraded connection flow. */
  readonly idleMs: number
  /** A whole request head, from its first byte: not rolling, so that trickling does not help. */
  readonly headMs: number
  /** An open client connection between requests. */
  readonly keepAliveMs: number
  readonly requestsPerConnectionMax: number
  /** How long `resolve` may take; a request may be held that long for a target to appear. */
  readonly resolveMs: number
  /** Client bytes kept while they can't be forwarded yet; beyond that the kernel's buffer holds them. */
  readonly earlyBytesMax: number
  /** Response bytes kept for one slow client before its target is slowed to its pace. */
  readonly responseBufferBytesMax: number
  /** Response bytes kept for all slow clients; beyond that each gets `slowBufferBytesMax`. */
  readonly totalBufferBytesMax: number
  readonly slowBufferBytesMax: number
  /** Requests at once for one app, for each of its targets: more get H11. */
  readonly inFlightPerTargetMax: number
  readonly pooledMs: number
  readonly pooledPerTargetMax: number
  /** Interim responses (1xx) to one request. */
  readonly informationalMax: number
  /** After our last byte: how long and how much of a client's rest is read, so that it gets the answer. */
  readonly lingerMs: number
  readonly lingerBytesMax: number
  /** After a client's FIN: how long an answer may still find it half open. */
  readonly halfCloseMs: number
  readonly connectionsMax: number
  /** Client connections whose last request was for one app: new ones get H22. */
  readonly connectionsPerAppMax: number
  /** From a connection to the end of its TLS handshake. */
  readonly handshakeMs: number
  /** From a connection to the end of its PROXY header, where its listener wants one. */
  readonly proxyHeaderMs: number
  /** Requests at once on one HTTP/2 connection. */
  readonly streamsPerSessionMax: number
  /** Requests of one HTTP/2 connection that came to nothing, before it is looked at what the others did. */
  readonly resetsPerSessionMax: number
  /** Precision of all deadlines. */
  readonly sweepMs: number
}

export const defaultLimits: ProxyLimits = {
  connectMs: 5000,
  connectTotalMs: 75_000,
  connectTriesMax: 10,
  hedgeMs: 250,
  hedgesMax: 3,
  quarantineMs: 5000,
  lookMsMin: 100,
  lookMsMax: 3200,
  firstByteMs: 30_000,
  idleMs: 55_000,
  headMs: 60_000,
  keepAliveMs: 60_000,
  requestsPerConnectionMax: 100,
  resolveMs: 76_000,
  earlyBytesMax: 65_536,
  responseBufferBytesMax: 1_048_576,
  totalBufferBytesMax: 268_435_456,
  slowBufferBytesMax: 65_536,
  inFlightPerTargetMax: 200,
  pooledMs: 90_000,
  pooledPerTargetMax: 100,
  informationalMax: 32,
  lingerMs: 2000,
  lingerBytesMax: 1_048_576,
  halfCloseMs: 500,
  connectionsMax: 100_000,
  connectionsPerAppMax: 20_000,
  handshakeMs: 10_000,
  proxyHeaderMs: 5000,
  streamsPerSessionMax: 100,
  resetsPerSessionMax: 200,
  sweepMs: 100,
}

/** Checks how the bounds relate; a wrong set is a programming error. */
export function assertLimits(limits: ProxyLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    assert(Number.isFinite(value) && value > 0, `limit ${name} must be a positive number`)
  }
  assert(limits.connectMs <= limits.connectTotalMs)
  assert(limits.hedgeMs <= limits.connectMs && limits.lookMsMin <= limits.lookMsMax)
  assert(limits.quarantineMs <= limits.connectTotalMs)
  assert(limits.sweepMs <= limits.connectMs && limits.sweepMs <= limits.halfCloseMs)
  assert(limits.sweepMs <= limits.proxyHeaderMs)
  assert(limits.connectionsPerAppMax <= limits.connectionsMax)
  assert(limits.halfCloseMs <= limits.idleMs)
  assert(limits.slowBufferBytesMax <= limits.responseBufferBytesMax)
  assert(limits.responseBufferBytesMax <= limits.totalBufferBytesMax)
}

assertLimits(defaultLimits)
