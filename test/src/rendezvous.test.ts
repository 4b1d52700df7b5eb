/** Rendezvous, the shared port and the certificates: over real sockets on loopback. */
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { connect as plainConnect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, duplexPair } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { keepCertificates } from '../../src/certs/keep.ts'
import { byFirstLine, firstLine } from '../../src/http/first-line.ts'
import { listenShared } from '../../src/http/shared-port.ts'
import { createRendezvous, passGreeting, RendezvousFailed } from '../../src/rendezvous/rendezvous.ts'
import { until } from '../kit/until.ts'

/** Of all connections of this machine, as Linux shows them. */
const timers = '/proc/net/tcp'
const noTimers = existsSync(timers) ? false : `there is no ${timers}`
const token = 'abcdefghijklmnop0123456789'
const names = ['localhost', '127.0.0.1', 'api.localhost']

const open = async (t: Test) => {
  const directory = mkdtempSync(join(tmpdir(), 'manifold-port-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const certificates = await keepCertificates(directory, names, Date.now())
  const rendezvous = createRendezvous({ tokensMax: 4 })
  const http = createServer((req, res) => {
    let bytes = 0
    req.on('data', (chunk: Buffer) => (bytes += chunk.length))
    req.on('end', () =>
      res.end(`${req.method} ${req.url} ${bytes} ${'encrypted' in req.socket ? 'tls' : 'plain'}`),
    )
  })
  const port = await listenShared(
    { host: '127.0.0.1', port: 0 },
    {
      http,
      tls: { certificate: certificates.server.certificate, key: certificates.server.key },
      other: byFirstLine((name, socket) => rendezvous.accept(name, socket), 512),
      limits: { firstBytesMs: 300, connectionsMax: 100 },
    },
  )
  t.teardown(async () => {
    rendezvous.close()
    await port.close(0)
  })
  const secure = (ca = certificates.authority) => tlsConnect({ port: port.port, host: '127.0.0.1', ca })
  return { port: port.port, rendezvous, certificates, directory, secure }
}

const received = (socket: NodeJS.ReadableStream): { text: string; chunks: string[]; ended: boolean } => {
  const seen = { text: '', chunks: [] as string[], ended: false }
  socket.on('data', (chunk: Buffer) => {
    seen.text += chunk.toString()
    seen.chunks.push(chunk.toString())
  })
  socket.on('end', () => (seen.ended = true))
  socket.on('error', () => (seen.ended = true))
  return seen
}

const answer = async (request: ReturnType<typeof httpGet>): Promise<string> => {
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream]
  const seen = received(response)
  await once(response, 'end')
  return seen.text
}

t.test('one port answers http and https, and keeps connections alive', async (t) => {
  const { port, certificates } = await open(t)
  t.equal(await answer(httpGet({ port, host: '127.0.0.1', path: '/a' })), 'GET /a 0 plain')
  const ca = certificates.authority
  t.equal(await answer(httpsGet({ port, host: '127.0.0.1', path: '/b', ca })), 'GET /b 0 tls')
  const socket = plainConnect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const seen = received(socket)
  for (const path of ['/1', '/2', '/3']) {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await until(() => seen.text.includes(`GET ${path} 0 plain`), { what: `the answer to ${path}` })
  }
})

t.test('bytes that come with the first ones are not lost, however they are split', async (t) => {
  const { port, secure } = await open(t)
  const request = 'POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'
  const exchange = async (socket: Socket, parts: readonly string[]): Promise<string> => {
    const seen = received(socket)
    for (const part of parts) await new Promise((sent) => socket.write(part, sent))
    await until(() => seen.ended, { what: `the end of an exchange in ${parts.length} parts` })
    return seen.text
  }
  t.match(await exchange(plainConnect(port, '127.0.0.1'), [request]), /POST \/p 5 plain/)
  t.match(await exchange(plainConnect(port, '127.0.0.1'), request.split('')), /POST \/p 5 plain/)
  t.match(await exchange(secure(), [request]), /POST \/p 5 tls/)
  t.match(await exchange(secure(), request.split('')), /POST \/p 5 tls/)
})

t.test('a client that says nothing or nonsense is dropped', async (t) => {
  const { port, secure } = await open(t)
  const silent = plainConnect(port, '127.0.0.1')
  await once(silent, 'close')
  for (const line of ['short\r\n', 'x'.repeat(600), `${token}\r\n`]) {
    const socket = secure()
    const seen = received(socket)
    socket.write(line)
    await once(socket, 'close')
    t.equal(seen.text, '', `nothing is said to ${JSON.stringify(line.slice(0, 20))}`)
  }
})

t.test('a client that is silent is asked whether it is there', { skip: noTimers }, async (t) => {
  const { port } = await open(t)
  const socket = plainConnect(port, '127.0.0.1')
  await once(socket, 'connect')
  const ends = [port, socket.localPort ?? 0].map((one) => one.toString(16).toUpperCase().padStart(4, '0'))
  const near = new RegExp(`:${ends[0]} \\w+:${ends[1]} 01 \\w+:\\w+ (\\w+):(\\w+) `)
  const [, kind, hundredths = ''] = await until(() => near.exec(readFileSync(timers, 'utf8')), {
    what: 'its timer',
  })
  t.equal(kind, '02', 'of keep-alive')
  t.ok(Number.parseInt(hundredths, 16) <= 6_000, 'within a minute')
  socket.destroy()
})

t.test('a client and its peer meet whoever comes first, and early bytes wait', async (t) => {
  const { rendezvous, secure } = await open(t)
  rendezvous.reserve(token, 5_000)
  const early = secure()
  const seen = received(early)
  early.write(`${token}\r\nearly bytes`)
  const peer = await rendezvous.expect(token, 5_000)
  const input = received(peer)
  peer.resume()
  await until(() => input.text === 'early bytes', { what: 'the early bytes' })
  peer.write('output')
  peer.end()
  await until(() => seen.ended, { what: 'the end of the run' })
  t.equal(seen.chunks[0], 'rendezvous\r\n', 'the greeting is a chunk of its own')
  t.equal(seen.chunks.slice(1).join(''), 'output')

  const expected = rendezvous.expect(token, 5_000)
  const late = secure()
  late.write(`${token}\r\n`)
  const peerOfLate = await expected
  const [greeting] = (await once(late, 'data')) as [Buffer]
  t.equal(greeting.toString(), 'rendezvous\r\n')
  late.destroy()
  peerOfLate.resume()
  await once(peerOfLate, 'close')
})

t.test('a token is good for one client and for its time', async (t) => {
  const { rendezvous, secure } = await open(t)
  await t.rejects(rendezvous.expect(token, 20), { code: 'timeout' })
  const first = rendezvous.expect(token, 5_000)
  await t.rejects(rendezvous.expect(token, 5_000), { code: 'taken' })
  const client = secure()
  client.write(`${token}\r\n`)
  const peer = await first
  const second = secure()
  second.write(`${token}\r\n`)
  await once(second.resume(), 'close')
  peer.destroy()
  client.destroy()
  for (let n = 0; n < 4; n += 1) rendezvous.reserve(`${token}${n}`, 5_000)
  t.throws(() => rendezvous.reserve(`${token}4`, 5_000), RangeError)
  const waiting = rendezvous.expect(`${token}0`, 5_000)
  rendezvous.close()
  await t.rejects(waiting, RendezvousFailed)
})

t.test('certificates are made once, kept private, and made again for new names', async (t) => {
  const { certificates, directory, port } = await open(t)
  for (const key of ['ca.key', 'server.key']) t.equal(statSync(join(directory, key)).mode & 0o777, 0o600)
  const again = await keepCertificates(directory, names, Date.now())
  t.same(again, certificates)
  const more = await keepCertificates(directory, [...names, 'git.localhost'], Date.now())
  t.equal(more.authority, certificates.authority)
  t.not(more.server.certificate, certificates.server.certificate)
  const late = await keepCertificates(directory, names, Date.now() + 790 * 86_400_000)
  t.not(late.server.certificate, more.server.certificate, 'renewed before its end')
  const stranger = tlsConnect({ port, host: '127.0.0.1' })
  const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException]
  t.match(error.code, /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET/)
})

