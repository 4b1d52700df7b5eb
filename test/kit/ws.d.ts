/** Types for the part of npm `ws` that the tests use; the package has none. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events'
  import type { IncomingMessage, Server } from 'node:http'
  type SendOptions = {
    readonly fin?: boolean
    readonly binary?: boolean
    readonly compress?: boolean
  }
  export class WebSocket extends EventEmitter {
    constructor(url: string, options?: Readonly<Record<string, unknown>>)
    readonly readyState: number
    readonly extensions: string
    readonly protocol: string
    readonly bufferedAmount: number
    send(data: Buffer | string, options?: SendOptions): void
    ping(data?: Buffer | string): void
    close(code?: number, reason?: string): void
    terminate(): void
  }
  export class WebSocketServer extends EventEmitter {
    constructor(options: Readonly<Record<string, unknown>> & { readonly server?: Server })
    readonly clients: ReadonlySet<WebSocket>
    on(event: 'connection', listener: (socket: WebSocket, request: IncomingMessage) => void): this
    close(): void
  }
}
