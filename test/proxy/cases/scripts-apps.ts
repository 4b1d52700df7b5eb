/** What one app, or one connection, may do to others: `spec/router.md` §5.6, S10, S13, S16, S17. */
import { startTarget } from '../../kit/proxy.ts'
import { askedDyno, say, type Script } from '../../kit/script.ts'
import { until } from '../../kit/until.ts'

const get = (path = '/p'): string => `GET ${path} HTTP/1.1\nHost: HOST\n\n`
const final = 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi'
/** `spec/router.md` §1.2 and §1.5. */
const inFlightMax = 200
const requestsPerConnectionMax = 100

export const apps: readonly Script[] = [
  {
    name: 'S10 an app with all that it may have under way gets H11, and another one is served',
    async play(t, place, stage) {
      const other = await stage.open({ onDyno: (peer) => peer.socket.on('data', () => say(peer, final)) })
      try {
        for (let at = 0; at < inFlightMax; at += 1) place.client(get())
        await until(() => place.dyno.peers.length === inFlightMax, { what: 'all of them at the dyno' })
        t.match(await place.client(get('/more')).sees('</html>'), /^HTTP\/1.1 503 /)
        t.match(await place.line?.(/H11/), /code=H11 desc="Backlog too deep" .*path="\/more".*status=503/)
        t.match(await other.client(get()).sees('hi'), /^HTTP\/1.1 200 /)
        t.equal(place.dyno.peers.length, inFlightMax)
      } finally {
        await other.close()
      }
    },
  },
  {
    name: 'S13 a connection carries a hundred requests, each with a line of its own, and is then closed',
    async play(t, place) {
      const client = place.client()
      for (let at = 1; at <= requestsPerConnectionMax; at += 1) {
        client.text = ''
        client.send(`GET /${at} HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
        const dyno = await place.dyno.peer(0)
        await dyno.sees(`GET /${at} `)
        dyno.text = ''
        say(dyno, `HTTP/1.1 200 OK\nContent-Length: ${at}\n\n${'b'.repeat(at)}`)
        const text = await client.sees(/\r\n\r\nb+$/)
        const isLast = at === requestsPerConnectionMax
        if (text.includes('Connection: close') !== isLast) t.fail(`answer ${at}: ${text}`)
      }
      await client.seesEnd()
      t.equal(place.dyno.peers.length, 1, 'one connection to the dyno did for all')
      const bytesOf = async (at: number) =>
        Number(/ bytes=(\d+)/.exec((await place.line?.(new RegExp(`path="/${at}" `))) ?? '')?.[1])
      t.equal((await bytesOf(90)) - (await bytesOf(50)), 40, 'bytes are counted for each')
    },
  },
  {
    name: 'S16 what is under way ends at the dyno it went to, and the next request goes to the new one',
    async play(t, place) {
      const fresh = await startTarget((peer) => peer.socket.on('data', () => say(peer, final)))
      try {
        const client = place.client(get('/1'))
        const dyno = await askedDyno(place)
        await place.moveTo?.(fresh.port)
        say(dyno, final.replace('hi', 'ok'))
        await client.sees(/ok$/)
        // Word of it is on its way to the router meanwhile; the old dyno answers until it is there.
        dyno.socket.on('data', () => say(dyno, final))
        await until(
          async () => {
            client.text = ''
            client.send(`GET /2 HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
            await client.sees('hi')
            return fresh.peers.length > 0
          },
          { what: 'the new dyno to be asked' },
        )
        const before = dyno.text.length
        client.text = ''
        client.send(`GET /3 HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
        await client.sees('hi')
        t.equal(dyno.text.length, before, 'and none to the old one any more')
      } finally {
        await fresh.close()
      }
    },
  },
  {
    name: 'S17 one connection may ask for one app after the other',
    async play(t, place, stage) {
      const other = await stage.open()
      try {
        const client = place.client(get('/1'))
        const first = await place.dyno.peer(0)
        await first.sees('GET /1')
        say(first, final)
        await client.sees('hi')
        client.send(`GET /2 HTTP/1.1\r\nHost: ${other.host}\r\n\r\n`)
        const second = await other.dyno.peer(0)
        await second.sees('GET /2')
        say(second, final.replace('hi', 'ok'))
        await client.sees(/ok$/)
        t.notMatch(first.text, /GET \/2/)
        t.match(await other.line?.(/path="\/2"/), /status=200/)
      } finally {
        await other.close()
      }
    },
  },
]
