/** The one dyno of every app: whoever connects gets a short answer, whatever was asked. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

export type Dyno = {
  readonly port: number
  stop(): Promise<void>
}

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'

export const startDyno = async (): Promise<Dyno> => {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    // A router that has its answer may hang up in any way it likes.
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    stop: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
