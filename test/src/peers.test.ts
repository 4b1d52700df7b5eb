/** What hosts ask of each other: over real TLS on loopback. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, connect as plainConnect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair, type Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { issue } from '../../src/certs/certificate.ts'
import { PeerFailed, PeerRefusal } from '../../src/peers/contract.ts'
import { carried } from '../../src/peers/executed.ts'
import { identity, peersAs, serveAs, testAuthority } from '../kit/peers.ts'
import { until } from '../kit/until.ts'

const authority = testAuthority()
const token = 'abcdefghijklmnop0123456789'

const failure = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof PeerFailed)
      return error.reason === undefined ? error.code : `${error.code}:${error.reason}`
    throw error
  }
  return 'no failure'
}

const folder = (t: Test): string => {
  const path = mkdtempSync(join(tmpdir(), 'manifold-peers-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A listener of the test's own, whose sockets end with it. */
const plainServer = async (t: Test, onSocket: (socket: Socket) => void): Promise<number> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

t.test('a host calls another by name, and its certificate says who asks', async (t) => {
  const seen: unknown[] = []
  const { port, failures } = await serveAs(t, authority, 'b', {
    call: async (path, body, peer) => {
      seen.push(peer.name, path)
      if (path === '/refuse') throw new PeerRefusal('too_late', 'the step is over')
      if (path === '/fail') throw new TypeError('a secret reason')
      return { got: body }
    },
    admits: ({ name, key }) => name !== 'removed' && /^[0-9a-f]{64}$/.test(key),
  })
  const a = peersAs(t, authority, 'a', { b: port, c: port })
  t.same(await a.call('b', '/servers/prepare', { step: 1 }), { got: { step: 1 } })
  t.same(seen, ['a', '/servers/prepare'])
  t.equal(await failure(a.call('b', '/refuse', null)), 'peer_refused:too_late')
  t.equal(await failure(a.call('b', '/fail', null)), 'peer_refused:failed')
  t.match(failures, [{ message: 'a secret reason' }])
  t.equal(await failure(a.call('nobody', '/x', null)), 'peer_unknown')
  t.equal(await failure(a.call('c', '/x', null)), 'peer_untrusted', 'b answers in place of c')
  const large = await failure(a.call('b', '/x', 'x'.repeat(5 * 1024 * 1024)))
  t.match(large, /peer_refused:too_large|peer_broken/)
  const removed = peersAs(t, authority, 'removed', { b: port })
  t.equal(await failure(removed.call('b', '/x', null)), 'peer_refused:not_admitted')
})

t.test('who has no certificate of the authority gets no further than joining', async (t) => {
  const joined: unknown[] = []
  const { port } = await serveAs(t, authority, 'b', {
    call: async () => 'secret',
    join: async (given, body, address) => {
      joined.push(given, body, address)
      return { welcome: true }
    },
  })
  const other = testAuthority('Another authority')
  // It trusts ours, and shows a certificate of its own.
  const stranger = peersAs(t, other, 'a', { b: port }, { authority: authority.certificate })
  t.equal(await failure(stranger.call('b', '/x', null)), 'peer_refused:certificate_wanted')
  t.equal(await failure(stranger.attach('b', token)), 'peer_refused:certificate_wanted')
  t.equal(await stranger.fetchSlug('ab'.repeat(32), ['b']), undefined)
  // The certificate that users are served with is by the same authority, and no host's.
  const face = issue(authority, ['a'], Date.now(), 5)
  const asFace = peersAs(t, authority, 'a', { b: port }, face)
  t.equal(await failure(asFace.call('b', '/x', null)), 'peer_refused:certificate_wanted')
  // Nor does one of ours speak to a host of another authority.
  const elsewhere = await serveAs(t, other, 'b')
  const ours = peersAs(t, authority, 'a', { b: elsewhere.port })
  t.equal(await failure(ours.call('b', '/x', null)), 'peer_untrusted')

  const socket = tlsConnect({ port, host: '127.0.0.1', ca: authority.certificate })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.write(`POST /join/${token} HTTP/1.1\r\nHost: b\r\nContent-Length: 7\r\n\r\n{"a":1}`)
  await until(() => text.includes('"welcome":true'), { what: 'the answer to the joiner' })
  t.same(joined, [token, { a: 1 }, '127.0.0.1'])
  text = ''
  socket.write(
    `POST /join/${token} HTTP/1.1\r\nHost: b\r\nContent-Length: 70000\r\n\r\n${'x'.repeat(70_000)}`,
  )
  await until(() => text.includes('too_large'), { what: 'the refusal of a long body' })
})