t.test('the first line tells a request from a token at every split', async (t) => {
  const kinds = (text: string): (string | undefined)[] =>
    text.split('').map((_, at) => firstLine(Buffer.from(text.slice(0, at + 1)), 64)?.kind)
  t.same(new Set(kinds('GET /')), new Set([undefined, 'http']))
  t.equal(kinds(`${token}\r\n`).at(-1), 'token')
  t.same(new Set(kinds(`${token}\r`)), new Set([undefined]))
  t.same(firstLine(Buffer.from(`${token}\r\nmore bytes`), 64), {
    kind: 'token',
    token,
    bytes: token.length + 2,
  })
  t.equal(firstLine(Buffer.from('a'.repeat(65)), 64)?.kind, 'neither')
  t.equal(firstLine(Buffer.from('../../etc\r\n'), 64)?.kind, 'neither')
})

t.test('a greeting that is passed on is a write of its own, and what follows it comes after', async (t) => {
  const [there, sender] = duplexPair()
  const written: string[] = []
  const client = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk.toString())
      done()
    },
  })
  const passed = passGreeting(there, client)
  sender.write('rendez')
  sender.write('vous\r\nprompt ')
  sender.write('$ ')
  t.ok(await passed)
  t.same(written, ['rendezvous\r\n'])
  there.pipe(client)
  await until(() => written.join('') === 'rendezvous\r\nprompt $ ', { what: 'the prompt' })

  for (const isClient of [true, false]) {
    const [from] = duplexPair()
    const [to] = duplexPair()
    const unmet = passGreeting(from, to)
    const leaver = isClient ? to : from
    leaver.destroy()
    t.notOk(await unmet)
    t.ok(from.destroyed && to.destroyed, 'neither waits for one that is gone')
  }
})
