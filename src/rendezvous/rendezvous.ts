/**
 * Rendezvous: where a client and the process it attaches to meet, by a token that only those two know.
 *
 * Either may come first, within the token's time to live. A client is told `rendezvous\r\n` once its peer
 * is here: the stock client throws the first chunk away whatever it holds, so the greeting is a write of
 * its own and has left before the peer may write. What the client sends early stays in its paused socket
 * (bounded by its window).
 */
import type { Duplex } from 'node:stream'

const greeting = 'rendezvous\r\n'

export class RendezvousFailed extends Error {
  override readonly name = 'RendezvousFailed'
  readonly code: 'timeout' | 'taken' | 'closed'
  constructor(code: 'timeout' | 'taken' | 'closed', message: string) {
    super(message)
    this.code = code
  }
}

export type Rendezvous = {
  /** Makes a token known, so that its client may come before its peer. */
  readonly reserve: (token: string, ttlMs: number) => void
  /**
   * The peer's side: resolves with the client's socket, greeted and paused, within `timeoutMs`.
   * Fails with `RendezvousFailed`: `timeout` (no client came), `taken` (somebody waits already), `closed`.
   */
  readonly expect: (token: string, timeoutMs: number) => Promise<Duplex>
  /** The client's side: false when nobody knows the token; the caller closes the socket then. */
  readonly accept: (token: string, socket: Duplex) => boolean
  /** Closes whoever waits. */
  readonly close: () => void
}

/**
 * Passes a greeting on from where the token is known: a write of its own again, which has left before what
 * follows it may. Resolves with false when one of the two is gone before that.
 */
export const passGreeting = (from: Duplex, client: Duplex): Promise<boolean> =>
  new Promise((resolve) => {
    let seen: Buffer = Buffer.alloc(0)
    const settle = (isGreeted: boolean): void => {
      from.off('data', take).off('close', gone)
      client.off('close', gone)
      resolve(isGreeted)
    }
    const gone = (): void => {
      from.destroy()
      client.destroy()
      settle(false)
    }
    const take = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk])
      if (seen.length < greeting.length) return
      from.off('data', take).pause()
      if (seen.length > greeting.length) from.unshift(seen.subarray(greeting.length))
      client.write(seen.subarray(0, greeting.length), () => settle(!client.destroyed && !from.destroyed))
    }
    from.once('close', gone)
    client.once('close', gone)
    if (from.destroyed || client.destroyed) return gone()
    from.on('data', take)
  })

type Entry = {
  client?: Duplex
  peer?: { readonly resolve: (socket: Duplex) => void; readonly reject: (error: RendezvousFailed) => void }
  timer: NodeJS.Timeout
}

/** @param limits how many tokens may be known at once; reserving more fails with `RangeError` */
export const createRendezvous = (limits: { readonly tokensMax: number }): Rendezvous => {
  const entries = new Map<string, Entry>()

  const expire = (token: string, code: 'timeout' | 'closed'): void => {
    const entry = entries.get(token)
    if (entry === undefined) return
    entries.delete(token)
    clearTimeout(entry.timer)
    entry.client?.destroy()
    entry.peer?.reject(new RendezvousFailed(code, code === 'timeout' ? 'no client came in time' : 'closed'))
  }

  const open = (token: string, ttlMs: number): Entry => {
    const known = entries.get(token)
    if (known !== undefined) clearTimeout(known.timer)
    else if (entries.size >= limits.tokensMax) throw new RangeError(`over ${limits.tokensMax} tokens`)
    const timer = setTimeout(() => expire(token, 'timeout'), ttlMs)
    const entry = known ?? { timer }
    entry.timer = timer
    entries.set(token, entry)
    return entry
  }

  const meet = (token: string, entry: Entry): void => {
    const { client, peer } = entry
    if (client === undefined || peer === undefined) return
    entries.delete(token)
    clearTimeout(entry.timer)
    client.write(greeting, () => peer.resolve(client))
  }

  return {
    reserve(token, ttlMs) {
      open(token, ttlMs)
    },
    expect: (token, timeoutMs) =>
      new Promise((resolve, reject) => {
        if (entries.get(token)?.peer !== undefined) {
          reject(new RendezvousFailed('taken', 'this token is awaited already'))
          return
        }
        const entry = open(token, timeoutMs)
        entry.peer = { resolve, reject }
        meet(token, entry)
      }),
    accept(token, socket) {
      const entry = entries.get(token)
      if (entry === undefined || entry.client !== undefined) return false
      socket.pause()
      // A client that goes away while it waits leaves room for its next try.
      const gone = (): void => {
        if (entry.client === socket) delete entry.client
      }
      socket.once('close', gone)
      socket.once('error', gone)
      entry.client = socket
      meet(token, entry)
      return true
    },
    close() {
      for (const token of entries.keys()) expire(token, 'closed')
    },
  }
}
