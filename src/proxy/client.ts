/**
 * One client connection: reads request heads one after the other, hands each to an exchange, and keeps
 * what arrives early (pipelined requests, a body its target is not ready for) within bounds.
 *
 * It owns the wire and its single deadline; what a request means is the exchange's business.
 */
import { HeadParser, requestRules } from '../http1/head-parser.ts'
import { requestLimits } from '../http1/limits.ts'
import { readRequestHead, type RequestHead } from '../http1/request-head.ts'
import type { Wire, WireUser } from '../wire/wire.ts'
import type { HttpVersion, TlsVersion } from './contract.ts'
import type { Core } from './core.ts'
import type { Link } from './link.ts'
import type { AppLoad } from './load.ts'
import { errorResponse } from './page.ts'

/** One request in progress, as its connection sees it. */
export type Exchange = {
  readonly start: () => void
  /** Bytes after the head, from `from` on; returns how far it took them. Takes none while not ready. */
  readonly clientBytes: (bytes: Buffer, from: number) => number
  readonly clientEnded: () => void
  readonly clientDrained: () => void
  /** `isBroken`: a stream of HTTP/2 that could not go on; nobody left it. */
  readonly clientClosed: (isBroken?: boolean) => void
  readonly deadline: (nowMs: number) => void
  /** The proxy is going away now. */
  readonly cut: () => void
}

/** How clients reach a listener: what X-Forwarded-Proto and -Port, and the access line, say. */
export type Listener = {
  readonly protocol: 'http' | 'https'
  readonly port: number
  readonly version: HttpVersion
  readonly tls: TlsVersion
}

/** Takes a connection over that turns out to speak HTTP/2; `first` are the bytes it has sent. */
export type SwitchToHttp2 = (client: Client, first: Buffer) => void

export type BeginExchange = (client: Client, head: RequestHead) => Exchange

const rules = requestRules(requestLimits)
/** The first half of what an HTTP/2 client begins with: by itself a whole head of HTTP/1.1. */
const prefaceStart = Buffer.from('PRI * HTTP/2.0\r\n\r\n')

const never = Number.POSITIVE_INFINITY

export class Client implements WireUser {
  readonly core: Core
  readonly wire: Wire
  readonly listener: Listener
  readonly parser = new HeadParser(rules)
  /** When something has to have happened; the exchange moves it while there is one. */
  deadlineMs: number
  /** The client sent its FIN. */
  ended = false
  requests = 0
  /** What its last request was for. */
  app: AppLoad<Link> | null = null
  /** The user agent, if this request came by a connection that was made for others: H31. */
  misdirected: string | null = null
  readonly #begin: BeginExchange
  readonly #switch: SwitchToHttp2 | null
  #exchange: Exchange | null = null
  /** Bytes nobody could take yet. */
  #early: Buffer | null = null
  /** Whose loan the bytes at hand are; null when they are ours. */
  lender: Wire | null = null
  #address: string | null
  #state: 'open' | 'lingering' | 'closed' = 'open'
  #lingered = 0
  /** What the client had not taken of its last answer when we last looked. */
  #unsentBytes = 0
  #reading = false
  #bodyPaused = false

  /**
   * @param switchToHttp2 null where no HTTP/2 may begin
   * @param address of whom the connection is made for; null: of its own peer
   */
  constructor(
    core: Core,
    wire: Wire,
    listener: Listener,
    begin: BeginExchange,
    switchToHttp2: SwitchToHttp2 | null = null,
    address: string | null = null,
  ) {
    this.core = core
    this.wire = wire
    this.listener = listener
    this.#begin = begin
    this.#switch = switchToHttp2
    this.#address = address
    this.deadlineMs = core.nowMs() + core.limits.keepAliveMs
    core.clients.add(this)
    wire.use(this)
  }

  /** The client's address without the IPv4-in-IPv6 prefix. */
  get address(): string {
    this.#address ??= this.wire.remoteAddress
    return this.#address
  }

  /** What an access line says of how the request came. */
  get way(): { protocol: HttpVersion; tls: TlsVersion; agent: string } {
    const { version, tls } = this.listener
    return { protocol: version, tls, agent: this.misdirected ?? '' }
  }

  get idle(): boolean {
    return this.#exchange === null && this.#early === null && this.parser.idle
  }

