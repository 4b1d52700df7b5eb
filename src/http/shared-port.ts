/**
 * One port for http, https and one thing more, told apart by the first bytes.
 *
 *   0x16 (a TLS handshake record)   TLS; inside it, HTTP or the other
 *   anything else                   HTTP or the other, in clear
 *
 * The stock client wants all on one port: it makes `https` git addresses from an `http` API address, and
 * dials the same host and port for an attached run. Bytes read to decide are put back, so nobody misses any.
 */
import type { EventEmitter } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Duplex } from 'node:stream'

/** What to do with a connection, and how many of the bytes read so far that has used up. */
export type Verdict = { readonly used: number; readonly next: () => void }

/**
 * Looks at the first bytes of a connection. Undefined: it takes more of them to know.
 * @param isSecure they came through TLS
 */
export type Other = (bytes: Buffer, socket: Duplex, isSecure: boolean) => Verdict | 'http' | undefined

export type SharedPortOptions = {
  /** Gets plain and TLS connections alike, by its `connection` event. */
  readonly http: HttpServer
  readonly tls: { readonly certificate: string; readonly key: string }
  readonly other: Other
  readonly limits: {
    /** How long a client may take to say what it wants. */
    readonly firstBytesMs: number
    readonly connectionsMax: number
  }
}

export type SharedPort = {
  readonly port: number
  /** Stops accepting; what is under way may finish within `graceMs`, then every connection is closed. */
  readonly close: (graceMs: number) => Promise<void>
}

const tlsHandshake = 0x16
/** Of a peer that is silent its machine is asked: one that is gone would keep its place for hours. */
const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }

/** Listens; rejects when the port is taken. */
export const listenShared = (
  address: { readonly host: string; readonly port: number },
  options: SharedPortOptions,
): Promise<SharedPort> => {
  const { http, limits } = options
  // It never listens itself; without this event it would neither time out slow clients nor know idle ones.
  http.emit('listening')
  const quiet = quietCloser(http)
  const sockets = new Set<Duplex>()
  const hold = (socket: Duplex): void => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // A connection that breaks is its handler's matter; without a listener it would be the process's.
    socket.on('error', () => socket.destroy())
  }

  const verdict: (...given: Parameters<Other>) => Verdict | undefined = (bytes, socket, isSecure) => {
    const found = options.other(bytes, socket, isSecure)
    return found === 'http' ? { used: 0, next: () => handOver(http, socket) } : found
  }
  const secure = createTlsServer({
    cert: options.tls.certificate,
    key: options.tls.key,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: limits.firstBytesMs,
  })
  secure.on('secureConnection', (socket) => {
    hold(socket)
    whenKnown(socket, limits, (bytes) => verdict(bytes, socket, true))
  })
  secure.on('tlsClientError', (_error, socket) => socket.destroy())

  const server = createServer(socketOptions, (socket: Socket) => {
    hold(socket)
    whenKnown(socket, limits, (bytes) =>
      bytes[0] === tlsHandshake
        ? { used: 0, next: () => handOver(secure, socket) }
        : verdict(bytes, socket, false),
    )
  })
  server.maxConnections = limits.connectionsMax

  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, () => {
      server.off('error', reject)
      resolve({
        port: (server.address() as AddressInfo).port,
        close: (graceMs) =>
          new Promise((closed) => {
            const grace = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs)
            server.close(() => {
              clearTimeout(grace)
              http.close()
              closed()
            })
            quiet.close()
          }),
      })
    })
  })
}

/**
 * Closes connections as soon as they have nothing under way. Node's own way to do that takes a response for
 * done when its end was asked for, with megabytes still to be sent.
 */
const quietCloser = (http: HttpServer): { readonly close: () => void } => {
  const idle = new Set<Duplex>()
  const known = new WeakSet<Duplex>()
  let closing = false
  http.on('connection', (socket) => {
    known.add(socket)
    idle.add(socket)
    socket.once('close', () => idle.delete(socket))
  })
  http.on('request', ({ socket }, response) => {
    // Another server's, which lends its requests.
    if (!known.has(socket)) return
    idle.delete(socket)
    response.once('close', () => {
      if (closing) socket.end()
      else if (!socket.destroyed) idle.add(socket)
    })
  })
  return {
    close() {
      closing = true
      for (const socket of idle) socket.destroy()
    },
  }
}

/** Gives a socket with bytes put back to a server: it reads them first, then the rest as they come. */
const handOver = (server: EventEmitter, socket: Duplex): void => {
  server.emit('connection', socket)
  process.nextTick(() => socket.resume())
}

/**
 * Reads until `decide` gives a verdict, puts the unused bytes back and goes on with it.
 * The socket is paused in between, so that its next owner gets every byte.
 */
const whenKnown = (
  socket: Duplex,
  limits: SharedPortOptions['limits'],
  decide: (bytes: Buffer) => Verdict | undefined,
): void => {
  let seen: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => socket.destroy(), limits.firstBytesMs)
  socket.once('close', () => clearTimeout(timer))
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const verdict = decide(seen)
    if (verdict === undefined) return
    clearTimeout(timer)
    socket.off('data', onData)
    socket.pause()
    if (seen.length > verdict.used) socket.unshift(seen.subarray(verdict.used))
    verdict.next()
  }
  socket.on('data', onData)
}
