/**
 * A program that connects from where it runs: it listens on a Unix socket ($1), reads `<address> <port>` as
 * the first line of each connection, connects there, answers `ok` or an error's code as a line, and passes
 * bytes both ways. The harness starts it where the lab's clients are, and so needs no address there itself.
 */
import { connect, createServer, type Socket } from 'node:net'

const [path = ''] = process.argv.slice(2)
const lineBytesMax = 100

const firstLine = (socket: Socket, take: (words: readonly string[], rest: Buffer) => void): void => {
  let held = Buffer.alloc(0)
  const read = (chunk: Buffer): void => {
    held = Buffer.concat([held, chunk])
    const end = held.indexOf('\n')
    if (end === -1 && held.length > lineBytesMax) socket.destroy()
    if (end === -1) return
    socket.off('data', read).pause()
    take(held.subarray(0, end).toString('latin1').split(' '), held.subarray(end + 1))
  }
  socket.on('data', read)
}

const server = createServer({ allowHalfOpen: true }, (near) => {
  near.on('error', () => near.destroy())
  firstLine(near, ([host = '', port = ''], rest) => {
    const far = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true })
    const failed = (error: NodeJS.ErrnoException): void => void near.end(`${error.code ?? 'EIO'}\n`)
    far.once('error', failed)
    near.once('close', () => far.destroy())
    far.once('connect', () => {
      far.off('error', failed)
      // A Unix socket knows no reset: an end without the rest is as near as it gets.
      far.on('error', () => near.destroy())
      near.write('ok\n')
      far.write(rest)
      near.pipe(far)
      far.pipe(near)
    })
  })
})
// The harness holds the other end: it is gone when this ends.
process.stdin.resume().once('end', () => process.exit(0))
server.listen(path, () => console.log('listening'))
