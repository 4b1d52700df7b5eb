/**
 * The router of a host, whole: shard processes on one port, what they count together, what becomes of one
 * that dies and of all when they are told to end.
 */
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { connect as connectH2 } from 'node:http2'
import t, { type Test } from 'tap'
import { isAlive, signal } from '../../src/system/process.ts'
import { text } from '../kit/proxy-protocol.ts'
import { ok, Peer, startTarget, type Target } from '../kit/proxy.ts'
import { startRouterHost } from '../kit/router-host.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const balancer = '127.0.0.9'

const isGone = (peer: Peer): boolean => peer.ended || peer.closed
const requestOf = (host: string, path = '/', more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`

const dyno = async (t: Test, onText?: (peer: Peer) => void): Promise<Target> => {
  const target = await startTarget((peer) => peer.socket.on('data', () => onText?.(peer)))
  t.teardown(target.close)
  return target
}

t.test('shards of a host are one router', async (t) => {
  const router = await startRouterHost(t, {
    MANIFOLD_ROUTER_PROXY_PROTOCOL: balancer,
    MANIFOLD_ROUTER_SHARDS: '3',
  })
  const dial = (from?: string, to = router.port): Peer => {
    const at = { port: to, host: '127.0.0.1', allowHalfOpen: true }
    const peer = new Peer(connectTcp(from === undefined ? at : { ...at, localAddress: from }))
    t.teardown(() => peer.socket.destroy())
    return peer
  }

  await t.test('the client that a balancer names is the one that dynos and logs are told of', async (t) => {
    const target = await dyno(t, (peer) => peer.send(ok()))
    const host = await router.app(1, { dynos: [{ port: target.port }] })
    const header = text('TCP4 203.0.113.9 10.0.0.1 4711 80')
    const plain = dial(balancer)
    plain.socket.write(header)
    await plain.send(requestOf(host, '/plain')).sees('hi')
    t.match(await (await target.peer(0)).sees('\r\n\r\n'), /X-Forwarded-For: 203\.0\.113\.9\r\n/)
    t.match(await router.line(1, 'path="/plain"'), /fwd="203\.0\.113\.9" dyno=web\.1 /)
    const below = dial(balancer, router.tlsPort).socket
    below.removeAllListeners('data')
    below.write(header)
    const secure = new Peer(connectTls({ socket: below, servername: host, ca: router.authority }))
    await secure.send(requestOf(host, '/secure')).sees('hi')
    t.match(await router.line(1, 'path="/secure"'), /fwd="203\.0\.113\.9" .*tls=true tls_version=tls1\.3/)
    await dial().send(requestOf(host, '/direct')).sees('hi')
    t.match(await router.line(1, 'path="/direct"'), /fwd="127\.0\.0\.1" /)
    t.equal(await dial(balancer).send(requestOf(host, '/bare')).seesEnd(), '')
    await until(() => /at=bad-opening peer=127\.0\.0\.9 reason="no PROXY header"/.test(router.log()), {
      what: 'a line of the router itself',
    })
  })

  await t.test('a TLS session is resumed by whichever shard its client comes to', async (t) => {
    t.ok(router.log().includes('at=tls-off'), 'the key of certificates came while they ran')
    const secured = async (session?: Buffer) => {
      const sessions: Buffer[] = []
      const at = { port: router.tlsPort, host: '127.0.0.1', servername: 'app-1.localhost' }
      const socket = connectTls({ ...at, ca: router.authority, ...(session && { session }) })
      t.teardown(() => socket.destroy())
      socket.on('session', (made: Buffer) => sessions.push(made)).resume()
      let isSecure = false
      socket.on('secureConnect', () => (isSecure = true))
      await until(() => isSecure, { what: 'a handshake' })
      return {
        isReused: socket.isSessionReused(),
        ticket: () => until(() => sessions[0], { what: 'a ticket' }),
      }
    }
    const first = await secured()
    const ticket = await first.ticket()
    t.notOk(first.isReused)
    // That one shard got all of these is as likely as a coin that falls the same way twenty times.
    for (const _ of Array.from({ length: 20 })) t.ok((await secured(ticket)).isReused)
  })

  /** So many requests that a dyno does not answer, each on a connection of its own. */
  const fill = async (host: string, count: number, target: Target) => {
    const before = target.peers.length
    const peers = Array.from({ length: count }, () => dial().send(requestOf(host)))
    const refused = () =>
      peers.filter((peer) => peer.text.includes('H11') || peer.text.startsWith('HTTP/1.1 503'))
    const served = () => target.peers.length - before
    await until(() => served() + refused().length >= count, {
      what: `${count} requests, served or refused`,
    })
    return { peers, refused: refused().length, served: served() }
  }

  /** Resolves once 200 of 220 are served; never are there more. */
  const hasWholeLimit = (t: Test, host: string, target: Target): Promise<boolean> =>
    // Shards give back what they held a moment after the dyno was left, and a new one listens before it has
    // its part.
    until(
      async () => {
        const { served, peers } = await fill(host, 220, target)
        for (const peer of peers) peer.socket.destroy()
        await until(() => target.peers.every(isGone), { what: 'the dyno to be left' })
        t.ok(served <= 200, `${served} served`)
        return served === 200
      },
      { what: 'all of the limit to be had' },
    )

  await t.test('the limit of requests is the host its own, and no shard has one for itself', async (t) => {
    t.equal(router.shards().length, 3)
    const target = await dyno(t)
    const host = await router.app(2, { dynos: [{ port: target.port }] })
    const first = await fill(host, 230, target)
    t.same([first.served, first.refused], [200, 30])
    t.match(
      await router.line(2, 'H11'),
      /code=H11 desc="Backlog too deep" .*dyno= connect= service= status=503/,
    )
    for (const peer of first.peers) peer.socket.destroy()
    await until(() => target.peers.every(isGone), {
      what: 'the dyno to be left',
    })
    await hasWholeLimit(t, host, target)
  })

  await t.test(
    'a shard that is killed takes its own connections with it, and another takes its place',
    async (t) => {
      const target = await dyno(t)
      const features = ['http-disable-keepalive-to-dyno']
      const host = await router.app(3, { dynos: [{ port: target.port }], features })
      const { peers } = await fill(host, 40, target)
      const before = router.shards()
      const [victim] = before
      if (victim === undefined) throw new Error('no shard')
      signal(victim, 'SIGKILL')
      await until(() => peers.some(isGone), { what: 'the connections of the dead' })
      await until(() => router.shards().length === before.length && !isAlive(victim), {
        what: 'a shard in its place',
      })
      const left = peers.filter((peer) => !isGone(peer))
      t.ok(left.length > 0 && left.length < peers.length, `${left.length} of ${peers.length} are left`)
      for (const peer of target.peers) if (!isGone(peer)) peer.send(ok())
      await Promise.all(left.map((peer) => peer.sees('hi')))
      t.equal(peers.filter((peer) => peer.text.includes('hi')).length, left.length, 'and no other')
      for (const peer of peers) peer.socket.destroy()
      await hasWholeLimit(t, host, target)
    },
  )

  await t.test(
    'shards that are told to end finish what they began within 30 seconds, and say so to all who are there',
    async (t) => {
      const target = await dyno(t)
      const host = await router.app(4, { dynos: [{ port: target.port }] })
      const idle = dial()
      idle.send(requestOf(host, '/first'))
      const first = await target.peer(0)
      first.send(ok())
      await idle.sees('hi')
      const busy = dial().send(requestOf(host, '/slow'))
      const session = connectH2(`https://${host}`, {
        createConnection: () =>
          connectTls({
            port: router.tlsPort,
            host: '127.0.0.1',
            servername: host,
            ALPNProtocols: ['h2'],
            ca: router.authority,
          }),
      })
      t.teardown(() => session.destroy())
      const goaways: number[] = []
      session.on('goaway', (code: number) => goaways.push(code))
      const stream = session.request({ ':path': '/h2' })
      let answer = ''
      stream.setEncoding('utf8').on('data', (some: string) => (answer += some))
      await until(() => target.peers.filter((peer) => /\/slow|\/h2/.test(peer.text)).length === 2, {
        what: 'both requests at the dyno',
      })
      const stuck = dial().send(requestOf(host, '/stuck'))
      const half = await until(() => target.peers.find((peer) => peer.text.includes('/stuck')), {
        what: 'one more that will not be done',
      })
      half.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
      await stuck.sees('half')
      const shards = router.shards()
      const beganMs = performance.now()
      const stopped = router.stop()
      await idle.seesEnd()
      await until(() => goaways.length > 0, { what: 'GOAWAY' })
      t.equal(goaways[0], 0, 'in good order')
      t.ok(shards.some(isAlive), 'it waits')
      const late = dial().send(requestOf(host, '/late'))
      await until(() => late.error !== null || isGone(late), { what: 'nobody to listen' })
      t.equal(late.text, '')
      for (const peer of target.peers) if (/\/slow|\/h2/.test(peer.text)) peer.send(ok('last'))
      t.match(await busy.sees('last'), /^HTTP\/1.1 200 .*Connection: close\r\n/s)
      await until(() => answer === 'last', { what: 'the answer over HTTP/2' })
      await stopped
      const tookMs = performance.now() - beganMs
      t.ok(tookMs >= 29_000 && tookMs < 45_000, `${tookMs} ms`)
      await stuck.seesEnd()
      t.notOk(shards.some(isAlive))
      t.match(await router.line(4, 'path="/slow"'), / status=200 /)
      t.match(await router.line(4, 'path="/h2"'), / status=200 /)
      t.match(
        await router.line(4, 'path="/stuck"'),
        /^at=error code=H24 desc="Forced close" .* status= bytes=\d+ /,
      )
    },
  )
})
