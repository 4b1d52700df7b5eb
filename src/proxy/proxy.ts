/**
 * A reverse proxy on sockets, to targets that speak HTTP/1.1: the data path of one router process.
 *
 * It is given callbacks that say where requests go and that take a record of each; it knows nothing of
 * where routes come from. Listeners may share their port with other processes (SO_REUSEPORT).
 */
import { randomUUID } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { RequestHead } from '../http1/request-head.ts'
import { createTlsAcceptor, plainName, type TlsCertificates } from '../tls/accept.ts'
import type { Behalf } from '../wire/proxy-protocol.ts'
import { bare } from '../wire/bare.ts'
import { acceptWires, serverOptions } from '../wire/connect.ts'
import { duplexOf } from '../wire/duplex.ts'
import { SocketWire } from '../wire/socket-wire.ts'
import { plainAddress, type Wire } from '../wire/wire.ts'
import { Client, type Listener } from './client.ts'
import { systemClock, type TlsVersion } from './contract.ts'
import { Core, type Counters, type ProxySettings } from './core.ts'
import { Exchange } from './exchange.ts'
import { readOpening, readOpeningOf } from './opening.ts'
import type { SiblingEvents } from './siblings.ts'
import { Session } from './session.ts'
import { assertLimits, defaultLimits, type ProxyLimits } from './limits.ts'

export type ProxyOptions = Pick<ProxySettings, 'resolve' | 'onDone'> &
  Partial<Omit<ProxySettings, 'resolve' | 'onDone' | 'limits'>> & { readonly limits?: Partial<ProxyLimits> }

const tlsVersions: Readonly<Record<string, TlsVersion>> = { 'TLSv1.2': 'tls1.2', 'TLSv1.3': 'tls1.3' }

/** A balancer that names the port of HTTPS has ended TLS itself. */
const httpsPort = 443

const listenerFor = ({ port }: Behalf): Listener =>
  port === httpsPort
    ? { protocol: 'https', port, version: 'http1.1', tls: 'unknown' }
    : { protocol: 'http', port, version: 'http1.1', tls: '' }

export type ListenOptions = {
  /** 0: any free port. */
  readonly port: number
  readonly host: string
  /** Share the port with other processes that say so too; the kernel spreads connections over them. */
  readonly reusePort?: boolean
  /** The port that targets are told of, where a front end's differs from this socket's. */
  readonly forwardedPort?: number
  /** Serve TLS with these. */
  readonly tls?: TlsCertificates
  /**
   * Whether connections of this peer begin with a PROXY header, before TLS too: then they must, and the
   * client's address and port are those it names. Others are clients themselves.
   */
  readonly isBalancer?: (peer: string) => boolean
}

export type ProxyStats = Readonly<Counters> & {
  readonly openClients: number
  /** Clients whose responses wait for them to read. */
  readonly stalledClients: number
  /** Apps with a request in flight, a connection of a client or to a target, or a target left alone. */
  readonly activeApps: number
  readonly inFlight: number
}

export type Proxy = {
  /** Opens a listener; rejects with the socket's error, such as EADDRINUSE. */
  readonly listen: (options: ListenOptions) => Promise<{ readonly port: number }>
  /**
   * Graceful end: accepts no more, closes idle connections, lets requests in flight finish with
   * `Connection: close`. What is left after `timeoutMs` is cut and recorded as H24.
   */
  readonly drain: (timeoutMs: number) => Promise<void>
  /** `drain` without waiting. */
  readonly close: () => Promise<void>
  readonly stats: () => ProxyStats
  /** To be told what becomes of `siblings`. */
  readonly siblings: SiblingEvents
}

