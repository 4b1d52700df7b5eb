/**
 * The receiver of everybody's lines: a process of its own, which counts what comes to each of its ports and
 * does nothing else. Ends with its parent.
 */
import { createServer, type AddressInfo } from 'node:net'
import { openCounter, type Tally } from './tally.ts'

export type Order =
  | { readonly what: 'open' }
  | { readonly what: 'tally'; readonly port: number; readonly reset: boolean }
export type Said =
  | { readonly what: 'opened'; readonly port: number }
  | { readonly what: 'tally'; readonly tally: Tally }

const counters = new Map<number, ReturnType<typeof openCounter>>()
const nowMs = (): number => performance.timeOrigin + performance.now()
const say = (said: Said): void => void process.send?.(said)

const open = (): void => {
  const counter = openCounter(nowMs)
  const server = createServer((socket) => {
    const take = counter.connection()
    socket.on('error', () => socket.destroy())
    socket.on('data', take)
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    counters.set(port, counter)
    say({ what: 'opened', port })
  })
}

process.on('message', (order: Order) => {
  if (order.what === 'open') return open()
  const counter = counters.get(order.port)
  if (counter === undefined) throw new Error(`no port ${order.port}`)
  say({ what: 'tally', tally: counter.tally() })
  if (order.reset) counter.reset()
})
// A Ctrl-C is for the parent to understand.
process.on('SIGINT', () => undefined)
process.on('disconnect', () => process.exit())
