/**
 * Connections of load balancers until they have said for whom they are made. They count as clients do, and
 * have a deadline; one that does not begin as it must is closed without an answer, for nobody knows who
 * asked.
 */
import type { Socket } from 'node:net'
import { type Behalf, ProxyHeader } from '../wire/proxy-protocol.ts'
import { plainAddress, type Wire } from '../wire/wire.ts'
import type { Core, Member } from './core.ts'

type End = { readonly remoteAddress: string; readonly destroy: () => void }

/** What every such connection has, whatever it is read from. */
class Opening implements Member {
  readonly #core: Core
  readonly #end: End
  readonly #peer: string
  readonly #header = new ProxyHeader()
  readonly #deadlineMs: number
  #over = false

  constructor(core: Core, end: End) {
    this.#core = core
    this.#end = end
    this.#peer = end.remoteAddress
    this.#deadlineMs = core.nowMs() + core.limits.proxyHeaderMs
    core.clients.add(this)
  }

  /** The header, once it is whole, and how many of these bytes were its; then this is over. */
  take(bytes: Buffer): { readonly behalf: Behalf | null; readonly consumed: number } | null {
    const header = this.#header
    if (this.#over) return null
    const outcome = header.feed(bytes)
    if (outcome === 'fault') this.#refuse(header.fault)
    if (outcome !== 'done') return null
    this.left()
    return header
  }

  left(): void {
    this.#over = true
    this.#core.leave(this)
  }

  sweep(nowMs: number): void {
    if (nowMs >= this.#deadlineMs) this.#refuse('no PROXY header in time')
  }

  /** Who says nothing at all only looks whether the port is open. */
  ended(): void {
    if (this.#header.begun) this.#refuse('PROXY header broken off')
    else this.#end.destroy()
  }

  drain(): void {
    this.#end.destroy()
  }

  cut(): void {
    this.#end.destroy()
  }

  #refuse(reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#core.counters.badOpenings += 1
    this.#core.settings.onBadOpening(this.#peer, reason)
    this.#end.destroy()
  }
}

/** Calls `done` while the bytes behind the header are still lent. */
export function readOpening(
  core: Core,
  wire: Wire,
  done: (behalf: Behalf | null, rest: Buffer) => void,
): void {
  const opening = new Opening(core, wire)
  wire.use({
    wireBytes: (bytes) => {
      const found = opening.take(bytes)
      if (found !== null) done(found.behalf, bytes.subarray(found.consumed))
    },
    wireEnded: () => opening.ended(),
    wireDrained: ignore,
    wireClosed: () => opening.left(),
  })
}

/** Puts what is behind the header back, for whoever reads the socket next. */
export function readOpeningOf(core: Core, socket: Socket, done: (behalf: Behalf | null) => void): void {
  const opening = new Opening(core, {
    remoteAddress: plainAddress(socket.remoteAddress),
    destroy: () => void socket.destroy(),
  })
  const bytesCame = (bytes: Buffer) => {
    const found = opening.take(bytes)
    if (found === null) return
    socket.pause()
    for (const [event, heard] of heards) socket.off(event, heard)
    if (found.consumed < bytes.length) socket.unshift(bytes.subarray(found.consumed))
    done(found.behalf)
    // Whoever has it now reads what was put back first.
    process.nextTick(() => socket.resume())
  }
  const heards = [
    ['data', bytesCame],
    ['end', () => opening.ended()],
    ['error', ignore],
    ['close', () => opening.left()],
  ] as const
  for (const [event, heard] of heards) socket.on(event, heard)
}

function ignore(): void {
  // 'close' follows an error; nothing is written that could drain.
}
