/**
 * A connection to a syslog receiver, over TCP or TLS. Nothing there is acknowledged: the most that can be
 * known of a batch is that the kernel has taken it while the receiver had not closed.
 */
import type { Socket } from 'node:net'
import { dial } from './dial.ts'
import { syslogFrames } from './frame.ts'
import { failed, type Failure, type Link, type LinkDeps } from './link.ts'

/** Of a batch, at once: a large one may take its time. */
const pieceBytes = 64 * 1024

export const openSyslogLink = async (deps: LinkDeps): Promise<Link | Failure> => {
  const socket = await dial(deps, deps.limits.syslogConnectMs)
  return 'kind' in socket ? socket : syslogLink(socket, deps)
}

const syslogLink = (socket: Socket, { clock, limits }: LinkDeps): Link => {
  let why: Error | undefined
  let unaskedBytes = 0
  socket.on('error', (error) => (why ??= error))
  // A receiver that has ended its side reads no more, or cannot be told from one that does not.
  socket.on('end', () => {
    why ??= Object.assign(new Error('the receiver closed the connection'), { code: 'ECONNRESET' })
    socket.destroy()
  })
  // What comes is of no use, but has to be read: an end is seen behind it.
  socket.on('data', (bytes) => {
    unaskedBytes += bytes.length
    if (unaskedBytes > limits.unaskedBytesMax) socket.destroy(new Error('the receiver says too much'))
  })
  const usable = (): boolean => socket.writable && !socket.readableEnded && why === undefined
  /** A receiver that is slow is waited for as long as it goes on. */
  const write = (piece: Buffer): Promise<Error | null | undefined> =>
    new Promise((resolve) => {
      const late = clock.after(limits.writeMs, () => {
        const error = new Error(`the receiver took nothing more for ${limits.writeMs} ms`)
        socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
      })
      socket.write(piece, (error) => {
        late.cancel()
        resolve(error)
      })
    })
  return {
    get usable() {
      return usable()
    },
    send: async (messages, { token }) => {
      const bytes = syslogFrames(messages, token)
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const error = await write(bytes.subarray(at, at + pieceBytes))
        if (error != null || !usable()) return failed(why ?? error, { connected: true })
      }
      return { kind: 'delivered' }
    },
    close: () => closeSocket(socket, { clock, limits }),
    destroy: () => void socket.destroy(),
  }
}

/** Ends it behind what was written; a peer that does not end its own side is not waited for. */
const closeSocket = (socket: Socket, { clock, limits }: Pick<LinkDeps, 'clock' | 'limits'>): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) return resolve()
    const late = clock.after(limits.closeMs, () => socket.destroy())
    socket.once('close', () => {
      late.cancel()
      resolve()
    })
    socket.end()
  })
