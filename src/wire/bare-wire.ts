/**
 * A wire on a bare TCP handle: one call to the kernel for a read and one for a write, and no object made
 * for either.
 *
 * All wires read into one shared buffer: what is read is dealt with before anything else runs. A wire in the
 * middle of a large body has a buffer of its own instead, so that bytes the other side could not take at
 * once are given away rather than copied.
 */
import { getSystemErrorName } from 'node:util'
import { type Bare, endOfFile, type Handle, type WriteRequest } from './bare.ts'
import { plainAddress, readBytes, type Wire, type WireUser } from './wire.ts'

const sharedBuffer = Buffer.allocUnsafeSlow(readBytes)
// Buffers of wires that had a large body to read, for the next ones.
const spareBuffers: Buffer[] = []
const spareBuffersMax = 32
/** A read of less than this ends a wire's having its own buffer. */
const smallReadBytes = 8192

// A request that libuv could finish at once was never its own, and serves the next write.
let spareRequest: WriteRequest | null = null

export class BareWire implements Wire {
  readonly lent = true
  readonly #bare: Bare
  readonly #handle: Handle
  #user: WireUser | null = null
  #code = ''
  #buffer: Buffer = sharedBuffer
  #open: boolean
  #reading = false
  #ended = false
  #finAsked = false
  #finSent = false
  #closing = false
  #closeWhenSent = false
  #noDelay: boolean
  #wrote = false
  /** Writes that libuv has not finished. */
  #pending = 0

  private constructor(bare: Bare, handle: Handle, accepted: boolean) {
    this.#bare = bare
    this.#handle = handle
    this.#open = accepted
    this.#noDelay = accepted
    handle.onread = () => this.#read(bare.state[bare.readResult] as number)
    handle.useUserBuffer(sharedBuffer)
  }

  /** A connection that a listener accepted. */
  static accepted(bare: Bare, handle: Handle): BareWire {
    return new BareWire(bare, handle, true)
  }

  /** Connects to an IP address. */
  static connect(bare: Bare, address: string, port: number, family: 4 | 6): BareWire {
    const handle = bare.openHandle()
    const wire = new BareWire(bare, handle, false)
    const request = new bare.ConnectWrap()
    request.oncomplete = (status) => wire.#connected(status)
    const failed = handle[family === 4 ? 'connect' : 'connect6'](request, address, port)
    if (failed !== 0) wire.#fail(failed)
    return wire
  }

  get unsentBytes(): number {
    return this.#pending === 0 || this.#closing ? 0 : this.#handle.writeQueueSize
  }

  get usable(): boolean {
    return !this.#closing && !this.#ended
  }

  get giving(): boolean {
    return this.#buffer !== sharedBuffer
  }

