/**
 * The dyno of the soak, on bare sockets: takes uploads and answers with their sha256, sends as much as is
 * asked for, and answers the slow.
 */
import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import type { Ends } from '../../kit/ends.ts'

const blockBytes = 1_048_576

/** A stream of bytes that is the same for the same number, and never twice the same block. */
export const blocksOf = (seed: number, bytes: number): { readonly next: () => Buffer | null } => {
  let left = bytes
  let count = 0
  return {
    next() {
      if (left === 0) return null
      const block = Buffer.alloc(Math.min(blockBytes, left), `${seed}:${count}.`)
      count += 1
      left -= block.length
      return block
    },
  }
}

/** Writes all of it at the pace of the other side, and gives its sha256. */
export const sendBlocks = (socket: Socket, seed: number, bytes: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const blocks = blocksOf(seed, bytes)
    const hash = createHash('sha256')
    const more = (): void => {
      for (;;) {
        const block = blocks.next()
        if (block === null) return resolve(hash.digest('hex'))
        hash.update(block)
        if (!socket.write(block)) {
          socket.once('drain', more)
          return
        }
      }
    }
    socket.once('close', () => reject(new Error('the connection broke while it was sent on')))
    more()
  })

export type SoakDyno = {
  readonly port: number
  /** That are open now. */
  readonly connections: () => number
}

export const startSoakDyno = async (ends: Ends): Promise<SoakDyno> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { port, connections: () => sockets.size }
}

const serve = (socket: Socket): void => {
  let head = ''
  let left = 0
  let hash = createHash('sha256')
  socket.on('data', (bytes: Buffer) => {
    let body = bytes
    if (left === 0) {
      head += bytes.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const [, path = ''] = /^\w+ (\S+)/.exec(head) ?? []
      const [, seed = '0', size = '0'] = /^\/down\/(\d+)\/(\d+)$/.exec(path) ?? []
      if (Number(size) > 0) {
        head = ''
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
        sendBlocks(socket, Number(seed), Number(size)).catch(() => undefined)
        return
      }
      left = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
      body = Buffer.from(head.slice(end + 4), 'latin1')
      head = ''
      hash = createHash('sha256')
    }
    hash.update(body)
    left -= body.length
    if (left === 0) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n${hash.digest('hex')}`)
  })
}