t.test('strangers are few: the next one is hung up on, hosts come through', async (t) => {
  const { port } = await serveAs(t, authority, 'b', { call: async () => 'here' })
  const open: Socket[] = []
  t.teardown(() => open.forEach((socket) => socket.destroy()))
  let closed = 0
  for (let count = 0; count < 70; count += 1) {
    const socket = tlsConnect({ port, host: '127.0.0.1', ca: authority.certificate })
    socket.on('error', () => undefined).on('close', () => (closed += 1))
    open.push(socket)
  }
  await until(() => closed === 6, { what: 'the end of those over the limit' })
  t.equal(await peersAs(t, authority, 'a', { b: port }).call('b', '/x', null), 'here')
  t.equal(closed, 6)
})

t.test('a big slug streams through with flat memory on both sides', async (t) => {
  const path = join(folder(t), 'slug')
  const bytes = 192 * 1024 * 1024
  writeFileSync(path, '')
  truncateSync(path, bytes)
  const sum = createHash('sha256')
  const block = Buffer.alloc(1024 * 1024)
  for (let summed = 0; summed < bytes; summed += block.length) sum.update(block)
  const sha256 = sum.digest('hex')
  const { port } = await serveAs(t, authority, 'b', {
    slug: (wanted) => (wanted === sha256 ? path : undefined),
  })
  const a = peersAs(t, authority, 'a', { b: port })
  const before = process.memoryUsage().rss
  let got = 0
  let most = 0
  for await (const chunk of (await a.fetchSlug(sha256, ['b'])) ?? []) {
    got += chunk.length
    most = Math.max(most, process.memoryUsage().rss)
  }
  t.equal(got, bytes)
  t.ok(most - before < 96 * 1024 * 1024, `grew by ${Math.round((most - before) / 1048576)} MB`)
  t.equal(await a.fetchSlug('00'.repeat(32), ['b']), undefined)
})

t.test('a slug is fetched from the next host when one has none, breaks off, or lies', async (t) => {
  const home = folder(t)
  const content = randomBytes(3 * 1024 * 1024)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(home, name), bytes)
    return join(home, name)
  }
  const whole = await serveAs(t, authority, 'whole', { slug: () => write('whole', content) })
  const empty = await serveAs(t, authority, 'empty')
  const liar = await serveAs(t, authority, 'liar', { slug: () => write('liar', randomBytes(1024)) })
  // A host that is cut off in the middle: everything passes through here until so many bytes have.
  const cut = await plainServer(t, (socket) => {
    const onward = plainConnect(whole.port, '127.0.0.1')
    let bytes = 0
    onward.on('error', () => undefined).on('close', () => socket.destroy())
    socket.pipe(onward).on('error', () => undefined)
    onward.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes < 1024 * 1024) socket.write(chunk)
      else onward.destroy()
    })
  })
  const ports = { whole: whole.port, empty: empty.port, liar: liar.port, gone: 1 }
  const a = peersAs(t, authority, 'a', ports)
  const read = async (hosts: readonly string[], peers = a): Promise<Buffer | undefined> => {
    const source = await peers.fetchSlug(sha256, hosts)
    return source && Buffer.concat(await Array.fromAsync(source))
  }
  t.ok((await read(['unknown', 'gone', 'empty', 'whole']))?.equals(content))
  t.equal(await read(['empty', 'gone']), undefined)
  t.equal(await failure(read(['liar'])), 'slug_corrupt')
  const lonely = peersAs(t, authority, 'a', { whole: cut })
  t.equal(await failure(read(['whole'], lonely)), 'peer_broken')
  // The first connection is cut, the next host goes on where it stopped.
  let asked = 0
  const twice = peersAs(
    t,
    authority,
    'a',
    {},
    {
      addressOf: () => ({ address: '127.0.0.1', port: (asked += 1) === 1 ? cut : whole.port }),
    },
  )
  t.ok((await read(['whole', 'whole'], twice))?.equals(content))
  t.equal(asked, 2)
})

