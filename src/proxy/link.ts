/**
 * One connection to a target: connecting, in use by one exchange, or idle in its target's pool.
 *
 * It reports to whoever uses it. An idle one that says anything, or hears its peer close, is dropped at
 * once: bytes nobody asked for must never become the start of someone else's response.
 */
import { HeadParser, responseRules } from '../http1/head-parser.ts'
import { responseLimits } from '../http1/limits.ts'
import type { Bare } from '../wire/bare.ts'
import { openWire } from '../wire/connect.ts'
import type { Wire, WireUser } from '../wire/wire.ts'
import type { Arrivals, TargetLoad } from './load.ts'

/** Who uses the link. After `linkClosed` there are no more calls. */
export type LinkUser = {
  readonly linkConnected?: () => void
  /** As its wire lends them: see `Wire`. */
  readonly linkBytes: (bytes: Buffer) => void
  /** The target sent its FIN. */
  readonly linkEnded: () => void
  readonly linkDrained: () => void
  /** Closed or never opened; `error` when it was not orderly. */
  readonly linkClosed: (error: { readonly code: string } | null) => void
}

/** How a request waits for its target to read it, as far as it was looked for. */
export type Queued = {
  /** The target has taken its connection, now or for an earlier request, or may have: it is not known. */
  isTaken: boolean
  /** Which connection it was to arrive, at the earliest; -1: not known. */
  ordinal: number
  /** So many waited before it, or beside it, when it was first seen to wait. */
  queue: number | null
  /** From its beginning until it was last seen to wait. */
  waitMs: number | null
  looks: number
}

const rules = responseRules(responseLimits)

export class Link implements WireUser {
  readonly target: TargetLoad<Link>
  readonly wire: Wire
  readonly parser = new HeadParser(rules)
  connected = false
  /** It served another request before: its peer may have closed it without our knowing yet. */
  reused = false
  /** Something of the present answer has come. */
  heard = false
  /** When the present request had its connection. */
  beganMs = 0
  /** As they were known when it was begun. */
  readonly arrivals: Arrivals | null
  readonly queued: Queued = { isTaken: false, ordinal: -1, queue: null, waitMs: null, looks: 0 }
  /** While idle: when it is to be closed. */
  idleUntilMs = 0
  #user: LinkUser | null

  constructor(bare: Bare | null, target: TargetLoad<Link>, user: LinkUser) {
    this.target = target
    this.arrivals = target.arrivals
    this.#user = user
    this.wire = openWire(bare, target.upstream.address, target.upstream.port)
    this.wire.use(this)
  }

  /** From whoever opened it to whoever uses it. */
  hand(user: LinkUser): void {
    this.#user = user
  }

  /** Out of the pool, to another exchange. */
  use(user: LinkUser): void {
    this.reused = true
    this.heard = false
    this.queued.isTaken = true
    this.queued.queue = null
    this.queued.waitMs = null
    this.queued.looks = 0
    this.parser.reset()
    this.#user = user
  }

  /**
   * Into the pool, for a second less than the target announced (negative: nothing): closing first is what
   * avoids the race for the last one.
   */
  rest(nowMs: number, pooledMs: number, announcedSeconds: number): void {
    const announcedMs = announcedSeconds < 0 ? pooledMs : Math.max(0, announcedSeconds * 1000 - 1000)
    this.#user = null
    this.idleUntilMs = nowMs + Math.min(pooledMs, announcedMs)
    this.target.idle.push(this)
  }

  /** Closes without telling the user, who knows: it asked. The target sees FIN, or RST if it still sends. */
  close(): void {
    this.#user = null
    this.wire.destroy()
    this.#leavePool()
  }

  /** As `close`, but the target must see that this was not an orderly end of what it was reading. */
  abort(): void {
    this.#user = null
    if (this.connected) this.wire.reset()
    else this.wire.destroy()
  }

  /** As `close`, once what was written has gone. */
  flush(): void {
    this.#user = null
    this.wire.destroySoon()
  }

  /** Alive as far as we know: not closed, not half closed. */
  get usable(): boolean {
    return this.wire.usable
  }

  wireConnected(): void {
    this.connected = true
    this.#user?.linkConnected?.()
  }

  wireBytes(bytes: Buffer): void {
    this.heard = true
    if (this.#user === null) this.close()
    else this.#user.linkBytes(bytes)
  }

  wireEnded(): void {
    if (this.#user === null) this.close()
    else this.#user.linkEnded()
  }

  wireDrained(): void {
    this.#user?.linkDrained()
  }

  wireClosed(code: string): void {
    this.#leavePool()
    const user = this.#user
    this.#user = null
    user?.linkClosed(code === '' ? null : { code })
  }

  #leavePool(): void {
    const at = this.target.idle.indexOf(this)
    if (at >= 0) this.target.idle.splice(at, 1)
  }
}
