/**
 * What hosts ask of each other over HTTPS, and how that is bounded.
 *
 * One port a host. `POST /join/<token>` is for those who have no certificate yet; everything else wants a
 * client certificate of our authority, whose common name says who is asking:
 *
 *   GET  /slugs/<sha256>    a packed tree from this host's disk; `Range: bytes=<from>-` goes on in the middle
 *   POST /attach/<token>    upgraded to bytes both ways (frames.ts): a process elsewhere meets a client here
 *   POST /client/<token>    the same: a client elsewhere meets a process here
 *   *    /api/<path>        a call of the API that came in at a host which has none (forward.ts)
 *   POST /<anything else>   JSON in, JSON out
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Who is asking. */
export type Peer = {
  /** Common name of its certificate: the host's name. */
  readonly name: string
  /** sha256 in hex of its public key (SPKI): the same for all certificates of that host. */
  readonly key: string
}

export type PeerHandlers = {
  /** Whether that host, with that key, is (still) one of us: a removed host's certificate lives on. */
  readonly admits: (peer: Peer) => boolean
  /** @returns the grant as JSON. Throws `PeerRefusal` for a token that is not good */
  readonly join: (token: string, body: unknown, address: string) => Promise<unknown>
  /** @returns the path of the packed file. Undefined: not here */
  readonly slug: (sha256: string) => string | undefined
  /**
   * @returns the waiting client's socket, paused. Throws `PeerRefusal` (or anything with a `code`) when none
   * came
   */
  readonly attach: (token: string, peer: Peer) => Promise<Duplex>
  /** A client that came elsewhere. @returns false: nobody knows the token */
  readonly client: (token: string, socket: Duplex) => boolean
  /**
   * Answers a call of the API, its path as the client sent it.
   * @param address of the client. @returns false: there is no API here (now)
   */
  readonly api: (request: IncomingMessage, response: ServerResponse, address: string) => boolean
  /** @param path `/servers/prepare`. Throws `PeerRefusal`; `not_found` for a path that it does not know */
  readonly call: (path: string, body: unknown, peer: Peer) => Promise<unknown>
  /** A handler threw what is no refusal: a bug, or something of its own that failed. */
  readonly failed: (path: string, error: unknown) => void
}

/** A handler's "no", told to the asker by its code and one line. */
export class PeerRefusal extends Error {
  override readonly name = 'PeerRefusal'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * `peer_unknown`: no address of it. `peer_unreachable`: no connection. `peer_untrusted`: who answers there is
 * not that host. `peer_timeout`: no answer in time. `peer_refused`: it said no, `reason` is its code.
 * `peer_broken`: its answer ended early or made no sense. `slug_corrupt`: what came is not what was asked
 * for.
 */
export type PeerCode =
  | 'peer_unknown'
  | 'peer_unreachable'
  | 'peer_untrusted'
  | 'peer_timeout'
  | 'peer_refused'
  | 'peer_broken'
  | 'slug_corrupt'

export class PeerFailed extends Error {
  override readonly name = 'PeerFailed'
  readonly code: PeerCode
  /** The code that the other side gave. */
  readonly reason: string | undefined
  constructor(code: PeerCode, message: string, options?: ErrorOptions & { readonly reason?: string }) {
    super(message, options)
    this.code = code
    this.reason = options?.reason
  }
}

export const attachProtocol = 'manifold-attach'

export const apiPath = '/api'
/** The address of a call's client, as the host saw it that it came in at. */
export const forwardedForHeader = 'manifold-forwarded-for'
/** On what this listener says in place of a handler. */
export const refusedHeader = 'manifold-refused'

/** Times in ms, sizes in bytes. */
export const peerLimits = {
  connectMs: 2_000,
  /** Until the first byte of a packed tree. */
  slugAnswerMs: 5_000,
  /** Silence that ends a transfer, and a whole transfer. */
  silenceMs: 10_000,
  transferMs: 15 * 60_000,
  callMs: 10_000,
  /** How long a client may be awaited where a process attaches; longer than a handler waits for it. */
  attachMs: 35_000,
  joinMs: 30_000,
  /** Idle connections are closed by the side that would use them, before the other does. */
  idleMs: 30_000,
  serverIdleMs: 45_000,
  /** How long a connection may take to say who it is and what it wants. */
  handshakeMs: 5_000,
  headMs: 10_000,
  /** A peer that lost its power is noticed on an idle attached connection after this and ten probes. */
  keepAliveMs: 15_000,
  headBytesMax: 16 * 1024,
  /** What a host adds to the head of a call that it passes on. */
  addedHeadBytesMax: 1024,
  /** As long as a client of this host's own may take to send a request: a push over a slow line. */
  apiMs: 30 * 60_000,
  /** Calls under way that came from elsewhere, and that one host passes on. */
  apiMax: 1_024,
  forwardedMax: 512,
  joinBytesMax: 64 * 1024,
  bodyBytesMax: 4 * 1024 * 1024,
  connectionsMax: 2_000,
  /** Connections without a certificate that may be open at once, and how long each may last. */
  strangersMax: 64,
  strangerMs: 40_000,
  /** Packed trees sent at once; the next is told to ask elsewhere. */
  slugsMax: 16,
  /** Peers that are asked for one packed tree, and connections to each peer. */
  peersMax: 6,
  connectionsPerPeerMax: 32,
} as const
