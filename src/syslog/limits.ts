/**
 * Bounds of a drain's connection: Logplex's own where it has them. Times in milliseconds, and what they are
 * measured from.
 */
import assert from 'node:assert/strict'

export const sinkLimitsByDefault = {
  /** From the name's look-up to the end of the TLS handshake. */
  httpConnectMs: 3000,
  syslogConnectMs: 4000,
  /** From the first byte of a request to the last of its answer. */
  requestMs: 5000,
  /** Until the kernel has taken the next 64 KB of a batch. */
  writeMs: 4000,
  /** Since the last send; a part of the jitter is added to each, so that not all close at once. */
  httpIdleMs: 144_000,
  syslogIdleMs: 240_000,
  idleJitterMs: 15_000,
  /** Since it was connected: a receiver's name may stand for others by then. */
  ageMs: 5 * 3_600_000,
  ageJitterMs: 600_000,
  /** For the peer to end its side once we have ended ours. */
  closeMs: 1000,
  tcpKeepAliveMs: 30_000,
  /** Of an answer's body; more of it ends the connection. */
  answerBytesMax: 65_536,
  /** What a syslog receiver, which has nothing to say, may say on one connection. */
  unaskedBytesMax: 65_536,
  retryAfterMsMax: 3_600_000,
}
export type SinkLimits = Readonly<typeof sinkLimitsByDefault>

assert(sinkLimitsByDefault.requestMs < sinkLimitsByDefault.httpIdleMs)
assert(sinkLimitsByDefault.writeMs < sinkLimitsByDefault.syslogIdleMs)
assert(sinkLimitsByDefault.syslogIdleMs + sinkLimitsByDefault.idleJitterMs < sinkLimitsByDefault.ageMs)
