/** Connections that load balancers make for clients: whose they are is said first of all, or they end. */
import { connect as connectTcp } from 'node:net'
import { connect as connectH2 } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import { createProxy, type ListenOptions, type ProxyOptions } from '../../src/proxy/proxy.ts'
import { ProxyHeader, restBytesMax } from '../../src/wire/proxy-protocol.ts'
import { binary, text } from '../kit/proxy-protocol.ts'
import { get, ManualClock, ok, Peer, routeTo, startTarget } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

const behind = Buffer.from('GET / HTTP/1.1\r\n')
/** What a header comes to: with all that follows in one piece, and in pieces cut at each place. */
const read = (header: Buffer): string => {
  const all = Buffer.concat([header, behind])
  const whole = readPieces([all])
  const cuts = header.length > 300 ? [1, 11, 12, 15, 16, 17, header.length - 1, header.length] : all.keys()
  for (const at of cuts) {
    const outcome = readPieces([all.subarray(0, at), all.subarray(at)])
    if (outcome !== whole) return `cut at ${at}: ${outcome}, not ${whole}`
  }
  const single = readPieces(Array.from(all, (_, at) => all.subarray(at, at + 1)))
  return single === whole ? whole : `byte by byte: ${single}, not ${whole}`
}
const readPieces = (pieces: readonly Buffer[]): string => {
  const header = new ProxyHeader()
  let at = 0
  for (const piece of pieces) {
    const outcome = header.feed(piece)
    if (outcome === 'fault') return header.fault
    if (outcome === 'done') {
      const { behalf } = header
      const whose = behalf === null ? 'itself' : `${behalf.address} ${behalf.port}`
      return `${whose}, ${at + header.consumed} bytes`
    }
    at += piece.length
  }
  return 'more'
}

t.test('a header says whose the connection is, wherever it is cut', async (t) => {
  const four = { family: 0x11, source: [203, 0, 113, 9], target: [10, 0, 0, 1], from: 4711, to: 443 }
  const six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]
  const local = binary({ ...four, command: 0x20 })
  const cases: readonly (readonly [Buffer, string])[] = [
    [text('TCP4 203.0.113.9 10.0.0.1 4711 443'), '203.0.113.9 443, 42 bytes'],
    [text('TCP6 2001:DB8:0::7 ::1 4711 80'), '2001:db8::7 80, 38 bytes'],
    [text('TCP6 ::ffff:192.0.2.1 ::1 1 65535'), '192.0.2.1 65535, 41 bytes'],
    [text('UNKNOWN'), 'itself, 15 bytes'],
    [text('UNKNOWN ffff::1 whatever 1 2'), 'itself, 36 bytes'],
    [binary(four), '203.0.113.9 443, 28 bytes'],
    [binary({ ...four, family: 0x12 }), '203.0.113.9 443, 28 bytes'],
    [binary({ ...four, family: 0x21, source: six, target: mapped }), '2001:db8::7 443, 52 bytes'],
    [binary({ ...four, family: 0x21, source: mapped, target: six }), '192.0.2.1 443, 52 bytes'],
    [binary({ ...four, more: Buffer.alloc(restBytesMax - 12, 4) }), '203.0.113.9 443, 4112 bytes'],
    [binary({ family: 0x31, raw: Buffer.alloc(216, 'p') }), 'itself, 232 bytes'],
    [binary({ family: 0, raw: Buffer.alloc(0) }), 'itself, 16 bytes'],
    [binary({ family: 0, raw: Buffer.from('extension') }), 'itself, 25 bytes'],
    [local, 'itself, 28 bytes'],
    [binary({ command: 0x20, family: 0xff, raw: Buffer.alloc(3) }), 'itself, 19 bytes'],
  ]
  for (const [header, expected] of cases)
    t.equal(read(header), expected, JSON.stringify(header.toString('latin1')))
})

