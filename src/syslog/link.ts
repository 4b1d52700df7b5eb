/**
 * What a sink and its connections agree on: a connection to a receiver, of whatever protocol, and what comes
 * of a batch.
 */
import type { DrainAddress } from './drain-url.ts'
import type { SinkLimits } from './limits.ts'
import type { LogMessage } from './message.ts'

export type Outcome =
  /** Answered with 2xx; over TCP and TLS: taken by the kernel while the receiver had not closed. */
  | { readonly kind: 'delivered'; readonly rejected?: Rejected }
  /** An answer that no repeat will change: the messages are to be dropped. The connection is kept. */
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string }
  | Failure

/** So many of the messages, but not all, were dropped by the receiver; it does not say which. */
type Rejected = { readonly count: number; readonly reason: string }

export type Failure = {
  readonly kind: 'failed'
  /** For people; a certificate that was not accepted: the code alone. */
  readonly reason: string
  /** Node's or OpenSSL's name of it, if it has one. */
  readonly code?: string
  /** When the receiver wants to be asked again, counted from now. */
  readonly retryAfterMs?: number
  /** False: there was no connection, so the receiver has seen nothing of the messages. */
  readonly connected: boolean
  /** The receiver's certificate was not accepted. */
  readonly certificate?: boolean
}

/** A batch's name, the same at each of its tries. */
export type Frame = {
  /** 32 upper-case hexadecimal digits. */
  readonly id: string
  /** The drain's, `d.<uuid>`. */
  readonly token: string
}

export type Link = {
  /** False once either side has ended it: nothing is to be sent on it any more. */
  readonly usable: boolean
  /** One at a time; rejects for nothing that a receiver does. */
  readonly send: (messages: readonly LogMessage[], frame: Frame) => Promise<Outcome>
  /** Ends it after what was handed over, within `limits.closeMs`. */
  readonly close: () => Promise<void>
  readonly destroy: () => void
}

export type SinkClock = {
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly after: (ms: number, run: () => void) => { readonly cancel: () => void }
  /** After the events that have come by now. */
  readonly soon: (run: () => void) => void
}

export type SinkDeps = {
  readonly clock: SinkClock
  /** In [0, 1). */
  readonly random: () => number
  /** PEM: whom to trust, in place of this machine's authorities. */
  readonly ca?: string
  readonly limits?: Partial<SinkLimits>
}

/** With every limit known. */
export type LinkDeps = SinkDeps & { readonly address: DrainAddress; readonly limits: SinkLimits }

export const failed = (
  error: unknown,
  rest: { readonly connected: boolean; readonly certificate?: boolean },
): Failure => {
  const { code, message } = error as NodeJS.ErrnoException
  // Of an attempt at several addresses there is but the code.
  return { kind: 'failed', reason: message || code || 'failed', ...(code && { code }), ...rest }
}