t.test('an attached process and a client far away speak raw bytes, each ends for itself', async (t) => {
  // The waiting client: a plain connection to the other host, as after the rendezvous.
  const [near, far] = await pair(t)
  const { port } = await serveAs(t, authority, 'b', {
    attach: async (given, peer) => {
      if (given !== token) throw Object.assign(new Error('no client came in time'), { code: 'timeout' })
      t.equal(peer.name, 'a')
      near.pause()
      return near
    },
  })
  const a = peersAs(t, authority, 'a', { b: port })
  t.equal(await failure(a.attach('b', `${token}x`)), 'peer_refused:timeout')
  far.write('early ')
  const socket = await a.attach('b', token)
  const heard = collect(socket)
  const said = collect(far)
  far.write('input')
  await until(() => heard.text === 'early input', { what: 'the input at the process' })
  far.end()
  await until(() => heard.ended, { what: 'the end of the input at the process' })
  const big = randomBytes(4 * 1024 * 1024).toString('base64')
  socket.write(big)
  socket.end('last words')
  await until(() => said.ended, { what: 'the end of the output at the client' })
  t.equal(said.text, `${big}last words`)
  await until(() => socket.destroyed && far.destroyed && near.destroyed, { what: 'all sockets closed' })
})

t.test('an attached pair is gone when either breaks', async (t) => {
  // As the API has them: a client that ends has left.
  const clients: [Socket, Socket][] = [await pair(t, false), await pair(t, false), await pair(t)]
  let next = 0
  const { port } = await serveAs(t, authority, 'b', { attach: async () => clients[next++]![0] })
  const a = peersAs(t, authority, 'a', { b: port })
  const first = await a.attach('b', token)
  first.on('error', () => undefined).resume()
  clients[0]![1].destroy()
  await until(() => first.destroyed, { what: 'the process to hear that its client left' })
  const second = await a.attach('b', token)
  second.destroy()
  const [, far] = clients[1]!
  far.resume()
  await until(() => far.destroyed, { what: 'the client to hear that its process left' })
  // A reader that is slow holds the writer up, and nothing is lost or kept in between.
  const third = await a.attach('b', token)
  const [, slow] = clients[2]!
  const chunk = Buffer.alloc(64 * 1024)
  let written = 0
  while (third.write(chunk) && written < 64 * 1024 * 1024) written += chunk.length
  t.ok(written < 64 * 1024 * 1024, 'it is told to wait')
  third.end()
  const said = collect(slow)
  await until(() => said.ended, { what: 'the rest' })
  t.equal(said.text.length, written + chunk.length)
})

t.test('a host that hangs is given up within a bound, at every stage', async (t) => {
  const silent = await plainServer(t, () => undefined)
  const { port } = await serveAs(t, authority, 'mute', { call: () => new Promise(() => undefined) })
  const half = await hungHalfway(t)
  const a = peersAs(t, authority, 'a', { silent, mute: port, half })
  const startedMs = performance.now()
  const all = await Promise.all([
    failure(a.call('silent', '/x', null)),
    failure(a.call('mute', '/x', null, { timeoutMs: 700 })),
    failure(a.call('half', '/x', null, { timeoutMs: 700 })),
    failure(a.attach('silent', token)),
    a.fetchSlug('ab'.repeat(32), ['silent']),
  ])
  t.same(all, ['peer_unreachable', 'peer_timeout', 'peer_timeout', 'peer_unreachable', undefined])
  t.ok(performance.now() - startedMs < 9_500, 'less than what a call or a silence may take by default')
})

/** A host that begins an answer and says no more. */
const hungHalfway = async (t: Test): Promise<number> => {
  const { createServer: createHttps } = await import('node:https')
  const { certificate, key } = identity(authority, 'half')
  const server = createHttps({ cert: certificate, key }, (_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('{')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as { port: number }).port
}

/** Both ends of a plain connection. */
const pair = async (t: Test, allowHalfOpen = true): Promise<[Socket, Socket]> => {
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer({ allowHalfOpen }, (socket) => accepted.resolve(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const far = plainConnect({ port, host: '127.0.0.1', allowHalfOpen })
  const near = await accepted.promise
  for (const socket of [near, far]) socket.on('error', () => undefined)
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

const collect = (stream: Duplex): { text: string; ended: boolean } => {
  const seen = { text: '', ended: false }
  stream.on('data', (chunk: Buffer) => (seen.text += chunk.toString('latin1')))
  stream.on('end', () => (seen.ended = true))
  return seen
}

t.test(
  'a frame that is too large is none: the connection ends, and the process counts as lost',
  async (t) => {
    const [near, far] = duplexPair()
    const executed = carried(near)
    const head = Buffer.alloc(5)
    head.writeUInt32BE(1024 * 1024 + 1, 1)
    far.write(head)
    t.strictSame(await executed.exit, { code: 255 })
    t.ok(near.destroyed)
  },
)