t.test('what is no header, or not as it should be, is refused as soon as that is seen', async (t) => {
  const four = { family: 0x11, source: [1, 2, 3, 4], target: [1, 2, 3, 4], from: 1, to: 2 }
  const lines = [
    'TCP4 1.2.3.4 1.2.3.4 1',
    'TCP4 1.2.3.4 1.2.3.4 1 2 ',
    'TCP4  1.2.3.4 1.2.3.4 1 2',
    'TCP4 1.2.3.4 1.2.3.4 1 65536',
    'TCP4 1.2.3.4 1.2.3.4 01 2',
    'TCP4 1.2.3.400 1.2.3.4 1 2',
    'TCP4 ::1 ::1 1 2',
    'TCP6 fe80::1%lo ::1 1 2',
    'UDP4 1.2.3.4 1.2.3.4 1 2',
    'tcp4 1.2.3.4 1.2.3.4 1 2',
    'UNKNOWNS',
  ]
  for (const line of lines) t.equal(read(text(line)), 'malformed PROXY line', line)
  t.equal(read(text(`UNKNOWN ${'x'.repeat(91)}`)), 'itself, 107 bytes')
  t.equal(read(text(`UNKNOWN ${'x'.repeat(92)}`)), 'PROXY line too long')
  t.equal(readPieces([Buffer.from(`PROXY ${'x'.repeat(101)}`)]), 'PROXY line too long')
  t.equal(readPieces([Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n')]), 'more')
  for (const start of ['GET / HTTP/1.1\r\n', 'proxy ', '\r\n\r\n\0\r\nQUIT!', '\x16\x03\x01'])
    t.equal(readPieces([Buffer.from(start, 'latin1')]), 'no PROXY header', start)
  t.equal(readPieces([Buffer.from('P')]), 'more')
  t.equal(readPieces([Buffer.from('PO')]), 'no PROXY header')
  t.equal(read(binary({ ...four, command: 0x11 })), 'unknown PROXY version or command')
  t.equal(read(binary({ ...four, command: 0x22 })), 'unknown PROXY version or command')
  t.equal(read(binary({ ...four, family: 0x10 })), 'unknown PROXY family')
  t.equal(read(binary({ ...four, family: 0x41 })), 'unknown PROXY family')
  t.equal(read(binary({ family: 0x11, raw: Buffer.alloc(11) })), 'PROXY header too short')
  t.equal(read(binary({ family: 0x21, raw: Buffer.alloc(35) })), 'PROXY header too short')
  t.equal(read(binary({ ...four, more: Buffer.alloc(restBytesMax - 11) })), 'PROXY header too long')
})

t.test('no bytes, however they are cut, are read in two ways', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((some) => Buffer.from(some)),
    fc.string({ maxLength: 110 }).map((line) => text(line)),
    fc
      .record({
        command: fc.constantFrom(0x20, 0x21, 0x30),
        family: fc.integer({ min: 0, max: 255 }),
        raw: fc.uint8Array(),
      })
      .map(({ raw, ...rest }) => binary({ ...rest, raw: Buffer.from(raw) })),
    fc
      .tuple(fc.ipV4(), fc.ipV6(), fc.nat(70_000), fc.constantFrom('TCP4', 'TCP6', 'UNKNOWN'))
      .map(([four, six, port, family]) =>
        text(`${family} ${family === 'TCP4' ? four : six} ${six} ${port} 1`),
      ),
  )
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(300), { maxLength: 6 }), (header, at) => {
      const all = Buffer.concat([header, behind])
      const cuts = [0, ...at.map((one) => Math.min(one, all.length)), all.length].sort((a, b) => a - b)
      const pieces = cuts.slice(1).map((end, index) => all.subarray(cuts[index], end))
      return readPieces(pieces) === readPieces([all])
    }),
    { numRuns: 2000 },
  )
})

const authority = { ...makeAuthority('test root', Date.now(), 100), commonName: 'test root' }
const tls: ListenOptions['tls'] = {
  fallback: () => issue(authority, ['a.example'], Date.now(), 10),
  onFallback: () => () => undefined,
  contextFor: () => undefined,
}

