/**
 * Where a request is from. A call that came in at another host is told about by that host; what a client says
 * of itself never counts.
 */
import type { IncomingMessage } from 'node:http'

const told = new WeakMap<IncomingMessage, string>()

export const tellClient = (request: IncomingMessage, address: string): void => void told.set(request, address)

/** Undefined: its connection is gone. */
export const clientOf = (request: IncomingMessage): string | undefined =>
  told.get(request) ?? request.socket.remoteAddress
