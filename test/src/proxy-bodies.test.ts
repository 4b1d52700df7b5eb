/**
 * Large bodies through the proxy over real sockets: whole and unchanged, at the pace of the slower side.
 */
import t from 'tap'
import { bare } from '../../src/wire/bare.ts'
import { get, routeTo, ok, startProxy, startTarget } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

for (const [kind, handles] of [
  ['bare handles', bare],
  ['public sockets', null],
] as const) {
  t.test(`on ${kind} neither a slow client nor a slow target makes the proxy hold a body`, async (t) => {
    const size = 32 * 1_048_576
    const block = Buffer.alloc(1_048_576, 'x')
    const target = await startTarget((peer) => peer.socket.removeAllListeners('data').pause())
    t.teardown(target.close)
    const world = await startProxy(t, () => routeTo(target), {}, { bare: handles })
    const client = world.client(get())
    client.socket.pause()
    const peer = await target.peer(0)
    peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
    for (let sent = 0; sent < size; sent += block.length) peer.socket.write(block)
    await until(() => world.proxy.stats().stalledClients === 1, { what: 'the target to be slowed down' })
    t.ok(peer.socket.writableLength > 0, 'most of it still waits in the target')
    let received = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (bytes: Buffer) => (received += bytes.length)).resume()
    await until(() => received > size, { what: 'the whole body' })
    t.match(await world.record(0), { status: 200, bytes: received })
    t.equal(world.proxy.stats().stalledClients, 0)

    const upload = world.client(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
    const slow = await target.peer(1)
    for (let sent = 0; sent < size; sent += block.length) upload.socket.write(block)
    let arrived = 0
    slow.socket.on('data', (bytes: Buffer) => (arrived += bytes.length)).resume()
    await until(() => arrived > size, { what: 'the whole upload' })
    slow.send(ok())
    t.match(await upload.sees('hi'), /^HTTP\/1.1 200/)
  })

  t.test(
    `on ${kind} bodies of many clients at once arrive as they were sent, fast readers and slow ones`,
    async (t) => {
      const pattern = (seed: number): Buffer => {
        const bytes = Buffer.alloc(200_000 * (1 + (seed % 7)) + seed)
        for (let at = 0; at + 4 <= bytes.length; at += 4)
          bytes.writeUInt32LE((at * 2_654_435_761 + seed) >>> 0, at)
        return bytes
      }
      const target = await startTarget((peer) => {
        peer.socket.on('data', () => {
          const seed = Number(/^GET \/(\d+) .*\r\n\r\n$/s.exec(peer.text)?.[1] ?? -1)
          if (seed < 0) return
          peer.text = ''
          const body = pattern(seed)
          if (seed % 2 === 0) {
            peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
            peer.socket.write(body)
            return
          }
          peer.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
          for (let at = 0; at < body.length; at += 70_001) {
            const piece = body.subarray(at, at + 70_001)
            peer.socket.write(`${piece.length.toString(16)}\r\n`)
            peer.socket.write(piece)
            peer.socket.write('\r\n')
          }
          peer.socket.write('0\r\n\r\n')
        })
      })
      t.teardown(target.close)
      const limits = { responseBufferBytesMax: 131_072 }
      const world = await startProxy(t, () => routeTo(target, { keepAlive: true }), limits, { bare: handles })
      for (const round of [0, 1]) {
        const clients = Array.from({ length: 24 }, (_, index) => {
          const seed = index + 24 * round
          const client = world.client(`GET /${seed} HTTP/1.0\r\nHost: a\r\n\r\n`)
          const pieces: Buffer[] = []
          client.socket.removeAllListeners('data').on('data', (bytes: Buffer) => pieces.push(bytes))
          if (seed % 3 === 0) client.socket.pause()
          return { seed, client, pieces }
        })
        const waiting = () =>
          clients.filter(({ client }) => !client.ended && !client.socket.isPaused()).length === 0
        await until(waiting, { what: 'the fast readers to be done' })
        for (const { client } of clients) client.socket.resume()
        for (const { client, pieces, seed } of clients) {
          await client.seesEnd()
          const all = Buffer.concat(pieces)
          const body = all.subarray(all.indexOf('\r\n\r\n') + 4)
          if (!body.equals(pattern(seed))) t.fail(`body ${seed} differs: ${body.length} bytes`)
        }
      }
      t.equal(world.records.filter(({ status, code }) => status === 200 && code === '').length, 48)
    },
  )

  t.test('a slow client gets the whole of a last answer, however long it takes to read', async (t) => {
    const size = 8 * 1_048_576
    const target = await startTarget((peer) => {
      peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      peer.socket.write(Buffer.alloc(size, 'x'))
    })
    t.teardown(target.close)
    const limits = { responseBufferBytesMax: 2 * size, totalBufferBytesMax: 4 * size }
    const world = await startProxy(t, () => routeTo(target), limits)
    const client = world.client(get('/', 'Connection: close\r\n'))
    client.socket.removeAllListeners('data').pause()
    await world.record(0)
    world.clock.advance(50_000)
    let received = 0
    client.socket.on('data', (bytes: Buffer) => (received += bytes.length)).resume()
    await until(() => received > size / 2, { what: 'half of it' })
    world.clock.advance(50_000)
    await until(() => received > size, { what: 'all of it' })
    await client.seesEnd()
    t.equal(client.error, null)

    const never = world.client(get('/', 'Connection: close\r\n'))
    never.socket.removeAllListeners('data').pause()
    await world.record(1)
    const cut = () => (world.clock.advance(55_000), world.proxy.stats().openClients === 0)
    await until(cut, { what: 'a client that reads nothing to be cut' })
  })
}
