/**
 * Response bytes on their way to one client: counts them, and slows the target down once the client is
 * too far behind, so that no response is ever held whole.
 */
import type { Wire } from '../wire/wire.ts'
import type { Core } from './core.ts'

export class Outlet {
  bytes = 0
  /** The target is paused until the client has read what waits for it. */
  stalled = false
  readonly #core: Core
  readonly #client: Wire
  #target: Wire | null = null
  #waitingBytes = 0

  constructor(core: Core, client: Wire) {
    this.#core = core
    this.#client = client
  }

  /** With `lent`, the bytes are what the target just said; otherwise they are the client's to keep. */
  write(bytes: Buffer, target: Wire, lent: boolean): void {
    this.bytes += bytes.length
    if (this.#client.write(bytes, lent ? target : null)) return
    this.#waitingBytes = this.#client.unsentBytes
    if (this.stalled || this.#waitingBytes < this.#core.responseBufferBytesMax()) return
    this.stalled = true
    this.#core.stalled += 1
    this.#target = target
    target.pause()
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
    const waiting = this.#client.unsentBytes
    if (waiting === 0) return 'none waiting'
    if (waiting >= this.#waitingBytes) return 'stuck'
    this.#waitingBytes = waiting
    return 'reading'
  }
}
