/**
 * `asker.ts WAY PORT COUNT`: asks a proxy for so much and prints what that took, one JSON object: connections
 * by TLS that each begin a session or resume one, or messages to and fro over what was a WebSocket.
 */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export type Asked = {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const connections = 16
const messageBytes = 64
const askMsMax = 30_000
const request = 'GET /small HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'
const upgrade =
  'GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

const ask = async (way: string, port: number, count: number): Promise<Asked> => {
  const times: number[] = []
  let left = count
  const began = performance.now()
  const client = async (): Promise<void> => {
    if (way === 'websocket') return exchangeMessages(port, Math.ceil(count / connections), times)
    let session: Buffer | undefined
    while (left-- > 0) {
      const start = performance.now()
      const fresh = await askByTls(port, way === 'resumed' ? session : undefined)
      times.push(performance.now() - start)
      session ??= fresh
    }
  }
  await Promise.all(Array.from({ length: connections }, client))
  const seconds = (performance.now() - began) / 1_000
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0
  return { requests: times.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** @returns the session that the server gave, for the next ones */
const askByTls = (port: number, session: Buffer | undefined): Promise<Buffer | undefined> =>
  new Promise((resolve, reject) => {
    const resumed = session === undefined ? {} : { session }
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...resumed })
    let given: Buffer | undefined
    let isResumed = false
    let text = ''
    socket.setTimeout(askMsMax, () => socket.destroy(new Error('no answer')))
    socket.on('secureConnect', () => (isResumed = socket.isSessionReused()))
    socket.on('session', (made: Buffer) => (given = made))
    socket.on('data', (bytes) => (text += bytes.toString('latin1')))
    socket.on('error', reject)
    socket.on('close', () => {
      if (!text.startsWith('HTTP/1.1 200')) reject(new Error(`answered ${text.slice(0, 80)}`))
      else if (session !== undefined && !isResumed) reject(new Error('the session was not resumed'))
      else resolve(given)
    })
    socket.write(request)
  })

const exchangeMessages = async (port: number, count: number, times: number[]): Promise<void> => {
  const socket = connectPlain({ port, host: '127.0.0.1', noDelay: true })
  const message = Buffer.alloc(messageBytes, 1)
  socket.write(upgrade)
  await heard(socket, (text) => text.includes('\r\n\r\n'))
  for (let sent = 0; sent < count; sent++) {
    const start = performance.now()
    socket.write(message)
    await heard(socket, (text) => text.length >= messageBytes)
    times.push(performance.now() - start)
  }
  socket.destroy()
}

const heard = (socket: Socket, isAll: (text: string) => boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    let text = ''
    const leave = (end: () => void) => {
      socket.off('data', take)
      socket.off('close', closed)
      end()
    }
    const take = (bytes: Buffer): void => {
      text += bytes.toString('latin1')
      if (isAll(text)) leave(resolve)
    }
    const closed = (): void => leave(() => reject(new Error(`closed after ${text.slice(0, 80)}`)))
    socket.on('data', take)
    socket.on('close', closed)
  })

const [way = '', port, count] = process.argv.slice(2)
process.stdout.write(`${JSON.stringify(await ask(way, Number(port), Number(count)))}\n`)
