/** `echo.ts PORT`: agrees to become a WebSocket, and says back what it hears. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

/** What the answer to a key is made with (RFC 6455 §1.3). */
const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const agreed = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => undefined)
  socket.once('data', (head) => {
    const key = /^sec-websocket-key: *(\S+)/im.exec(head.toString('latin1'))?.[1] ?? ''
    const proof = createHash('sha1').update(`${key}${magic}`).digest('base64')
    socket.write(`${agreed}Sec-WebSocket-Accept: ${proof}\r\n\r\n`)
    socket.on('data', (bytes) => socket.write(bytes))
  })
}).listen(Number(process.argv[2]), '127.0.0.1')
