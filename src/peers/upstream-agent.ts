/**
 * Connections to one of the hosts that answer calls: the same one while it is there, and the next when no
 * connection to it can be made. A request gets a connection that stands, so what it says is said to one host
 * alone.
 */
import { Agent } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import type { Duplex } from 'node:stream'
import { peerLimits as limits } from './contract.ts'
import { isHost } from './identity.ts'

export type Upstream = { readonly name: string; readonly address: string; readonly port: number }

export type UpstreamOptions = {
  /** PEM: whom to trust, and who we are. */
  readonly authority: string
  readonly certificate: string
  readonly key: string
  /** Who could answer now, the likeliest first. */
  readonly hosts: () => readonly Upstream[]
}

/** Nobody was told anything. */
export class NoUpstream extends Error {
  override readonly name = 'NoUpstream'
  readonly code = 'no_upstream'
}

export class UpstreamAgent extends Agent {
  readonly #options: UpstreamOptions
  readonly #hostOf = new Map<Duplex, string>()
  #chosen: string | undefined

  constructor(options: UpstreamOptions) {
    // Of an idle connection; what is under way may be silent for as long as it likes.
    super({ keepAlive: true, timeout: limits.idleMs, maxFreeSockets: limits.connectionsPerPeerMax })
    this.#options = options
  }

  /** Who is asked next; undefined: there is nobody. */
  current(): string | undefined {
    const hosts = this.#order()
    this.#choose(hosts[0]?.name)
    return this.#chosen
  }

  /** It took no call: the next one asks another. */
  passOver(host: string): void {
    if (host === this.#chosen) this.#choose(this.#order().find(({ name }) => name !== host)?.name ?? host)
  }

  hostOf(socket: Duplex): string {
    return this.#hostOf.get(socket) ?? ''
  }

  /** Ends what is under way with hosts that are gone, which would be waited for until TCP gives up. */
  drop(isGone: (host: string) => boolean): void {
    for (const [socket, host] of this.#hostOf) if (isGone(host)) socket.destroy()
  }

  close(): void {
    this.drop(() => true)
    this.destroy()
  }

  override createConnection(
    _options: unknown,
    done: (error: Error | null, socket: Duplex) => void = () => undefined,
  ): undefined {
    this.#open().then(
      (socket) => done(null, socket),
      (error: Error) => done(error, undefined as never),
    )
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const mayBeKept: unknown = super.keepSocketAlive(socket)
    return mayBeKept === true && this.hostOf(socket) === this.#chosen
  }

  async #open(): Promise<Duplex> {
    let cause: unknown
    for (const host of this.#order().slice(0, limits.peersMax)) {
      try {
        const socket = await dial(host, this.#options)
        this.#hostOf.set(socket, host.name)
        socket.once('close', () => this.#hostOf.delete(socket))
        this.#choose(host.name)
        return socket
      } catch (error) {
        cause = error
      }
    }
    throw new NoUpstream('no host that answers calls can be reached', { cause })
  }

  #order(): readonly Upstream[] {
    const hosts = this.#options.hosts()
    const chosen = hosts.filter(({ name }) => name === this.#chosen)
    return [...chosen, ...hosts.filter(({ name }) => name !== this.#chosen)]
  }

  #choose(host: string | undefined): void {
    if (host === this.#chosen) return
    this.#chosen = host
    for (const idle of Object.values(this.freeSockets).flat())
      if (idle !== undefined && this.hostOf(idle) !== host) idle.destroy()
  }
}

const dial = ({ name, address, port }: Upstream, options: UpstreamOptions): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host: address,
      port,
      servername: name,
      ca: options.authority,
      cert: options.certificate,
      key: options.key,
      minVersion: 'TLSv1.3',
      checkServerIdentity: isHost(name),
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, limits.keepAliveMs)
    const late = setTimeout(() => socket.destroy(new Error('no connection in time')), limits.connectMs)
    socket.on('error', reject)
    socket.once('close', () => {
      clearTimeout(late)
      reject(new Error('the connection was closed'))
    })
    socket.once('secureConnect', () => {
      clearTimeout(late)
      resolve(socket)
    })
  })