  get remoteAddress(): string {
    const found: { address?: string } = {}
    if (this.#closing || this.#handle.getpeername(found) !== 0) return ''
    return plainAddress(found.address)
  }

  get localEnd(): string {
    const found: { address?: string; port?: number } = {}
    if (this.#closing || this.#handle.getsockname(found) !== 0) return ''
    return `${plainAddress(found.address)}:${found.port}`
  }

  use(user: WireUser): void {
    const first = this.#user === null
    this.#user = user
    if (first) this.resume()
  }

  write(bytes: Buffer, lender: Wire | null = null): boolean {
    if (this.#closing || this.#finAsked) return true
    if (this.#wrote && !this.#noDelay) {
      // A second write may come before the first is acknowledged, and must not wait for that.
      this.#noDelay = true
      this.#handle.setNoDelay(true)
    }
    this.#wrote = true
    // What surely has to wait is copied when it is small, so as not to keep a whole buffer for it.
    const giving = lender !== null && lender.giving && this.#pending === 0
    const own = lender === null || giving ? bytes : lender.owned(bytes)
    const request = (spareRequest ??= new this.#bare.WriteWrap())
    const failed = this.#handle.writeBuffer(request, own)
    if (failed !== 0) {
      this.#fail(failed)
      return true
    }
    if (this.#bare.state[this.#bare.wroteLater] === 0) return true
    spareRequest = null
    if (giving) lender.give()
    request.bytes = own
    request.oncomplete = (status) => {
      request.bytes = null
      this.#written(status)
    }
    this.#pending += 1
    return false
  }

  owned(bytes: Buffer): Buffer {
    if (!this.giving || bytes.length < readBytes / 2) return Buffer.from(bytes)
    if (bytes.buffer === this.#buffer.buffer) this.give()
    return bytes
  }

  give(): void {
    this.#buffer = takeBuffer()
  }

  pause(): void {
    if (!this.#reading) return
    this.#reading = false
    if (!this.#closing) this.#handle.readStop()
  }

  resume(): void {
    if (this.#reading || this.#ended || this.#closing || !this.#open) return
    this.#reading = true
    const failed = this.#handle.readStart()
    if (failed !== 0) this.#fail(failed)
  }

  end(): void {
    if (this.#finAsked || this.#closing) return
    this.#finAsked = true
    const request = new this.#bare.ShutdownWrap()
    request.oncomplete = (status) => this.#finished(status)
    const failed = this.#handle.shutdown(request)
    if (failed !== 0) this.#fail(failed)
  }

  destroySoon(): void {
    if (this.#pending === 0) this.destroy()
    else this.#closeWhenSent = true
  }

  destroy(): void {
    if (this.#closing) return
    this.#leave()
    this.#handle.close(() => this.#closed())
  }

  reset(): void {
    if (this.#closing) return
    this.#leave()
    const closed = () => this.#closed()
    if (this.#handle.reset(closed) !== 0) this.#handle.close(closed)
  }

  #leave(): void {
    this.#closing = true
    if (this.#buffer !== sharedBuffer) giveBack(this.#buffer)
    this.#buffer = sharedBuffer
  }

  #fail(status: number): void {
    if (this.#code === '') this.#code = getSystemErrorName(status)
    this.destroy()
  }

  #connected(status: number): void {
    if (this.#closing) return
    if (status !== 0) {
      this.#fail(status)
      return
    }
    this.#open = true
    this.#user?.wireConnected?.()
    this.resume()
  }

  #read(result: number): Buffer | undefined {
    if (result === endOfFile) {
      this.#ended = true
      this.#reading = false
      this.#user?.wireEnded()
      if (this.#finSent) this.destroy()
      return undefined
    }
    if (result < 0) this.#fail(result)
    if (result <= 0) return undefined
    const before = this.#buffer
    this.#user?.wireBytes(before.subarray(0, result))
    if (this.#closing) return undefined
    if (before === sharedBuffer) {
      if (result === readBytes) this.#buffer = takeBuffer()
    } else if (result < smallReadBytes && this.#buffer === before) {
      giveBack(before)
      this.#buffer = sharedBuffer
    }
    return this.#buffer === before ? undefined : this.#buffer
  }

  #written(status: number): void {
    this.#pending -= 1
    if (this.#closing) return
    if (status !== 0) this.#fail(status)
    else if (this.#pending > 0) return
    else if (this.#closeWhenSent) this.destroy()
    else this.#user?.wireDrained()
  }

  #finished(status: number): void {
    if (this.#closing) return
    this.#finSent = true
    if (status !== 0) this.#fail(status)
    else if (this.#ended) this.destroy()
  }

  #closed(): void {
    const user = this.#user
    this.#user = null
    user?.wireClosed(this.#code)
  }
}

function takeBuffer(): Buffer {
  return spareBuffers.pop() ?? Buffer.allocUnsafeSlow(readBytes)
}

function giveBack(buffer: Buffer): void {
  if (spareBuffers.length < spareBuffersMax) spareBuffers.push(buffer)
}
