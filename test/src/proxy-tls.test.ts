/** TLS at the proxy: certificates by name and while it runs, protocols by ALPN, and what targets are told. */
import { spawn } from 'node:child_process'
import { connect as connectH2, type ClientHttp2Session } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { Decision } from '../../src/proxy/contract.ts'
import { issue, makeAuthority, type Pair } from '../../src/certs/certificate.ts'
import { sessionIdContext, type TlsCertificates } from '../../src/tls/accept.ts'
import { get, ok, Peer, routeTo, startProxy, startTarget, type World } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

const authority = { ...makeAuthority('test root', Date.now(), 100), commonName: 'test root' }
const pairFor = (...names: string[]): Pair => issue(authority, names, Date.now(), 10)

/** Certificates as a test changes them. */
const certificatesOf = (fallback: Pair, named: Record<string, Pair>) => {
  const state = { fallback, named, asked: [] as string[], isAway: false }
  const changes = new Set<() => void>()
  const certificates: TlsCertificates = {
    fallback: () => state.fallback,
    onFallback: (changed) => {
      changes.add(changed)
      return () => void changes.delete(changed)
    },
    contextFor: async (name) => {
      state.asked.push(name)
      if (state.isAway) throw new Error('away')
      const pair = state.named[name]
      return pair && createSecureContext({ cert: pair.certificate, key: pair.key })
    },
  }
  const renew = (pair: Pair): void => {
    state.fallback = pair
    for (const changed of changes) changed()
  }
  return { state, certificates, renew }
}

const secure = async (world: World, tls: TlsCertificates): Promise<number> => {
  const { port } = await world.proxy.listen({ port: 0, host: '127.0.0.1', forwardedPort: 443, tls })
  return port
}
const dial = async (t: Test, port: number, name: string, protocols = ['http/1.1']): Promise<TLSSocket> => {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ...(name !== '' && { servername: name }),
    ALPNProtocols: protocols,
    ca: authority.certificate,
    rejectUnauthorized: false,
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await until(() => socket.getProtocol() !== null && socket.getPeerCertificate().subject !== undefined, {
    what: `a handshake for ${name}`,
  })
  return socket
}
const contextOf = (pair: Pair) => ({ cert: pair.certificate, key: pair.key })
/** Without looking at what is shown: a session that is resumed shows nothing. */
const dialWith = async (t: Test, port: number, options: object) => {
  const sessions: Buffer[] = []
  const at = { port, host: '127.0.0.1', servername: 'a.example', rejectUnauthorized: false }
  const socket = connectTls({ ...at, ...options })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  let isSecure = false
  socket.on('secureConnect', () => (isSecure = true))
  socket.on('session', (made: Buffer) => sessions.push(made))
  socket.resume()
  await until(() => isSecure, { what: 'a handshake' })
  return { isReused: socket.isSessionReused(), ticket: () => until(() => sessions[0], { what: 'a ticket' }) }
}
const nameShown = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN)

t.test(
  'each name gets its certificate, unknown ones and none the fallback, a new one from the next handshake on',
  async (t) => {
    const target = await startTarget((peer) => peer.socket.once('data', () => peer.send(ok())))
    t.teardown(target.close)
    const world = await startProxy(t, () => routeTo(target))
    const tls = certificatesOf(pairFor('*.apps.example'), { 'a.example': pairFor('a.example') })
    const port = await secure(world, tls.certificates)
    const first = await dial(t, port, 'A.example')
    t.equal(nameShown(first), 'a.example')
    t.equal(first.authorized, true)
    t.equal(first.alpnProtocol, 'http/1.1')
    for (const name of ['b.example', ''])
      t.equal(nameShown(await dial(t, port, name)), '*.apps.example', name)
    tls.state.named['a.example'] = pairFor('a.example', 'second')
    const second = await dial(t, port, 'a.example')
    t.match(second.getPeerCertificate().subjectaltname, /second/)
    tls.renew(pairFor('renewed'))
    t.equal(nameShown(await dial(t, port, 'b.example')), 'renewed')
    tls.state.isAway = true
    t.equal(nameShown(await dial(t, port, 'a.example')), 'renewed', 'what cannot be known is not waited for')
    const peer = new Peer(first)
    peer.send(get())
    t.match(await peer.sees('hi'), /200 OK/, 'and the oldest connection goes on')
    t.match(
      await (await target.peer(0)).sees('\r\n\r\n'),
      /X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n/,
    )
    t.match(formatAccessLine(await world.record(0)), / protocol=http1\.1 tls=true tls_version=tls1\.3$/)
  },
)

t.test('openssl agrees on names, protocols and versions', async (t) => {
  const world = await startProxy(t, () => routeTo({ port: 1 }))
  const tls = certificatesOf(pairFor('fallback'), { 'a.example': pairFor('a.example') })
  const port = await secure(world, tls.certificates)
  const said = async (...args: string[]): Promise<string> => {
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let text = ''
    child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()))
    child.stderr.on('data', (bytes: Buffer) => (text += bytes.toString()))
    child.stdin.end()
    await until(() => child.exitCode !== null, { what: 'openssl to end' })
    return text
  }
  t.match(
    await said('-servername', 'a.example', '-alpn', 'h2'),
    /subject=CN = a\.example[^]*ALPN protocol: h2/,
  )
  t.match(
    await said('-servername', 'b.example', '-alpn', 'h2,http/1.1'),
    /subject=CN = fallback[^]*ALPN protocol: h2/,
  )
  t.match(await said('-noservername', '-tls1_2'), /subject=CN = fallback[^]*TLSv1\.2/)
  t.match(
    await said('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'),
    /alert protocol version|no protocols available|NONE/,
  )
  t.match(await said('-alpn', 'spdy/3'), /no application protocol/)
})