/** A proxy that takes every peer for a balancer, or only some. */
const open = async (t: Test, more: Partial<ListenOptions> = {}, options: Partial<ProxyOptions> = {}) => {
  const target = await startTarget((peer) => peer.socket.on('data', () => peer.send(ok())))
  const clock = new ManualClock()
  const lines: string[] = []
  const refused: string[] = []
  const proxy = createProxy({
    resolve: () => routeTo(target),
    onDone: (record) => lines.push(formatAccessLine(record)),
    onBadOpening: (peer, reason) => refused.push(`${peer} ${reason}`),
    clock,
    ...options,
  })
  const { port } = await proxy.listen({
    port: 0,
    host: '127.0.0.1',
    forwardedPort: 8080,
    isBalancer: () => true,
    ...more,
  })
  t.teardown(async () => {
    await proxy.close()
    await target.close()
  })
  const dial = (...pieces: readonly (Buffer | string)[]): Peer => {
    const peer = new Peer(connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }))
    t.teardown(() => peer.socket.destroy())
    for (const piece of pieces) peer.socket.write(piece)
    return peer
  }
  return { target, clock, lines, refused, proxy, port, dial }
}
type Way = { readonly name: string; readonly options: Partial<ProxyOptions> }
const ways: readonly Way[] = [
  { name: 'bare handles', options: {} },
  { name: 'public sockets', options: { bare: null } },
]

for (const { name, options } of ways)
  t.test(`the client that a balancer names is the client of request and line, with ${name}`, async (t) => {
    const { dial, target, lines, proxy } = await open(t, {}, options)
    const header = text('TCP4 203.0.113.9 10.0.0.1 4711 80')
    const client = dial(Buffer.concat([header, Buffer.from(get('/one', 'X-Forwarded-For: 9.9.9.9\r\n'))]))
    await client.sees('hi')
    t.match(
      await (await target.peer(0)).sees('\r\n\r\n'),
      /X-Forwarded-For: 9\.9\.9\.9, 203\.0\.113\.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n/,
    )
    client.send(get('/two'))
    await until(() => lines.length === 2, { what: 'a second request of the same client' })
    t.match(lines[0], /path="\/one".* fwd="9\.9\.9\.9, 203\.0\.113\.9" .*tls=false/)
    t.match(lines[1], /path="\/two".* fwd="203\.0\.113\.9" /)
    const slow = dial()
    for (const byte of header) slow.socket.write(Buffer.of(byte))
    await until(() => proxy.stats().openClients === 2, { what: 'the one that still introduces itself' })
    slow.send(get('/three'))
    await slow.sees('hi')
    t.match(lines[2], /path="\/three".* fwd="203\.0\.113\.9" /)
    const ended = dial(Buffer.concat([text('TCP4 203.0.113.9 10.0.0.1 4711 443'), Buffer.from(get('/four'))]))
    await ended.sees('hi')
    t.match(
      await (await target.peer(3)).sees('\r\n\r\n'),
      /X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n/,
      'the balancer has ended TLS',
    )
    t.match(lines[3], /tls=true tls_version=unknown/)
    const own = dial(
      Buffer.concat([binary({ command: 0x20, family: 0, raw: Buffer.alloc(0) }), Buffer.from(get('/own'))]),
    )
    await own.sees('hi')
    t.match(lines[4], /path="\/own".* fwd="127\.0\.0\.1" /)
    t.match(await (await target.peer(4)).sees('\r\n\r\n'), /X-Forwarded-Port: 8080\r\n/)
  })

