/**
 * Opens wires: to an address, and for what a listening server accepts. Bare handles where they can be had.
 */
import { connect, isIP, type Server, type Socket } from 'node:net'
import type { Bare } from './bare.ts'
import { BareWire } from './bare-wire.ts'
import { SocketWire } from './socket-wire.ts'
import type { Wire } from './wire.ts'

/** Connects; whoever uses the wire hears `wireConnected`, or `wireClosed` with the reason. */
export function openWire(bare: Bare | null, address: string, port: number): Wire {
  const family = isIP(address)
  if (bare !== null && (family === 4 || family === 6)) return BareWire.connect(bare, address, port, family)
  return new SocketWire(
    connect({ host: address, port, noDelay: true, allowHalfOpen: true, autoSelectFamily: false }),
  )
}

/** Has each connection of a server that listens taken as a wire. The server was made with `serverOptions`. */
export function acceptWires(bare: Bare | null, server: Server, take: (wire: Wire) => void): void {
  if (bare?.accept(server, (handle) => take(BareWire.accepted(bare, handle))) === true) return
  server.on('connection', (socket: Socket) => take(new SocketWire(socket)))
}

/** What `acceptWires` counts on. */
export const serverOptions = { allowHalfOpen: true, noDelay: true } as const
