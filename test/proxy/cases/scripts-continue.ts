/** `Expect: 100-continue`: `spec/router.md` §1.11, and vegur's group `continue`. */
import { askedDyno, gone, say, type Script } from '../../kit/script.ts'

const expecting = (length: number, more = ''): string =>
  `POST /p HTTP/1.1\nHost: HOST\nExpect: 100-continue\nContent-Length: ${length}\n${more}\n`
const endToEnd = { endToEndContinue: true }
const final = 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi'

export const continued: readonly Script[] = [
  {
    name: 'I9 the router answers an Expect itself, and the dyno never sees one',
    vegur: ['continue/bypass'],
    async play(t, place) {
      const client = place.client(expecting(2))
      t.equal(await client.sees('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
      client.send('ab')
      const dyno = await place.dyno.peer(0)
      t.notMatch(await dyno.sees('ab'), /Expect/i)
      say(dyno, final)
      await client.sees('hi')
      client.send(`GET /2 HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
      t.ok(await dyno.sees('GET /2'), 'both are used again')
    },
  },
  {
    name: 'with the feature it is the dyno that says go on, without headers of its own',
    vegur: ['continue/back_and_forth'],
    place: endToEnd,
    async play(t, place) {
      const client = place.client(expecting(2))
      const dyno = await place.dyno.peer(0)
      t.match(await dyno.sees('\r\n\r\n'), /Expect: 100-continue\r\n/i)
      t.equal(client.text, '')
      say(dyno, 'HTTP/1.1 100 Continue\nX-Private: 1\nConnection: close\n\n')
      t.equal(await client.sees('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
      client.send('ab')
      await dyno.sees('ab')
      say(dyno, final)
      await client.sees('hi')
      client.send(`GET /2 HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
      t.ok(await dyno.sees('GET /2'), 'a Connection of the 100 counts for nothing')
    },
  },
  {
    name: 'a client that does not wait for the dyno has its body forwarded',
    vegur: ['continue/body_timeout'],
    place: endToEnd,
    async play(t, place) {
      const client = place.client(expecting(2))
      const dyno = await askedDyno(place)
      client.send('ab')
      await dyno.sees('ab')
      say(dyno, `HTTP/1.1 100 Continue\n\n${final}`)
      t.match(await client.sees('hi'), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/)
    },
  },
  {
    name: 'of two 100s the client sees one',
    vegur: ['continue/non_terminal'],
    place: endToEnd,
    async play(t, place) {
      const client = place.client(expecting(2))
      const dyno = await askedDyno(place)
      say(dyno, 'HTTP/1.1 100 Continue\n\nHTTP/1.1 100 Continue\n\n')
      await client.sees('\r\n\r\n')
      client.send('ab')
      await dyno.sees('ab')
      say(dyno, final)
      t.match(await client.sees('hi'), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/)
    },
  },
  {
    name: 'after a 100 the dyno may still switch protocols',
    vegur: ['continue/continue_upgrade_httpbis'],
    place: endToEnd,
    async play(t, place) {
      const client = place.client(expecting(2, 'Connection: upgrade\nUpgrade: echo\n'))
      const dyno = await place.dyno.peer(0)
      t.match(await dyno.sees('\r\n\r\n'), /Connection: Upgrade\r\n/)
      say(dyno, 'HTTP/1.1 100 Continue\n\n')
      await client.sees('100 Continue')
      client.send('ab')
      await dyno.sees('ab')
      say(dyno, 'HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: echo\n\nfree')
      t.match(await client.sees('free'), /HTTP\/1.1 101 .*Upgrade: echo\r\n/s)
      client.send('\x00\x01 no HTTP')
      t.ok(await dyno.sees('\x00\x01 no HTTP'))
    },
  },
  {
    name: 'and without one as well',
    vegur: ['continue/upgrade_no_continue'],
    place: endToEnd,
    async play(t, place) {
      const client = place.client(expecting(0, 'Connection: upgrade\nUpgrade: echo\n'))
      const dyno = await askedDyno(place)
      say(dyno, 'HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: echo\n\nfree')
      t.match(await client.sees('free'), /^HTTP\/1.1 101 /)
    },
  },
  {
    name: 'a final answer in place of the 100 ends both connections',
    vegur: ['continue/terminal_no_continue_partial'],
    place: endToEnd,
    async play(t, place) {
      const client = place.client(expecting(2))
      const dyno = await askedDyno(place)
      say(dyno, 'HTTP/1.1 413 Too Large\nContent-Length: 3\n\nbig')
      t.match(await client.seesEnd(), /^HTTP\/1.1 413 .*Connection: close\r\n.*big$/s)
      await gone(dyno)
    },
  },
  {
    name: 'a final answer after the body, without a 100, is an answer',
    vegur: ['continue/terminal_no_continue_complete'],
    place: endToEnd,
    async play(t, place) {
      const client = place.client(`${expecting(2)}ab`)
      const dyno = await place.dyno.peer(0)
      await dyno.sees('ab')
      say(dyno, final)
      t.match(await client.sees('hi'), /^HTTP\/1.1 200 OK\r\n/)
    },
  },
]
