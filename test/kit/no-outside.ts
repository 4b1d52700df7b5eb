/**
 * No outside: a proxy that refuses every address at once, for programs that would ask Heroku's own hosts.
 * What they then print is the same on a machine with a network and on one without.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Env } from './run.ts'

export type NoOutside = {
  /** Sends a program's calls to it, but for those to this machine. */
  readonly env: Env
  /** What was to be reached: `host:port`, oldest first. */
  readonly asked: readonly string[]
  readonly close: () => void
}

export const openNoOutside = async (): Promise<NoOutside> => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(403).end()
  })
  server.on('connect', (request, socket) => {
    asked.push(request.url ?? '')
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const local = 'localhost,127.0.0.1'
  return {
    env: {
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
      NO_PROXY: local,
      http_proxy: url,
      https_proxy: url,
      no_proxy: local,
    },
    asked,
    close: () => server.close(),
  }
}
