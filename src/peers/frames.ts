/**
 * Raw bytes both ways inside one TLS connection, with an end for each direction that is said and not guessed.
 *
 * TCP ends a direction the same way whether its writer is done or its machine's process was killed, and
 * Node cannot reset a TLS connection. So bytes travel in frames, `length (4 bytes, big-endian) bytes…`;
 * length 0 says "that was all". A connection that closes without it broke off.
 */
import { Duplex } from 'node:stream'

const headBytes = 4
const lastFrame = Buffer.alloc(headBytes)

/**
 * The bytes inside: `end` ends one direction alone. When the connection breaks it is destroyed without an
 * error: `close` comes, and no `end` before it.
 */
export const framed = (socket: Duplex): Duplex => {
  let head = Buffer.alloc(0)
  /** Bytes of the present frame still to come. */
  let left = 0
  let hasEnded = false

  const inside = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      // One of nothing would be taken for the last.
      if (chunk.length === 0) return done()
      const length = Buffer.alloc(headBytes)
      length.writeUInt32BE(chunk.length)
      socket.cork()
      socket.write(length)
      socket.write(chunk, done)
      socket.uncork()
    },
    final: (done) => void socket.write(lastFrame, done),
    destroy(error, done) {
      socket.destroy()
      done(error)
    },
  })

  const take = (bytes: Buffer): void => {
    let at = 0
    while (at < bytes.length && !hasEnded) {
      if (left === 0) {
        const more = bytes.subarray(at, at + headBytes - head.length)
        head = Buffer.concat([head, more])
        at += more.length
        if (head.length < headBytes) return
        left = head.readUInt32BE()
        head = Buffer.alloc(0)
        hasEnded = left === 0
      } else {
        const part = bytes.subarray(at, at + left)
        at += part.length
        left -= part.length
        if (!inside.push(part)) socket.pause()
      }
    }
    if (hasEnded) inside.push(null)
  }
  /** Whoever closes the connection has said all or broken off; what was said in full may still be read. */
  const gone = (): void => {
    socket.destroy()
    if (hasEnded && !inside.readableEnded) inside.once('end', () => inside.destroy())
    else inside.destroy()
  }
  socket.on('data', take)
  socket.on('error', gone)
  socket.once('end', gone)
  socket.once('close', gone)
  return inside
}
