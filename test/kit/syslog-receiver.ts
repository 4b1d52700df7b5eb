/** A receiver of syslog drains for a test: keeps the bytes of each connection; reads, or ends, when told. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Test } from 'tap'
import type { Identity } from './drains.ts'

export type SyslogReceiver = {
  readonly port: number
  /** Open and closed, in their order. */
  readonly connections: readonly Connection[]
}

type Connection = {
  readonly socket: Socket
  readonly bytes: () => Buffer
  /** Without a farewell, of TLS neither. */
  readonly reset: () => void
}

type Options = {
  readonly identity?: Identity
  /** What it does with a connection, before reading from it. */
  readonly onConnection?: (connection: Connection) => void
}

export const startSyslogReceiver = async (
  t: Test,
  { identity, onConnection }: Options = {},
): Promise<SyslogReceiver> => {
  const connections: Connection[] = []
  const below = new Map<number | undefined, Socket>()
  const take = (socket: Socket): void => {
    const chunks: Buffer[] = []
    const reset = (): void => void (below.get(socket.remotePort) ?? socket).resetAndDestroy()
    const connection = { socket, bytes: () => Buffer.concat(chunks), reset }
    connections.push(connection)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    onConnection?.(connection)
  }
  const server =
    identity === undefined
      ? createServer(take)
      : createTlsServer({ cert: identity.certificate, key: identity.key }, take)
  server.on('tlsClientError', () => {})
  server.on('connection', (socket: Socket) => below.set(socket.remotePort, socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const { socket } of connections) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, connections }
}