t.test('a body that breaks off by TLS is not taken for whole', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target))
  const port = await secure(world, certificatesOf(pairFor('a.example'), {}).certificates)
  const socket = await dial(t, port, 'a.example')
  const client = new Peer(socket)
  client.send(get())
  const peer = await target.peer(0)
  await peer.sees('\r\n\r\n')
  peer.send('HTTP/1.1 200 OK\r\n\r\nhalf')
  await client.sees('half')
  peer.socket.resetAndDestroy()
  await until(() => client.closed, { what: 'the end' })
  t.equal(client.error?.code, 'ECONNRESET')
  t.match(await world.record(0), { code: 'H18', tls: 'tls1.3' })
})

t.test('who does not finish a handshake is let go', async (t) => {
  const world = await startProxy(t, () => routeTo({ port: 1 }), { handshakeMs: 200 })
  const port = await secure(world, certificatesOf(pairFor('a.example'), {}).certificates)
  const silent = new Peer(connectTcp({ port, host: '127.0.0.1' }))
  const babbling = new Peer(connectTcp({ port, host: '127.0.0.1' })).send('GET / HTTP/1.1\r\n\r\n')
  await until(() => silent.closed && babbling.closed, { what: 'both to be closed' })
  t.equal(world.records.length, 0)
})

t.test('a connection made for one app carries no requests for another', async (t) => {
  const target = await startTarget((peer) => peer.socket.once('data', () => peer.send(ok())))
  t.teardown(target.close)
  const decisions = (host: string): Decision => routeTo(target, { app: host.slice(0, 1) })
  const asked: string[] = []
  const world = await startProxy(
    t,
    decisions,
    {},
    {
      isServedTogether: async (name, other) => {
        asked.push(`${name} ${other}`)
        return name.startsWith(other.slice(0, 1))
      },
    },
  )
  const port = await secure(world, certificatesOf(pairFor('a.example', 'b.example'), {}).certificates)
  const session: ClientHttp2Session = connectH2(`https://a.example:${port}`, {
    ca: authority.certificate,
    lookup: (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }] as never, 4),
  })
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  const statusOf = async (host: string): Promise<number> => {
    const stream = session.request({ ':path': '/', ':authority': host, 'user-agent': 'a "client"' })
    let status = 0
    stream.on('response', (headers) => (status = headers[':status'] as number))
    stream.on('error', () => undefined)
    stream.resume()
    await until(() => stream.closed && stream.destroyed, { what: `an answer for ${host}` })
    return status
  }
  t.equal(await statusOf('a.example'), 200)
  t.equal(await statusOf('a.other'), 200, "another name of the connection's own app")
  t.equal(await statusOf('b.example'), 421)
  t.equal(await statusOf('b.example'), 421)
  t.same(asked, ['a.example a.other', 'a.example b.example'], 'found out once')
  t.match(
    formatAccessLine(await world.record(2)),
    /^at=error code=H31 desc="Misdirected Request" .* host=b\.example .* dyno= connect= service= status=421 bytes= protocol=http2\.0 tls=true tls_version=tls1\.3 agent="a \\"client\\""$/,
  )
})

t.test('a session is resumed by every process that has the same keys, until they are others', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const keys = { now: Buffer.alloc(48, 1) }
  const changes = new Set<() => void>()
  const tickets = {
    now: () => keys.now,
    onChange: (changed: () => void) => {
      changes.add(changed)
      return () => void changes.delete(changed)
    },
  }
  const { certificates } = certificatesOf(pairFor('*.apps.example'), {})
  const named = {
    contextFor: () => createSecureContext({ ...contextOf(pairFor('a.example')), sessionIdContext }),
  }
  const portOf = async (tls: TlsCertificates) => secure(await startProxy(t, () => routeTo(target)), tls)
  const shared = { ...certificates, ...named, tickets }
  const [one, other, alone] = [
    await portOf(shared),
    await portOf(shared),
    await portOf({ ...certificates, ...named }),
  ]
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const isReused = async (port: number, session?: Buffer): Promise<boolean> =>
      (await dialWith(t, port, { maxVersion: version, ...(session && { session }) })).isReused
    const first = await dialWith(t, one, { maxVersion: version })
    const ticket = await first.ticket()
    t.same([await isReused(one, ticket), await isReused(other, ticket)], [true, true], version)
    t.equal(await isReused(alone, ticket), false, version)
    keys.now = Buffer.alloc(48, version)
    for (const changed of changes) changed()
    t.equal(await isReused(one, ticket), false, `${version}: other keys`)
  }
  t.equal(changes.size, 2)
})