/** Makes a proxy; it does nothing until `listen`. Limits are checked and throw when they make no sense. */
export function createProxy(options: ProxyOptions): Proxy {
  const limits = { ...defaultLimits, ...options.limits }
  assertLimits(limits)
  const core = new Core({
    clock: systemClock,
    random: Math.random,
    newId: randomUUID,
    name: 'manifold-router',
    bare,
    isServedTogether: () => true,
    onBadOpening: () => undefined,
    siblings: null,
    backlogOf: null,
    ...options,
    limits,
  })
  const servers: Server[] = []
  const begin = (client: Client, head: RequestHead) => new Exchange(core, client, head)

  const room = () => core.clients.size < limits.connectionsMax

  function accept(wire: Wire, listener: Listener, address: string | null = null): Client | null {
    if (!room()) {
      wire.destroy()
      return null
    }
    core.counters.connections += 1
    const client = new Client(core, wire, listener, begin, switchToHttp2, address)
    if (core.draining) client.drain()
    return client
  }

  function switchToHttp2({ wire, listener, address }: Client, first: Buffer): void {
    const own: Listener = { ...listener, version: 'http2.0' }
    const made = { remoteAddress: address, listener: own, serverName: '' }
    const session = new Session(core, duplexOf(wire, first), made, begin)
    if (core.draining) session.drain()
  }

  function secured(socket: TLSSocket, below: Socket, port: number, behalf: Behalf | null): void {
    const isHttp2 = socket.alpnProtocol === 'h2'
    const tls = tlsVersions[socket.getProtocol() ?? ''] ?? 'unknown'
    const version = isHttp2 ? 'http2.0' : 'http1.1'
    const listener: Listener = { port: behalf?.port ?? port, protocol: 'https', tls, version }
    const address = behalf?.address ?? null
    if (!isHttp2) accept(new SocketWire(socket, below), listener, address)
    else if (room()) {
      const serverName = typeof socket.servername === 'string' ? plainName(socket.servername) : ''
      const remoteAddress = address ?? plainAddress(socket.remoteAddress)
      core.counters.connections += 1
      const session = new Session(core, socket, { remoteAddress, listener, serverName }, begin)
      if (core.draining) session.drain()
    } else socket.destroy()
  }

  async function listen({ port, host, reusePort, forwardedPort, tls, isBalancer }: ListenOptions) {
    const server = createServer(serverOptions)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host, reusePort: reusePort ?? false, backlog: 1024 }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    servers.push(server)
    const bound = server.address()
    const actual = bound !== null && typeof bound === 'object' ? bound.port : port
    const told = forwardedPort ?? actual
    if (tls === undefined) takePlain(server, told, isBalancer)
    else takeTls(server, told, tls, isBalancer)
    return { port: actual }
  }

  function takePlain(server: Server, port: number, isBalancer: ListenOptions['isBalancer']): void {
    const listener: Listener = { protocol: 'http', port, version: 'http1.1', tls: '' }
    const take = (wire: Wire) => accept(wire, listener)
    const takeBehalf = (wire: Wire) => {
      if (!room()) wire.destroy()
      else if (isBalancer?.(wire.remoteAddress) !== true) take(wire)
      else
        readOpening(core, wire, (behalf, rest) => {
          const client = accept(wire, behalf === null ? listener : listenerFor(behalf), behalf?.address)
          if (rest.length > 0) client?.wireBytes(rest)
        })
    }
    acceptWires(core.settings.bare, server, isBalancer === undefined ? take : takeBehalf)
  }

  function takeTls(
    server: Server,
    port: number,
    tls: TlsCertificates,
    isBalancer: ListenOptions['isBalancer'],
  ): void {
    const behalves = new WeakMap<Socket, Behalf>()
    const acceptor = createTlsAcceptor(tls, limits.handshakeMs, (socket, below) =>
      secured(socket, below, port, behalves.get(below) ?? null),
    )
    server.on('connection', (socket) => {
      if (!room()) socket.destroy()
      else if (isBalancer?.(plainAddress(socket.remoteAddress)) !== true) acceptor.take(socket)
      else
        readOpeningOf(core, socket, (behalf) => {
          if (behalf !== null) behalves.set(socket, behalf)
          acceptor.take(socket)
        })
    })
    server.on('close', acceptor.close)
  }

  async function drain(timeoutMs: number): Promise<void> {
    core.draining = true
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
    for (const client of core.clients) client.drain()
    if (timeoutMs > 0) await emptied(core.nowMs() + timeoutMs)
    for (const client of core.clients) client.cut()
    await emptied(Number.POSITIVE_INFINITY)
    await Promise.all(closed)
    core.stop()
  }

  /** Until the last client has gone, or the time is up. */
  function emptied(endMs: number): Promise<void> {
    if (core.clients.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        stop()
        core.emptied = null
        resolve()
      }
      const stop = core.settings.clock.every(limits.sweepMs, () => {
        if (core.nowMs() >= endMs) done()
      })
      core.emptied = done
    })
  }

  return {
    listen,
    drain,
    close: () => drain(0),
    siblings: {
      joined: (peer) => core.shares.joined(peer),
      left: (peer) => core.shares.left(peer),
      heard: (peer, message) => core.heard(peer, message),
    },
    stats: () => {
      let inFlight = 0
      for (const app of core.load.apps()) inFlight += app.inFlight
      return {
        ...core.counters,
        openClients: core.clients.size,
        stalledClients: core.stalled,
        activeApps: core.load.size,
        inFlight,
      }
    },
  }
}
