/** A receiver of syslog drains for a test: keeps the bytes of each connection; reads, or ends, when told. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Test } from 'tap'
import type { Identity } from './drains.ts'

export type SyslogReceiver = {
  readonly port: number
  /** Open and closed, in their order. */
  readonly connections: readonly { readonly socket: Socket; readonly bytes: () => Buffer }[]
}

type Options = {
  readonly identity?: Identity
  /** What it does with a connection, before reading from it. */
  readonly onConnection?: (socket: Socket) => void
}

export const startSyslogReceiver = async (
  t: Test,
  { identity, onConnection }: Options = {},
): Promise<SyslogReceiver> => {
  const connections: { socket: Socket; bytes: () => Buffer }[] = []
  const take = (socket: Socket): void => {
    const chunks: Buffer[] = []
    connections.push({ socket, bytes: () => Buffer.concat(chunks) })
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    onConnection?.(socket)
  }
  const server =
    identity === undefined
      ? createServer({ allowHalfOpen: true }, take)
      : createTlsServer({ cert: identity.certificate, key: identity.key, allowHalfOpen: true }, take)
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const { socket } of connections) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, connections }
}
