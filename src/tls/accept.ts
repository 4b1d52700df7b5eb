/**
 * TLS on accepted connections: which certificate by the name that a client asks for (SNI), which protocol
 * inside it (ALPN). Certificates are asked for at each handshake, so a new one counts from the next on and
 * connections that are open keep theirs.
 */
import type { Socket } from 'node:net'
import { createServer, type SecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls'

/** What sessions are resumed by: 48 secret bytes, the same wherever one may be resumed. */
export type TicketKeys = {
  readonly now: () => Buffer
  /** Calls back when they are others; the returned function ends that. */
  readonly onChange: (changed: () => void) => () => void
}

/** Of every context: a session is resumed where it is the same as where the session began. */
export const sessionIdContext = 'router'

export type TlsCertificates = {
  /** For that name, in lower case and without a trailing dot; undefined: the default one's. */
  readonly contextFor: (name: string) => SecureContext | undefined | Promise<SecureContext | undefined>
  /** What those are shown who ask for no name, and for none that has its own. */
  readonly fallback: () => { readonly certificate: string; readonly key: string }
  /** Calls back when `fallback` is another; the returned function ends that. */
  readonly onFallback: (changed: () => void) => () => void
  /** Undefined: sessions are resumed by who began them, and by nobody else. */
  readonly tickets?: TicketKeys
}

export type TlsAcceptor = {
  /** Takes a connection whose first byte has not been read, or was put back. */
  readonly take: (socket: Socket) => void
  readonly close: () => void
}

const protocols = ['h2', 'http/1.1']

/** @param secured called with each connection when its handshake is done, and the socket below it */
export function createTlsAcceptor(
  certificates: TlsCertificates,
  handshakeMs: number,
  secured: (socket: TLSSocket, below: Socket) => void,
): TlsAcceptor {
  const { tickets } = certificates
  const shown = (): SecureContextOptions & { readonly ticketKeys?: Buffer } => {
    const { certificate, key } = certificates.fallback()
    const context = { cert: certificate, key, minVersion: 'TLSv1.2', sessionIdContext } as const
    return tickets === undefined ? context : { ...context, ticketKeys: tickets.now() }
  }
  const server = createServer({
    ...shown(),
    ALPNProtocols: protocols,
    handshakeTimeout: handshakeMs,
    SNICallback: (name, answer) => {
      const found = contextOf(certificates, name)
      if (found instanceof Promise) void found.then((context) => answer(null, context))
      else answer(null, found)
    },
  })
  // The event names no other way from one to the other.
  const open = new Map<string, Socket>()
  server.on('secureConnection', (socket) => {
    const below = open.get(peerOf(socket))
    if (below === undefined) socket.destroy()
    else secured(socket, below)
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  const quiet = [certificates.onFallback, tickets?.onChange].map((on) =>
    on?.(() => server.setSecureContext(shown())),
  )
  const take = (socket: Socket): void => {
    const peer = peerOf(socket)
    open.set(peer, socket)
    socket.once('close', () => {
      if (open.get(peer) === socket) open.delete(peer)
    })
    server.emit('connection', socket)
  }
  const close = (): void => {
    for (const end of quiet) end?.()
  }
  return { take, close }
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

/** A name whose certificate can't be had is shown the fallback: it may be served all the same. */
function contextOf(
  { contextFor }: TlsCertificates,
  asked: string,
): SecureContext | undefined | Promise<SecureContext | undefined> {
  try {
    const found = contextFor(plainName(asked))
    return found instanceof Promise ? found.catch(() => undefined) : found
  } catch {
    return undefined
  }
}

/** A server name as routes know it. */
export function plainName(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}