  /** Bytes of a request body that came with its head or since, and nobody took. */
  get early(): Buffer | null {
    return this.#early
  }

  /** Writes an error page and returns its size. */
  answer(page: {
    readonly status: number
    readonly code?: string
    readonly description?: string
    readonly requestId?: string
    readonly json?: boolean
    readonly pageUrl?: string
    readonly keepAlive?: boolean
    readonly bodyless?: boolean
  }): number {
    const bytes = errorResponse({
      code: '',
      description: '',
      requestId: '',
      json: false,
      pageUrl: '',
      keepAlive: false,
      bodyless: false,
      date: this.core.httpDate(),
      via: this.core.settings.name,
      ...page,
    })
    this.wire.write(bytes)
    return bytes.length
  }

  /** The exchange can take bytes now: gives it those that waited. */
  flush(): void {
    const exchange = this.#exchange
    const bytes = this.#early
    if (exchange === null || bytes === null) return
    this.#early = null
    this.#keep(bytes, exchange.clientBytes(bytes, 0))
    this.#resume()
  }

  /** Stops reading until `resumeBody`: the target can't take more. */
  pauseBody(): void {
    this.#bodyPaused = true
    this.wire.pause()
  }

  resumeBody(): void {
    this.#bodyPaused = false
    this.flush()
    this.#resume()
  }

