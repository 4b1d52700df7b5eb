/**
 * A wire on Node's public socket: TCP where bare handles are not to be had, and TLS always.
 */
import type { Socket } from 'node:net'
import { plainAddress, type Wire, type WireUser } from './wire.ts'

export class SocketWire implements Wire {
  readonly lent = false
  readonly giving = true
  readonly #socket: Socket
  /** What RST is sent by: few clients mind that a TLS connection ends without its own farewell. */
  readonly #below: Socket
  #user: WireUser | null = null
  #code = ''

  /**
   * A socket that was made with `allowHalfOpen`, connected or connecting; for TLS with the one below it.
   */
  constructor(socket: Socket, below = socket) {
    this.#socket = socket
    this.#below = below
    if (socket.connecting) socket.on('connect', () => this.#user?.wireConnected?.())
    socket.on('end', () => this.#user?.wireEnded())
    socket.on('drain', () => this.#user?.wireDrained())
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#code = error.code ?? 'EIO'
    })
    socket.on('close', () => {
      const user = this.#user
      this.#user = null
      user?.wireClosed(this.#code)
    })
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  get usable(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded && this.#code === ''
  }

  get remoteAddress(): string {
    return plainAddress(this.#socket.remoteAddress)
  }

  get localEnd(): string {
    const { localAddress, localPort } = this.#socket
    return localPort === undefined ? '' : `${plainAddress(localAddress)}:${localPort}`
  }

  use(user: WireUser): void {
    const first = this.#user === null
    this.#user = user
    if (first) this.#socket.on('data', (bytes: Buffer) => this.#user?.wireBytes(bytes))
  }

  write(bytes: Buffer, lender: Wire | null = null): boolean {
    return this.#socket.write(lender === null ? bytes : lender.owned(bytes))
  }

  owned(bytes: Buffer): Buffer {
    return bytes
  }

  give(): void {
    // Every read has a buffer of its own.
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroySoon(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  reset(): void {
    this.#below.resetAndDestroy()
    this.#socket.destroy()
  }
}
