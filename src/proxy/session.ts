/**
 * One HTTP/2 connection: each of its streams is a client of its own to the engine, with everything that
 * applies to one. What belongs to the connection is here: how many streams, for how long, and when a peer
 * that only causes work is sent away (CVE-2023-44487, CVE-2025-8671 and their kin).
 */
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Duplex } from 'node:stream'
import { downgrade, type Downgraded } from '../http2/downgrade.ts'
import { StreamWire } from '../http2/stream-wire.ts'
import { requestLimits, responseLimits } from '../http1/limits.ts'
import type { BeginExchange, Listener } from './client.ts'
import { Client } from './client.ts'
import type { Core, Member } from './core.ts'

const { NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_ENHANCE_YOUR_CALM } = constants
const { NGHTTP2_REFUSED_STREAM, NGHTTP2_FLAG_END_STREAM } = constants
/** "Whatever you have sent already is served": what a first GOAWAY says (RFC 9113 §6.8). */
const anyStream = 2 ** 31 - 1
const headerListBytesMax = 131_072

export type Connection = {
  readonly remoteAddress: string
  readonly listener: Listener
  /** The name that the client asked for when it connected by TLS; empty: none, or no TLS. */
  readonly serverName: string
}

export class Session implements Member {
  readonly #core: Core
  readonly #begin: BeginExchange
  readonly #connection: Connection
  readonly #session: ServerHttp2Session
  #streams = 0
  #idleSinceMs: number
  #good = 0
  #faults = 0
  #state: 'open' | 'announced' | 'closing' = 'open'
  /** Whether hosts that were asked for besides the connection's own are served on it. */
  readonly #others = new Map<string, boolean | Promise<boolean>>()

  constructor(core: Core, socket: Duplex, connection: Connection, begin: BeginExchange) {
    this.#core = core
    this.#begin = begin
    this.#connection = connection
    this.#idleSinceMs = core.nowMs()
    core.clients.add(this)
    const { streamsPerSessionMax, resetsPerSessionMax } = core.limits
    this.#session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: streamsPerSessionMax,
        maxHeaderListSize: headerListBytesMax,
        enableConnectProtocol: false,
      },
      // Pseudo headers come on top of the engine's own limit.
      maxHeaderListPairs: requestLimits.headersMax + 4,
      maxSendHeaderBlockLength: 2 * responseLimits.headBytesMax,
      maxSessionInvalidFrames: resetsPerSessionMax,
      maxSessionRejectedStreams: resetsPerSessionMax,
      maxOutstandingPings: 10,
      // Within one read; what comes over several is counted here, and answered with its own code.
      streamResetBurst: 2 * resetsPerSessionMax,
      streamResetRate: streamsPerSessionMax,
    })
    this.#session.on('stream', (stream, _headers, flags, raw) => this.#stream(stream, flags, raw))
    this.#session.on('error', () => {
      // 'close' follows; what it was changes nothing for anyone.
    })
    this.#session.on('close', () => this.#core.leave(this))
  }

  sweep(nowMs: number): void {
    if (this.#state === 'announced') this.#finish()
    else if (this.#streams > 0) this.#idleSinceMs = nowMs
    else if (nowMs - this.#idleSinceMs >= this.#core.limits.keepAliveMs) this.#finish()
  }

  /** First says that it will go, so that no request on its way here is lost; a sweep later it goes. */
  drain(): void {
    if (this.#state !== 'open') return
    this.#state = 'announced'
    if (!this.#session.destroyed) this.#session.goaway(NGHTTP2_NO_ERROR, anyStream)
  }

  cut(): void {
    this.#session.destroy()
  }

  /** Lets what is under way end, then closes. */
  #finish(): void {
    if (this.#state === 'closing') return
    this.#state = 'closing'
    this.#session.close()
  }

  #stream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    const ended = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    const request = downgrade(raw, ended)
    this.#streams += 1
    stream.on('error', () => {
      // 'close' follows.
    })
    if (request === null) {
      this.#core.counters.badHeads += 1
      stream.on('close', () => this.#closed(false))
      stream.close(NGHTTP2_PROTOCOL_ERROR)
      return
    }
    const { clients, limits } = this.#core
    if (clients.size >= limits.connectionsMax) {
      stream.on('close', () => this.#closed(true))
      stream.close(NGHTTP2_REFUSED_STREAM)
      return
    }
    const served = this.#serves(request.host)
    if (typeof served === 'boolean') this.#request(stream, request, ended, served)
    else void served.then((isServed) => this.#request(stream, request, ended, isServed))
  }

  #request(stream: ServerHttp2Stream, request: Downgraded, ended: boolean, served: boolean): void {
    const { listener, remoteAddress } = this.#connection
    const wire = new StreamWire(stream, request, ended, remoteAddress)
    const client = new Client(this.#core, wire, listener, this.#begin)
    if (!served) client.misdirected = request.agent
    stream.on('close', () => this.#closed(wire.done))
    if (stream.destroyed) client.wireClosed()
    else wire.start()
  }

  /** A client may use a connection for every name of its certificate; not all of them need be one app's. */
  #serves(host: string): boolean | Promise<boolean> {
    const { serverName } = this.#connection
    const { isServedTogether } = this.#core.settings
    if (serverName === '' || host === serverName) return true
    const known = this.#others.get(host)
    if (known !== undefined) return known
    const found = isServedTogether(serverName, host)
    if (this.#others.size >= this.#core.limits.streamsPerSessionMax) this.#others.clear()
    this.#others.set(host, found)
    return found
  }

  #closed(isGood: boolean): void {
    this.#streams -= 1
    this.#idleSinceMs = this.#core.nowMs()
    if (isGood) this.#good += 1
    else this.#faults += 1
    // Who has most of its requests come to nothing is not a client that was unlucky.
    if (this.#faults <= this.#core.limits.resetsPerSessionMax || this.#faults <= this.#good) return
    if (this.#session.destroyed) return
    this.#session.goaway(NGHTTP2_ENHANCE_YOUR_CALM)
    this.#session.destroy()
  }
}
