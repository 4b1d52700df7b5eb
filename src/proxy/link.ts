/**
 * One connection to a target: connecting, in use by one exchange, or idle in its target's pool.
 *
 * It reports to whoever uses it. An idle one that says anything, or hears its peer close, is dropped at
 * once: bytes nobody asked for must never become the start of someone else's response.
 */
import { connect, type Socket } from 'node:net'
import { HeadParser, responseRules } from '../http1/head-parser.ts'
import { responseLimits } from '../http1/limits.ts'
import type { Upstream } from './contract.ts'
import type { TargetLoad } from './load.ts'

/** Who uses the link. After `linkClosed` there are no more calls. */
export type LinkUser = {
  readonly linkConnected?: () => void
  /** While `link.lent`, the next read overwrites the bytes. */
  readonly linkBytes: (bytes: Buffer) => void
  /** The target sent its FIN. */
  readonly linkEnded: () => void
  readonly linkDrained: () => void
  /** Closed or never opened; `error` when it was not orderly. */
  readonly linkClosed: (error: NodeJS.ErrnoException | null) => void
}

const rules = responseRules(responseLimits)

// All links read into one buffer: what is read is dealt with before anything else runs, and whoever keeps
// it copies it, which saves an allocation, and its collection, for each read. A link in the middle of a
// large body reads into buffers of its own instead, which are given away whole.
const readBytes = 65_536
const readBuffer = Buffer.allocUnsafeSlow(readBytes)

export class Link {
  readonly target: TargetLoad<Link>
  readonly socket: Socket
  readonly parser = new HeadParser(rules)
  connected = false
  /** It served another request before: its peer may have closed it without our knowing yet. */
  reused = false
  /** The bytes being reported are only lent. */
  lent = true
  /** While idle: when it is to be closed. */
  idleUntilMs = 0
  #user: LinkUser | null
  #error: NodeJS.ErrnoException | null = null
  #bulk = false

  constructor(target: TargetLoad<Link>, user: LinkUser) {
    this.target = target
    this.#user = user
    const upstream: Upstream = target.upstream
    const socket = connect({
      host: upstream.address,
      port: upstream.port,
      noDelay: true,
      allowHalfOpen: true,
      autoSelectFamily: false,
      onread: {
        buffer: () => (this.#bulk ? Buffer.allocUnsafeSlow(readBytes) : readBuffer),
        callback: (length, buffer) => this.#read(length, buffer as Buffer),
      },
    })
    this.socket = socket
    socket.on('connect', () => {
      this.connected = true
      this.#user?.linkConnected?.()
    })
    socket.on('end', () => {
      if (this.#user === null) this.close()
      else this.#user.linkEnded()
    })
    socket.on('drain', () => this.#user?.linkDrained())
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error
    })
    socket.on('close', () => this.#gone())
  }

  /** From whoever opened it to whoever uses it. */
  hand(user: LinkUser): void {
    this.#user = user
  }

  /** Out of the pool, to another exchange. */
  use(user: LinkUser): void {
    this.reused = true
    this.parser.reset()
    this.#user = user
  }

  /** Into the pool until `untilMs`. */
  rest(untilMs: number): void {
    this.#user = null
    this.idleUntilMs = untilMs
    this.target.idle.push(this)
  }

  /** Closes without telling the user, who knows: it asked. The target sees FIN, or RST if it still sends. */
  close(): void {
    this.#user = null
    this.socket.destroy()
    this.#leavePool()
  }

  /** As `close`, but the target must see that this was not an orderly end of what it was reading. */
  abort(): void {
    this.#user = null
    if (this.connected) this.socket.resetAndDestroy()
    else this.socket.destroy()
  }

  /** As `close`, once what was written has gone. */
  flush(): void {
    this.#user = null
    this.socket.destroySoon()
  }

  /** Alive as far as we know: not closed, not half closed. */
  get usable(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded && this.#error === null
  }

  #read(length: number, buffer: Buffer): boolean {
    // A small piece would keep the whole of its buffer in memory for as long as it waits to be sent.
    this.lent = buffer === readBuffer || length < readBytes / 2
    this.#bulk = length === readBytes
    if (this.#user === null) this.close()
    else this.#user.linkBytes(buffer.subarray(0, length))
    return true
  }

  #gone(): void {
    this.#leavePool()
    const user = this.#user
    this.#user = null
    user?.linkClosed(this.#error)
  }

  #leavePool(): void {
    const at = this.target.idle.indexOf(this)
    if (at >= 0) this.target.idle.splice(at, 1)
  }
}
