/** Leaving HTTP: `spec/router.md` §1.12, and vegur's `upgrade` cases. */
import { askedDyno, gone, say, type Script } from '../../kit/script.ts'

const asking = (method = 'GET', protocol = 'websocket'): string =>
  `${method} /p HTTP/1.1\nHost: HOST\nConnection: keep-alive, Upgrade\n` +
  `Upgrade: ${protocol}\nSec-WebSocket-Key: k\n\n`
const switched = (protocol = 'websocket'): string =>
  `HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: ${protocol}\nX-Mine: 1\n\n`

export const upgrades: readonly Script[] = [
  ...(
    [
      ['GET', 'websocket'],
      ['HEAD', 'anything/2'],
      ['FROB', 'irc'],
    ] as const
  ).map(([method, protocol]): Script => ({
    name: `${method} to ${protocol} becomes a pipe, and one line at its end`,
    vegur: ['request/upgrade_websockets', 'proxy/websockets', 'bytepipe/pipe_become', 'bytepipe/pipe_proc'],
    async play(t, place) {
      const client = place.client(asking(method, protocol))
      const dyno = await place.dyno.peer(0)
      t.match(
        await dyno.sees('\r\n\r\n'),
        new RegExp(`Connection: Upgrade\\r\\n.*Upgrade: ${protocol}\\r\\n`, 's'),
      )
      // Bytes right behind the head are of the new protocol already.
      say(dyno, `${switched(protocol)}\x81\x02hi`)
      t.match(await client.sees('\x81\x02hi'), /^HTTP\/1.1 101 .*X-Mine: 1\r\n.*\r\n\r\n\x81\x02hi$/s)
      client.send('\x82\x00GET / HTTP/1.1\r\n\r\n')
      await dyno.sees('\x82\x00GET / HTTP/1.1\r\n\r\n')
      client.socket.end()
      await gone(dyno)
      dyno.socket.end('bye')
      t.match(await client.seesEnd(), /bye$/)
      t.match(
        await place.line?.(/status=101/),
        new RegExp(`at=info method=${method} .*dyno=web.1 .*status=101`),
      )
    },
  })),
  {
    name: 'a pipe that the dyno ends is ended, with all that it sent before',
    vegur: ['backend_keepalive/keepalive_upgrade_close_server'],
    async play(t, place) {
      const client = place.client(asking())
      const dyno = await askedDyno(place)
      say(dyno, `${switched()}${'b'.repeat(300_000)}last`)
      dyno.socket.end()
      t.ok((await client.seesEnd()).endsWith('last'))
    },
  },
  {
    name: 'a pipe that the client ends is ended, and its connection never used again',
    vegur: ['backend_keepalive/keepalive_upgrade_close_client'],
    async play(t, place) {
      const client = place.client(asking())
      const dyno = await askedDyno(place)
      say(dyno, switched())
      await client.sees('101')
      client.send('last').socket.end()
      await dyno.sees('last')
      await gone(dyno)
      place.client('GET /2 HTTP/1.1\nHost: HOST\n\n')
      t.ok(await (await place.dyno.peer(1)).sees('GET /2'))
    },
  },
  {
    name: 'an upgrade that the dyno refuses is an answer like any other',
    async play(t, place) {
      const client = place.client(asking())
      const dyno = await askedDyno(place)
      say(dyno, 'HTTP/1.1 426 Upgrade Required\nContent-Length: 2\n\nno')
      t.match(await client.sees(/no$/), /^HTTP\/1.1 426 /)
      client.send(`GET /2 HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
      t.ok(await dyno.sees('GET /2'), 'and both connections go on')
    },
  },
  {
    name: 'R9 a switch to another protocol than was asked for is H17',
    async play(t, place) {
      const client = place.client(asking())
      const dyno = await askedDyno(place)
      say(dyno, switched('irc'))
      t.match(await client.sees('</html>'), /^HTTP\/1.1 503 /)
      t.match(await place.line?.(/H17/), /code=H17/)
    },
  },
]