  /** The exchange is over and the connection stays: on to the next request, which may be here already. */
  next(): void {
    this.#exchange = null
    this.#bodyPaused = false
    this.parser.reset()
    if (this.#state !== 'open') return
    this.deadlineMs = this.core.tickMs + this.core.limits.keepAliveMs
    if (this.ended && this.#early === null) {
      this.close()
      return
    }
    // Pipelined requests are read in the loop that runs already, not in a deeper one for each.
    if (!this.#reading) this.#readEarly()
  }

  /**
   * The exchange is over, and so is the connection: what was written goes out, then FIN. Closing with
   * unread bytes would make the kernel send RST, which can take the response away from the client before
   * it read it (RFC 9112 §9.6): so we half close, and read a while. `orderly`: the client has sent all it
   * had and said so, and there is nothing to read.
   */
  close(orderly = false): void {
    this.#exchange = null
    if (this.#state !== 'open') return
    this.#state = 'lingering'
    this.#unsentBytes = this.wire.unsentBytes
    if (orderly && this.#early === null && this.#unsentBytes === 0) {
      this.wire.destroy()
      return
    }
    const { idleMs, lingerMs } = this.core.limits
    this.deadlineMs = this.core.nowMs() + (this.#unsentBytes > 0 ? idleMs : lingerMs)
    this.#early = null
    this.wire.end()
    this.wire.resume()
  }

  /** Ends the connection so that the client can't take what it got for the whole. */
  abort(): void {
    this.#exchange = null
    this.#state = 'closed'
    this.wire.reset()
  }

  sweep(nowMs: number): void {
    if (nowMs < this.deadlineMs) return
    this.deadlineMs = never
    if (this.#exchange !== null) this.#exchange.deadline(nowMs)
    else if (this.#state === 'lingering') this.#linger(nowMs)
    else if (this.#state === 'open' && !this.parser.idle) this.#refuse(408)
    else this.wire.destroy()
  }

  /** The rest of an answer may take a slow client longer than we would wait for its FIN. */
  #linger(nowMs: number): void {
    const { idleMs, lingerMs } = this.core.limits
    const unsent = this.wire.unsentBytes
    if (unsent >= this.#unsentBytes) {
      this.wire.destroy()
      return
    }
    this.#unsentBytes = unsent
    this.deadlineMs = nowMs + (unsent > 0 ? idleMs : lingerMs)
  }

  /** Ends an idle connection at once and marks a busy one to be its last request. */
  drain(): void {
    if (this.idle) this.close()
  }

  /** The proxy is going away now. */
  cut(): void {
    this.#exchange?.cut()
    this.wire.destroy()
  }

  wireBytes(bytes: Buffer): void {
    if (this.#state !== 'open') {
      this.#lingered += bytes.length
      if (this.#lingered > this.core.limits.lingerBytesMax) this.wire.destroy()
      return
    }
    if (this.#early !== null) this.#wait(Buffer.concat([this.#early, bytes]))
    else {
      this.lender = this.wire.lent ? this.wire : null
      if (this.#exchange === null) this.#read(bytes, 0)
      else this.#keep(bytes, this.#exchange.clientBytes(bytes, 0))
      // What nobody took waits in bytes of our own.
      if (this.lender !== null && this.#early !== null) this.#early = this.lender.owned(this.#early)
      this.lender = null
    }
  }

  /** On to a pipelined request, once the client has read most of the answers before it. */
  #readEarly(): void {
    if (this.#behind()) {
      this.wire.pause()
      return
    }
    const bytes = this.#early
    this.#early = null
    if (bytes !== null) this.#read(bytes, 0)
    this.#resume()
  }

  #behind(): boolean {
    return this.wire.unsentBytes >= this.core.limits.slowBufferBytesMax
  }

  /** Reads heads, and lets exchanges take what they can at once, until the rest must wait. */
  #read(bytes: Buffer, from: number): void {
    this.#reading = true
    let piece: Buffer | null = bytes
    let at = from
    while (piece !== null && at < piece.length && this.#state === 'open') {
      if (this.#behind()) {
        this.#wait(at === 0 ? piece : piece.subarray(at))
        this.wire.pause()
        break
      }
      if (this.parser.idle) this.deadlineMs = this.core.tickMs + this.core.limits.headMs
      const outcome = this.parser.feed(piece, at)
      if (outcome === 'more') break
      const head = outcome === 'fault' ? this.parser.fault : readRequestHead(this.parser)
      if (head === null || 'code' in head) {
        if (this.requests === 0 && this.#switch !== null && isPreface(this.parser)) {
          this.#leave(piece.subarray(this.parser.consumed), this.#switch)
          break
        }
        this.#refuse(head?.status ?? 400)
        break
      }
      const after = this.parser.consumed
      this.#early = after < piece.length ? piece.subarray(after) : null
      if (this.#start(head) !== null) break
      piece = this.#early
      this.#early = null
      at = 0
    }
    this.#reading = false
  }

  /** Not a client of ours: what it said reads as a request, as HTTP/2 means it to (RFC 9113 §3.4). */
  #leave(more: Buffer, switchToHttp2: SwitchToHttp2): void {
    this.#state = 'closed'
    switchToHttp2(this, Buffer.concat([prefaceStart, more]))
    this.core.leave(this)
  }

  /** Returns the exchange, or null when it is over already. */
  #start(head: RequestHead): Exchange | null {
    this.requests += 1
    this.core.counters.requests += 1
    const exchange = this.#begin(this, head)
    this.#exchange = exchange
    exchange.start()
    return this.#exchange
  }

  /** What is left of bytes from `from` on: the next request's, or to be taken later. */
  #keep(bytes: Buffer, from: number): void {
    if (from >= bytes.length || this.#state !== 'open') return
    if (this.#exchange === null && !this.#reading) this.#read(bytes, from)
    else this.#wait(from === 0 ? bytes : bytes.subarray(from))
  }

  /** Keeps bytes; a client that sends far ahead waits in the kernel. */
  #wait(bytes: Buffer): void {
    this.#early = bytes
    if (bytes.length >= this.core.limits.earlyBytesMax) this.wire.pause()
  }

  #resume(): void {
    const early = this.#early === null ? 0 : this.#early.length
    if (!this.#bodyPaused && early < this.core.limits.earlyBytesMax) this.wire.resume()
  }

  #refuse(status: number): void {
    this.core.counters.badHeads += 1
    this.answer({ status })
    this.close()
  }

  wireEnded(): void {
    this.ended = true
    if (this.#exchange !== null) this.#exchange.clientEnded()
    else if (this.#state === 'open') this.close()
  }

  wireDrained(): void {
    if (this.#exchange !== null) this.#exchange.clientDrained()
    else if (this.#state === 'open') this.#readEarly()
  }

  wireClosed(code = ''): void {
    this.#state = 'closed'
    this.core.leave(this)
    const exchange = this.#exchange
    this.#exchange = null
    exchange?.clientClosed(code === 'EPROTO')
  }
}

function isPreface({ bytes, lineStart, lineEnd, count }: HeadParser): boolean {
  const length = prefaceStart.length - 4
  return (
    count === 0 &&
    lineEnd - lineStart === length &&
    prefaceStart.compare(bytes, lineStart, lineEnd, 0, length) === 0
  )
}
