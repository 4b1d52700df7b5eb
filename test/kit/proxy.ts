/**
 * Kit for the proxy: raw peers on both sides of it over loopback, a clock that the test moves, and the
 * records it made.
 */
import { createServer, connect, type Socket } from 'node:net'
import type { AccessRecord, Decision, ProxyClock, Route, Upstream } from '../../src/proxy/contract.ts'
import type { ProxyLimits } from '../../src/proxy/limits.ts'
import { createProxy, type Proxy, type ProxyOptions } from '../../src/proxy/proxy.ts'
import type { Ends } from './ends.ts'
import { until } from './until.ts'

/** Time stands still until `advance`, which then runs what is due as a sweep would. */
export class ManualClock implements ProxyClock {
  #nowMs = 1000
  readonly #ticks = new Set<() => void>()
  readonly nowMs = () => this.#nowMs
  readonly epochMs = () => 1_700_000_000_000 + this.#nowMs
  readonly every = (_ms: number, tick: () => void) => {
    this.#ticks.add(tick)
    return () => void this.#ticks.delete(tick)
  }
  advance(ms: number): void {
    this.#nowMs += ms
    for (const tick of this.#ticks) tick()
  }
}

/** One end of a connection, spoken to in raw text. */
export class Peer {
  readonly socket: Socket
  text = ''
  ended = false
  closed = false
  error: NodeJS.ErrnoException | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => (this.text += bytes.toString('latin1')))
    socket.on('end', () => (this.ended = true))
    socket.on('error', (error) => (this.error = error))
    socket.on('close', () => (this.closed = true))
  }

  send(text: string): this {
    this.socket.write(Buffer.from(text, 'latin1'))
    return this
  }

  /** Waits until the text received so far contains or matches, and returns all of it. */
  async sees(expected: string | RegExp): Promise<string> {
    const found = () =>
      typeof expected === 'string' ? this.text.includes(expected) : expected.test(this.text)
    try {
      await until(found, { what: `peer to see ${expected}` })
    } catch (cause) {
      throw new Error(`not seen: ${expected}; got ${JSON.stringify(this.text.slice(0, 2000))}`, { cause })
    }
    return this.text
  }

  async seesEnd(): Promise<string> {
    await until(() => this.ended || this.closed, { what: 'peer to see the end' })
    return this.text
  }
}

/** A server whose connections the test answers by hand. */
export type Target = {
  readonly port: number
  readonly peers: Peer[]
  /** The connection with this number, from 0. */
  readonly peer: (index: number) => Promise<Peer>
  readonly close: () => Promise<void>
}

export async function startTarget(onPeer: (peer: Peer) => void = () => {}): Promise<Target> {
  const peers: Peer[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = new Peer(socket)
    peers.push(peer)
    onPeer(peer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    peers,
    peer: (index) => until(() => peers[index], { what: `connection ${index} at the target` }),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const peer of peers) peer.socket.destroy()
      await closed
    },
  }
}

export const upstream = (port: number, id = 'web.1', epoch = 1): Upstream => ({
  id,
  address: '127.0.0.1',
  port,
  epoch,
})

export const routeTo = (target: { port: number }, more: object = {}): Route => ({
  kind: 'route',
  app: 'app',
  targets: [upstream(target.port)],
  ...more,
})

export type World = {
  readonly proxy: Proxy
  readonly port: number
  readonly clock: ManualClock
  readonly records: AccessRecord[]
  /** Opens a client connection, and sends. */
  readonly client: (text?: string) => Peer
  /** The record with this number, from 0. */
  readonly record: (index: number) => Promise<AccessRecord>
}

/** A proxy on a free port, ended with the test. */
export async function startProxy(
  t: Ends,
  resolve: (host: string) => Decision | Promise<Decision>,
  limits: Partial<ProxyLimits> = {},
  more: Pick<ProxyOptions, 'bare' | 'isServedTogether' | 'siblings' | 'backlogOf'> = {},
): Promise<World> {
  const clock = new ManualClock()
  const records: AccessRecord[] = []
  const peers: Peer[] = []
  let ids = 0
  const proxy = createProxy({
    resolve,
    onDone: (record) => records.push(record),
    limits,
    clock,
    random: () => 0,
    newId: () => `00000000-0000-4000-8000-${String((ids += 1)).padStart(12, '0')}`,
    name: 'test-router',
    ...more,
  })
  const { port } = await proxy.listen({ port: 0, host: '127.0.0.1', forwardedPort: 80 })
  t.teardown(async () => {
    for (const peer of peers) peer.socket.destroy()
    await proxy.close()
  })
  return {
    proxy,
    port,
    clock,
    records,
    client: (text = '') => {
      const peer = new Peer(connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
      peers.push(peer)
      return text === '' ? peer : peer.send(text)
    },
    record: (index) => until(() => records[index], { what: `record ${index}` }),
  }
}

export const get = (path = '/', more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${more}\r\n`
export const post = (body: string, more = ''): string =>
  `POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`
export const ok = (body = 'hi', more = ''): string =>
  `HTTP/1.1 200 OK\r\nDate: D\r\nServer: S\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`
