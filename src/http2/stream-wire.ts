/**
 * One HTTP/2 stream as the wire of an HTTP/1.1 client of its own: the engine reads a request from it and
 * writes a response to it, and knows of nothing else. Flow control is the stream's, both ways.
 */
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Wire, WireUser } from '../wire/wire.ts'
import { type Downgraded, downgradeTrailers } from './downgrade.ts'
import { ResponseReader } from './upgrade.ts'

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_INTERNAL_ERROR } = constants
/** How a client says that it has lost interest; any other code says that the stream could not go on. */
const left = new Set<number | undefined>([undefined, NGHTTP2_NO_ERROR, NGHTTP2_CANCEL])
const lineEnd = Buffer.from('\r\n')

export class StreamWire implements Wire {
  readonly lent = false
  readonly giving = true
  readonly remoteAddress: string
  /** A stream has none of its own. */
  readonly localEnd = ''
  readonly #stream: ServerHttp2Stream
  readonly #request: Downgraded
  readonly #reader: ResponseReader
  #user: WireUser | null = null
  #trailers = ''
  #requestDone: boolean

  /** @param ended the request has neither body nor trailers */
  constructor(stream: ServerHttp2Stream, request: Downgraded, ended: boolean, remoteAddress: string) {
    this.#stream = stream
    this.#request = request
    this.#requestDone = ended
    this.remoteAddress = remoteAddress
    this.#reader = new ResponseReader(request.method, {
      inform: (fields) => {
        if (!stream.destroyed && !stream.headersSent) stream.additionalHeaders(fieldsOf(fields))
      },
      begin: (fields, endStream) => {
        // Breaking a stream off has Node end it first: only with the promise of trailers is that not an
        // END_STREAM, by which a client would take half a response for the whole.
        if (!stream.destroyed) stream.respond([...fields], { endStream, waitForTrailers: !endStream })
        if (endStream) this.#leaveRest()
      },
      data: (bytes) => stream.destroyed || stream.write(bytes),
      end: (trailers) => {
        stream.once('wantTrailers', () => stream.sendTrailers(fieldsOf(trailers)))
        stream.end()
        this.#leaveRest()
      },
    })
    stream.on('drain', () => this.#user?.wireDrained())
    stream.on('error', () => {
      // 'close' follows; what it was changes nothing for anyone.
    })
    stream.on('close', () => {
      const user = this.#user
      this.#user = null
      user?.wireClosed(this.#reader.done ? '' : left.has(stream.rstCode) ? 'ECONNRESET' : 'EPROTO')
    })
  }

  /** The response has gone to the stream whole. */
  get done(): boolean {
    return this.#reader.done
  }

  get unsentBytes(): number {
    return this.#stream.destroyed ? 0 : this.#stream.writableLength
  }

  get usable(): boolean {
    return !this.#stream.destroyed
  }

  use(user: WireUser): void {
    this.#user = user
  }

  /** The request begins: everything has its user. */
  start(): void {
    this.#user?.wireBytes(this.#request.head)
    if (this.#requestDone) return
    const stream = this.#stream
    stream.on('trailers', (_headers, _flags, raw: readonly string[]) => this.#trailing(raw))
    stream.on('end', () => this.#requestEnded())
    stream.on('data', (bytes: Buffer) =>
      this.#user?.wireBytes(this.#request.isChunked ? chunkOf(bytes) : bytes),
    )
  }

  write(bytes: Buffer, lender: Wire | null = null): boolean {
    return this.#reader.take(lender === null ? bytes : lender.owned(bytes))
  }

  owned(bytes: Buffer): Buffer {
    return bytes
  }

  give(): void {
    // Every piece has a buffer of its own.
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    if (!this.#requestDone && !this.#stream.destroyed) this.#stream.resume()
  }

  /** The engine has said all it will say: a response that is not whole by now never will be. */
  end(): void {
    this.#reader.closed()
    if (!this.#reader.done) this.#break(NGHTTP2_INTERNAL_ERROR)
  }

  destroySoon(): void {
    this.end()
  }

  destroy(): void {
    if (!this.#reader.done) this.#break(NGHTTP2_INTERNAL_ERROR)
  }

  reset(): void {
    if (!this.#reader.done) this.#break(NGHTTP2_INTERNAL_ERROR)
    else if (!this.#stream.destroyed && this.unsentBytes > 0) this.#break(NGHTTP2_INTERNAL_ERROR)
  }

  #break(code: number): void {
    if (!this.#stream.destroyed) this.#stream.close(code)
  }

  /** A request whose answer is complete need not be sent to its end (RFC 9113 §8.1). */
  #leaveRest(): void {
    const stream = this.#stream
    if (this.#requestDone) return
    stream.once('finish', () => {
      if (!this.#requestDone) this.#break(NGHTTP2_NO_ERROR)
    })
  }

  #trailing(raw: readonly string[]): void {
    const lines = downgradeTrailers(raw)
    if (lines === null) this.#break(NGHTTP2_PROTOCOL_ERROR)
    else this.#trailers = lines
  }

  #requestEnded(): void {
    if (this.#requestDone) return
    this.#requestDone = true
    // Trailers have no place behind a body of known length: there they may be dropped (RFC 9110 §6.5.1).
    if (this.#request.isChunked) this.#user?.wireBytes(Buffer.from(`0\r\n${this.#trailers}\r\n`, 'latin1'))
  }
}

function chunkOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, lineEnd])
}

/** As an object, for the calls that take no pairs. */
function fieldsOf(fields: readonly string[]): Record<string, string | string[]> {
  const made: Record<string, string | string[]> = {}
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [name, value] = [fields[at] as string, fields[at + 1] as string]
    const before = made[name]
    made[name] = before === undefined ? value : [before, value].flat()
  }
  return made
}