for (const { name, options } of ways)
  t.test(`who does not begin as he must is closed without an answer, and said, with ${name}`, async (t) => {
    const { dial, clock, refused, lines, target, proxy } = await open(t, {}, options)
    t.equal(await dial(get()).seesEnd(), '')
    const broken = dial('PROXY TCP4 1.2')
    await until(() => proxy.stats().openClients === 1, { what: 'half a header' })
    broken.socket.end()
    t.equal(await broken.seesEnd(), '')
    t.same(refused, ['127.0.0.1 no PROXY header', '127.0.0.1 PROXY header broken off'])
    const quiet = dial()
    await until(() => proxy.stats().openClients === 1, { what: 'a port that is looked at' })
    quiet.socket.end()
    await quiet.seesEnd()
    const slow = dial('PROX')
    await until(() => proxy.stats().openClients === 1, { what: 'a header that does not come' })
    clock.advance(4999)
    t.equal(proxy.stats().openClients, 1)
    clock.advance(1)
    t.equal(await slow.seesEnd(), '')
    t.equal(refused.at(-1), '127.0.0.1 no PROXY header in time')
    await until(() => proxy.stats().openClients === 0, { what: 'nothing left' })
    t.equal(proxy.stats().badOpenings, 3)
    t.same([lines, target.peers], [[], []], 'nothing of it was a request')
    const waiting = dial('PROX')
    await until(() => proxy.stats().openClients === 1, { what: 'one more' })
    await proxy.drain(1000)
    t.equal(await waiting.seesEnd(), '')
  })

t.test('who is no balancer is a client, and what it says of others is no request', async (t) => {
  const asked: string[] = []
  const isBalancer = (peer: string) => {
    asked.push(peer)
    return false
  }
  const { dial, lines } = await open(t, { isBalancer })
  await dial(get('/direct')).sees('hi')
  t.match(lines[0], /fwd="127\.0\.0\.1"/)
  t.match(await dial(text('TCP4 203.0.113.9 10.0.0.1 4711 80'), get()).seesEnd(), /^HTTP\/1.1 400 /)
  t.same(asked, ['127.0.0.1', '127.0.0.1'])
})

t.test('a header goes before TLS and before HTTP/2 as before anything else', async (t) => {
  const { dial, port, lines, target } = await open(t, { tls })
  const through = (protocol: string, ...pieces: readonly Buffer[]) => {
    const below = dial(...pieces).socket
    below.removeAllListeners('data')
    return connectTls({
      socket: below,
      servername: 'a.example',
      ALPNProtocols: [protocol],
      ca: authority.certificate,
    })
  }
  const client = new Peer(through('http/1.1', text('TCP4 203.0.113.9 10.0.0.1 4711 443')))
  client.send(get('/tls'))
  await client.sees('hi')
  t.match(lines[0], /fwd="203\.0\.113\.9" .*tls=true tls_version=tls1\.3/)
  const header = binary({ family: 0x11, source: [203, 0, 113, 10], target: [1, 1, 1, 1], from: 1, to: 8443 })
  const session = connectH2('https://a.example', {
    createConnection: () => through('h2', header.subarray(0, 5), header.subarray(5)),
  })
  t.teardown(() => session.destroy())
  session.request({ ':path': '/h2' }).resume()
  await until(() => lines.length === 2, { what: 'a request over HTTP/2' })
  t.match(lines[1], /path="\/h2".* fwd="203\.0\.113\.10" .*protocol=http2\.0/)
  t.match(
    await (await target.peer(1)).sees('\r\n\r\n'),
    /X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n/,
  )
  const bad = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  bad.on('error', () => undefined)
  await until(() => bad.closed, { what: 'the end of one who begins with TLS' })

  const clear = await open(t)
  const plain = connectH2(`http://a.example`, {
    createConnection: () => {
      const { socket } = clear.dial(text('TCP6 2001:db8::9 ::1 4711 80'))
      socket.removeAllListeners('data')
      return socket
    },
  })
  t.teardown(() => plain.destroy())
  plain.request({ ':path': '/prior' }).resume()
  await until(() => clear.lines.length === 1, { what: 'a request by prior knowledge' })
  t.match(clear.lines[0], /path="\/prior".* fwd="2001:db8::9" .*protocol=http2\.0/)
})
