/**
 * The listener for other hosts: HTTPS by the platform's authority (contract.ts says what is served).
 *
 * A client certificate is asked for and not demanded by TLS, since a joiner has none yet; whoever comes
 * without one of ours gets no further than `POST /join/<token>`, in few and short connections.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { isIP, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { keySum } from '../certs/certificate.ts'
import {
  apiPath,
  attachProtocol,
  forwardedForHeader,
  PeerRefusal,
  peerLimits as limits,
  refusedHeader,
  type Peer,
  type PeerHandlers,
} from './contract.ts'
import { framed } from './frames.ts'
import { readJson, refusalOf, sendJson, sendRaw } from './json.ts'
import { sendSlug } from './send-slug.ts'
import { splice } from './splice.ts'

export type PeerServerOptions = {
  /** Port 0: any. */
  readonly listen: { readonly host: string; readonly port: number }
  /** PEM: this host's certificate and key, and the authority that signed it and all others. */
  readonly certificate: string
  readonly key: string
  readonly authority: string
  readonly handlers: PeerHandlers
}

export type PeerServer = {
  readonly port: number
  /** Stops accepting; what is under way may finish within `graceMs`, then every connection is closed. */
  readonly close: (graceMs: number) => Promise<void>
}

/** Listens; rejects when the port is taken. */
export const openPeerServer = (options: PeerServerOptions): Promise<PeerServer> => {
  const { handlers } = options
  const sockets = new Set<Duplex>()
  const strangers = new Set<Duplex>()
  const peers = new WeakMap<object, Peer>()
  const slugs = { sending: 0 }
  let apiCalls = 0

  const server = createServer({
    // A joiner finds the authority in the chain, by its sum.
    cert: `${options.certificate}\n${options.authority}`,
    key: options.key,
    ca: options.authority,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    handshakeTimeout: limits.handshakeMs,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: limits.keepAliveMs,
    maxHeaderSize: limits.headBytesMax + limits.addedHeadBytesMax,
    headersTimeout: limits.headMs,
    requestTimeout: limits.apiMs,
    keepAliveTimeout: limits.serverIdleMs,
  })
  server.maxConnections = limits.connectionsMax

  // Those that never get as far as TLS count too.
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy())
    const peer = peerOf(socket)
    if (peer !== undefined) return void peers.set(socket, peer)
    if (strangers.size >= limits.strangersMax) return void socket.destroy()
    strangers.add(socket)
    const late = setTimeout(() => socket.destroy(), limits.strangerMs)
    socket.once('close', () => {
      clearTimeout(late)
      strangers.delete(socket)
    })
  })

  /** @throws PeerRefusal when it is none of ours */
  const peerAt = (request: IncomingMessage): Peer => {
    const peer = peers.get(request.socket)
    if (peer === undefined)
      throw new PeerRefusal('certificate_wanted', 'a certificate of this cluster is wanted')
    if (!handlers.admits(peer)) throw new PeerRefusal('not_admitted', `${peer.name} is not in this cluster`)
    return peer
  }

  const answerApi = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    const { name } = peerAt(request)
    if (apiCalls >= limits.apiMax) throw new PeerRefusal('busy', 'too many calls are under way')
    const said = String(request.headers[forwardedForHeader])
    delete request.headers[forwardedForHeader]
    request.url = path
    apiCalls++
    response.once('close', () => void apiCalls--)
    if (!handlers.api(request, response, `${isIP(said) === 0 ? 'unknown' : said} at ${name}`))
      throw new PeerRefusal('not_here', 'this host serves no API')
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? '/'
    if (path.startsWith(`${apiPath}/`)) return answerApi(request, response, path.slice(apiPath.length))
    const late = setTimeout(() => {
      if (!request.complete) request.destroy()
    }, limits.joinMs)
    response.once('close', () => clearTimeout(late))
    const token = tokenIn(path, 'join')
    if (token !== undefined && request.method === 'POST') {
      const body = await readJson(request, limits.joinBytesMax)
      return sendJson(response, 200, await handlers.join(token, body, request.socket.remoteAddress ?? ''))
    }
    const peer = peerAt(request)
    const sha256 = /^\/slugs\/([0-9a-f]{64})$/.exec(path)?.[1]
    if (sha256 !== undefined && request.method === 'GET')
      return sendSlug(handlers.slug(sha256), request, response, slugs)
    if (request.method !== 'POST') throw new PeerRefusal('not_found', 'there is nothing at this path')
    const body = await readJson(request, limits.bodyBytesMax)
    return sendJson(response, 200, await handlers.call(path, body, peer))
  }
  server.on('request', (request, response) => {
    answer(request, response).catch((error: unknown) => {
      const refusal = refusalOf(error)
      if (refusal === undefined) handlers.failed(shown(request.url), error)
      if (response.headersSent) return void response.destroy()
      response.setHeader(refusedHeader, refusal?.body.error ?? failure.error)
      sendJson(response, refusal?.status ?? 500, refusal?.body ?? failure)
    })
  })

  const attach = async (request: IncomingMessage, socket: Duplex): Promise<void> => {
    const peer = peerAt(request)
    const met = tokenIn(request.url ?? '', 'client')
    const token = met ?? tokenIn(request.url ?? '', 'attach')
    if (token === undefined || request.headers.upgrade !== attachProtocol)
      throw new PeerRefusal('not_found', 'there is nothing to attach to at this path')
    if (met !== undefined) {
      const inside = framed(switched(socket))
      if (!handlers.client(met, inside)) inside.destroy()
      return
    }
    const client = await handlers.attach(token, peer).catch((error: unknown) => {
      throw asRefusal(error)
    })
    if (socket.destroyed) return void client.destroy()
    await splice(client, framed(switched(socket)))
  }
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (head.length > 0) socket.unshift(head)
    attach(request, socket).catch((error: unknown) => {
      const refusal = refusalOf(error)
      if (refusal === undefined) handlers.failed(shown(request.url), error)
      sendRaw(socket, refusal?.status ?? 500, refusal?.body ?? failure)
    })
  })

  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.listen.port, options.listen.host, () => {
      server.off('error', reject)
      resolve({
        port: (server.address() as AddressInfo).port,
        close: (graceMs) =>
          new Promise((closed) => {
            const grace = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs)
            server.close(() => {
              clearTimeout(grace)
              closed()
            })
            server.closeIdleConnections()
          }),
      })
    })
  })
}

const switched = (socket: Duplex): Duplex => {
  const upgrade = `Connection: Upgrade\r\nUpgrade: ${attachProtocol}`
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n\r\n`)
  return socket
}

/** A rendezvous that did not come about says why by a code of its own. */
const asRefusal = (error: unknown): unknown => {
  const { code } = error as { readonly code?: unknown }
  if (!(error instanceof Error) || typeof code !== 'string') return error
  return new PeerRefusal(code, error.message, { cause: error })
}

const failure = { error: 'failed', message: 'it failed there; its log says why' }

/** Undefined: no certificate, or none of ours. */
const peerOf = (socket: TLSSocket): Peer | undefined => {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
  const name = socket.getPeerCertificate().subject?.CN
  if (certificate === undefined || typeof name !== 'string') return undefined
  return { name, key: keySum(certificate.publicKey) }
}

const tokenIn = (path: string, kind: 'join' | 'attach' | 'client'): string | undefined =>
  new RegExp(`^/${kind}/([A-Za-z0-9_-]{16,128})$`).exec(path)?.[1]

/** A path for the log: tokens are secrets. */
const shown = (path: string | undefined): string =>
  (path ?? '').replace(/\?.*/, '').replace(/^(\/(?:join|attach|client)\/).*/, '$1…')
