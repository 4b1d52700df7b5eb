/**
 * WebSockets of npm `ws` on both sides of the router of a host as it runs, in the clear and by TLS:
 * fragments, frames of 16 MB, control frames, compression that the two ends agree on, and every way to end.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { startRouterHost } from '../kit/router-host.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const frameBytes = 16 * 1_048_576
const payloadBytesMax = 4 * frameBytes

type Got = { readonly data: Buffer; readonly isBinary: boolean }
type Opened = {
  readonly socket: WebSocket
  readonly got: readonly Got[]
  readonly pongs: readonly string[]
  readonly ended: () => { readonly code: number; readonly reason: string } | undefined
}

const openSocket = async (
  t: Test,
  url: string,
  options: Readonly<Record<string, unknown>>,
): Promise<Opened> => {
  const socket = new WebSocket(url, { maxPayload: payloadBytesMax, perMessageDeflate: false, ...options })
  const got: Got[] = []
  const pongs: string[] = []
  let end: { code: number; reason: string } | undefined
  socket.on('message', (data: Buffer, isBinary: boolean) => got.push({ data, isBinary }))
  socket.on('pong', (data: Buffer) => pongs.push(data.toString()))
  socket.on('close', (code: number, reason: Buffer) => (end = { code, reason: reason.toString() }))
  socket.on('error', () => undefined)
  t.teardown(() => socket.terminate())
  await until(() => socket.readyState === 1, { what: `${url} to open` })
  return { socket, got, pongs, ended: () => end }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

t.test('npm ws speaks with its dyno through the router as if it were not there', async (t) => {
  const http = createServer()
  const dynos = new WebSocketServer({ server: http, maxPayload: payloadBytesMax, perMessageDeflate: true })
  const atDyno: WebSocket[] = []
  const ends: string[] = []
  dynos.on('connection', (socket) => {
    atDyno.push(socket)
    socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(data, { binary: isBinary }))
    socket.on('close', (code: number, reason: Buffer) => ends.push(`${code} ${reason.toString()}`))
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of atDyno) socket.terminate()
    dynos.close()
    http.close()
  })
  const router = await startRouterHost(t)
  const host = await router.app(1, { dynos: [{ port: (http.address() as AddressInfo).port }] })
  const at = { headers: { host } }
  const ways: readonly (readonly [name: string, url: string, options: Readonly<Record<string, unknown>>])[] =
    [
      ['ws', `ws://127.0.0.1:${router.port}/chat`, at],
      ['wss', `wss://127.0.0.1:${router.tlsPort}/chat`, { ...at, ca: router.authority, servername: host }],
    ]
  for (const [name, url, options] of ways) {
    await t.test(
      `${name}: fragments, large frames and control frames arrive as they were sent`,
      async (t) => {
        const { socket, got, pongs } = await openSocket(t, url, options)
        for (const [at, part] of ['one ', 'two ', '', 'three'].entries()) socket.send(part, { fin: at === 3 })
        socket.ping('are you there')
        const large = randomBytes(frameBytes)
        socket.send(large)
        for (let at = 0; at < 4; at += 1)
          socket.send(large.subarray(at * 1_000_000, (at + 1) * 1_000_000), { fin: at === 3, binary: true })
        socket.send('')
        await until(() => got.length === 4, { what: 'four messages to come back', timeoutMs: 60_000 })
        t.equal(got[0]?.data.toString(), 'one two three')
        t.equal(sha256(got[1]?.data ?? Buffer.alloc(0)), sha256(large))
        t.equal(sha256(got[2]?.data ?? Buffer.alloc(0)), sha256(large.subarray(0, 4_000_000)))
        t.match(got[3], { isBinary: false, data: { length: 0 } })
        await until(() => pongs.includes('are you there'), { what: 'a pong' })
      },
    )

    await t.test(`${name}: compression is agreed on by the two ends`, async (t) => {
      const { socket, got } = await openSocket(t, url, { ...options, perMessageDeflate: { threshold: 0 } })
      t.match(socket.extensions, /permessage-deflate/)
      const text = 'again and again '.repeat(100_000)
      socket.send(text)
      await until(() => got.length === 1, { what: 'the message' })
      t.equal(got[0]?.data.toString(), text)
    })

    await t.test(
      `${name}: a close with its code and reason goes both ways, a broken connection too`,
      async (t) => {
        const first = await openSocket(t, url, options)
        first.socket.close(4001, 'bye from the client')
        await until(() => first.ended(), { what: 'the answer to a close' })
        t.strictSame(first.ended(), { code: 4001, reason: 'bye from the client' })
        await until(() => ends.includes('4001 bye from the client'), { what: 'the dyno to hear of it' })

        const second = await openSocket(t, url, options)
        atDyno.at(-1)?.close(1012, 'bye from the dyno')
        await until(() => second.ended(), { what: 'the close of the dyno' })
        t.strictSame(second.ended(), { code: 1012, reason: 'bye from the dyno' })

        const third = await openSocket(t, url, options)
        const before = ends.length
        third.socket.terminate()
        await until(() => ends.length > before, { what: 'the dyno to hear of a broken connection' })
        t.equal(ends.at(-1), '1006 ')

        const fourth = await openSocket(t, url, options)
        atDyno.at(-1)?.terminate()
        await until(() => fourth.ended(), { what: 'the client to hear of it' })
        t.equal(fourth.ended()?.code, 1006)
      },
    )
  }
  t.match(
    await router.line(1, /path="\/chat"/),
    /at=info method=GET .*dyno=web.1 connect=\d+ms service=\d+ms status=101 bytes=\d+/,
  )
  t.ok(await router.line(1, /status=101 .*tls=true/))
})
