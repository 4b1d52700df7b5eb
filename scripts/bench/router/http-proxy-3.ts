/**
 * `http-proxy-3.ts PORT TLS_PORT ORIGIN DIR CERTIFICATE`: that library as a router's peer, at its best: kept
 * connections to the upstream, the same headers, and lines written many at once.
 */
import { randomUUID } from 'node:crypto'
import { openSync, readFileSync, writeSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { createProxyServer } from 'http-proxy-3'

const flushEveryMs = 100
const socketsMax = 64

const [port, tlsPort, origin, dir = '', certificate = ''] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: socketsMax })
const proxy = createProxyServer({ target: `http://127.0.0.1:${origin}`, agent, xfwd: true })
const file = openSync(join(dir, 'http-proxy-3-access.log'), 'a')
let lines: string[] = []

const web = (request: IncomingMessage, response: ServerResponse): void => {
  const began = performance.now()
  const id = randomUUID()
  request.headers['x-request-id'] = id
  request.headers['x-request-start'] = String(Date.now())
  request.headers['via'] = '1.1 http-proxy-3'
  response.setHeader('Via', '1.1 http-proxy-3')
  response.on('close', () => {
    const ms = Math.round(performance.now() - began)
    const { method, url, headers, socket } = request
    lines.push(
      `at=info method=${method} path="${url}" host=${headers.host} request_id=${id} ` +
        `fwd="${socket.remoteAddress}" dyno=web.1 service=${ms}ms status=${response.statusCode} protocol=http`,
    )
  })
  proxy.web(request, response)
}
const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
  proxy.ws(request, socket, head)
}

proxy.on('error', (_error, _request, response) => void response?.end())
setInterval(() => {
  if (lines.length > 0) writeSync(file, `${lines.join('\n')}\n`)
  lines = []
}, flushEveryMs)
const pem = readFileSync(certificate)
createServer(web).on('upgrade', upgrade).listen(Number(port), '127.0.0.1', 4_096)
createTlsServer({ cert: pem, key: pem }, web)
  .on('upgrade', upgrade)
  .listen(Number(tlsPort), '127.0.0.1', 4_096)
