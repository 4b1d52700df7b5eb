/**
 * Calls of a host that has no API, passed on to one that has, over the peers' TLS: streamed both ways, under
 * what the client sent and nothing of ours but where it is. The door to http-proxy-3.
 *
 * An answer that breaks off there breaks off here; none that has begun is ever ended for the client as if it
 * were whole.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { createProxyServer } from 'http-proxy-3'
import { apiPath, forwardedForHeader, peerLimits as limits, refusedHeader } from './contract.ts'
import { NoUpstream, UpstreamAgent, type UpstreamOptions } from './upstream-agent.ts'

export type ForwardOptions = UpstreamOptions & {
  /** Answers in place of a host. @param isUndone surely nothing was done */
  readonly refuse: (response: ServerResponse, isUndone: boolean) => void
}

export type Forward = {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** The host that calls go to; undefined: there is none. */
  readonly current: () => string | undefined
  /** Ends what is under way with hosts that are gone. */
  readonly drop: (isGone: (host: string) => boolean) => void
  /** Ends all that is under way. */
  readonly close: () => void
}

/**
 * Between two ends of one connection, or not for a client to say. What frames the body is not among them: it
 * is what keeps one request from being taken for two.
 */
const notPassedOn = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  // Said already, by our own server.
  'expect',
  forwardedForHeader,
]
const notPassedBack = new Set(['connection', 'keep-alive', 'transfer-encoding'])

export const openForward = (options: ForwardOptions): Forward => {
  const agent = new UpstreamAgent(options)
  // The name is never looked up: the agent knows where to.
  const target = new URL(`https://api.invalid${apiPath}`)
  const proxy = createProxyServer({ target, agent, toProxy: true, selfHandleResponse: true })
  const sent = new WeakMap<ServerResponse, ClientRequest>()
  let underWay = 0
  let isOpen = true

  /** Undone: nobody was told, or who was told did not take it, or it was to change nothing. */
  const refuse = (response: ServerResponse, isUndone: boolean): void => {
    if (response.headersSent || response.destroyed) return
    // What was not read of the request would be taken for the next one.
    if (!response.req.complete) response.shouldKeepAlive = false
    options.refuse(response, isUndone)
  }

  proxy.on('proxyReq', (request, _request, response) => void sent.set(response, request))
  proxy.on('proxyRes', (answer, request, response) => {
    answer.on('error', () => undefined)
    if (answer.headers[refusedHeader] !== undefined) {
      agent.passOver(agent.hostOf(answer.socket))
      answer.resume()
      return refuse(response, true)
    }
    answer.once('close', () => {
      if (!answer.complete) breakOff(request, response)
    })
    if (!request.complete) response.shouldKeepAlive = false
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, passedBack(answer.rawHeaders))
    // A tail may say nothing for long after it has begun.
    response.flushHeaders()
    answer.pipe(response)
  })

  const pass = (request: IncomingMessage, response: ServerResponse, failed: (error: Error) => void): void => {
    const { method = 'GET' } = request
    try {
      // Of a DELETE with a body in chunks the library would drop the framing and send the body, which the
      // other host would take for a request of ours.
      request.method = 'POST'
      proxy.web(request, response, { method }, failed)
    } catch {
      // What cannot be put in a request was not sent.
      refuse(response, true)
    } finally {
      request.method = method
    }
  }

  return {
    current: () => agent.current(),
    drop: (isGone) => agent.drop(isGone),
    close: () => {
      isOpen = false
      agent.close()
    },
    handle(request, response) {
      if (underWay >= limits.forwardedMax || agent.current() === undefined) return refuse(response, true)
      underWay++
      response.once('close', () => {
        underWay--
        // Answered before it was all said: the rest is nobody's.
        if (!request.complete) sent.get(response)?.destroy()
      })
      for (const name of notPassedOn) delete request.headers[name]
      request.headers[forwardedForHeader] = request.socket.remoteAddress
      request.url = pathOf(request.url ?? '/')
      let mayAskAgain = isReading(request)
      pass(request, response, (error) => {
        const isOver = error instanceof NoUpstream || response.headersSent || response.destroyed
        if (isOver || !isOpen || !mayAskAgain) return refuse(response, error instanceof NoUpstream)
        mayAskAgain = false
        // Its host is gone, and what was to be read is there on others.
        pass(request, response, () => refuse(response, true))
      })
    },
  }
}

/** Nothing is changed by it, and nothing comes after its head. */
const isReading = ({ method, headers }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD') &&
  !('transfer-encoding' in headers) &&
  (headers['content-length'] ?? '0') === '0'

/** As sent; of the form that is meant for proxies, the path alone. */
const pathOf = (url: string): string => {
  const path = url.replace(/^https?:\/\/[^/?]*/i, '')
  return path.startsWith('/') ? path : `/${path}`
}

const passedBack = (rawHeaders: readonly string[]): string[] => {
  const passed: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
    if (!notPassedBack.has(name.toLowerCase())) passed.push(name, value)
  }
  return passed
}

/** The end of a connection is the end of an answer for a client that knows no better: it gets a reset. */
const breakOff = (request: IncomingMessage, response: ServerResponse): void => {
  const { socket } = request
  const isPlain = socket instanceof Socket && !(socket instanceof TLSSocket)
  if (isPlain && request.httpVersion === '1.0' && !response.writableFinished) socket.resetAndDestroy()
  else response.destroy()
}
