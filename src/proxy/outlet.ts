/**
 * Response bytes on their way to one client: counts them, and slows the target down once the client is
 * too far behind, so that no response is ever held whole.
 */
import type { Socket } from 'node:net'
import type { Core } from './core.ts'

export class Outlet {
  bytes = 0
  /** The target is paused until the client has read what waits for it. */
  stalled = false
  readonly #core: Core
  readonly #client: Socket
  #target: Socket | null = null
  #waitingBytes = 0

  constructor(core: Core, client: Socket) {
    this.#core = core
    this.#client = client
  }

  write(bytes: Buffer, target: Socket): void {
    this.bytes += bytes.length
    if (this.#client.write(bytes)) return
    this.#waitingBytes = this.#client.writableLength
    if (this.stalled || this.#waitingBytes < this.#core.responseBufferBytesMax()) return
    this.stalled = true
    this.#core.stalled += 1
    this.#target = target
    target.pause()
  }

  /** Writes what the target just said. */
  relay(bytes: Buffer, link: { readonly lent: boolean; readonly socket: Socket }): void {
    this.write(link.lent ? Buffer.from(bytes) : bytes, link.socket)
  }

  /** The client has read everything, or the exchange is over. */
  release(): void {
    if (!this.stalled) return
    this.stalled = false
    this.#core.stalled -= 1
    this.#target?.resume()
    this.#target = null
  }

  /**
   * For a deadline that passed: is the client behind, and has it read anything since the last look?
   * A slow reader is not a dead one.
   */
  progress(): 'none waiting' | 'reading' | 'stuck' {
    const waiting = this.#client.writableLength
    if (waiting === 0) return 'none waiting'
    if (waiting >= this.#waitingBytes) return 'stuck'
    this.#waitingBytes = waiting
    return 'reading'
  }
}
