/** Bodies on their way, and what cuts them: `spec/router.md` §1.7, §2.5, §5.4, §5.6. */
import { askedDyno, gone, say, type Script } from '../../kit/script.ts'
import { until } from '../../kit/until.ts'

const get = (path = '/p'): string => `GET ${path} HTTP/1.1\nHost: HOST\n\n`
const final = 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi'
const chunkedHead = 'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n'
const upload = 'POST /p HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\n'

export const streams: readonly Script[] = [
  {
    name: 'chunks go on as they come, as they are',
    vegur: ['chunked/passthrough', 'chunked/html', 'chunked/stream', 'chunked/short_msg'],
    async play(t, place) {
      const client = place.client(get())
      const dyno = await askedDyno(place)
      say(dyno, `${chunkedHead}5\nfirst\n`)
      await client.sees('5\r\nfirst\r\n')
      say(dyno, '06\nsec')
      await client.sees('sec')
      say(dyno, 'ond\n0\n')
      await client.sees('second\r\n')
      t.notOk(client.text.endsWith('0\r\n'), 'the end is not told before it is there')
      say(dyno, '\n')
      t.ok(await client.sees(/second\r\n0\r\n\r\n$/))
    },
  },
  {
    name: 'an answer begins while the request is still being sent, and both go on',
    async play(t, place) {
      const client = place.client(upload)
      const dyno = await place.dyno.peer(0)
      for (const word of ['one', 'two', 'six']) {
        client.send(`3\r\n${word}\r\n`)
        await dyno.sees(word)
        say(dyno, `${word === 'one' ? chunkedHead : ''}3\n${word}\n`)
        await client.sees(word)
      }
      client.send('0\r\n\r\n')
      await dyno.sees('0\r\n\r\n')
      say(dyno, '0\n\n')
      t.match(await client.sees('0\r\n\r\n'), /one\r\n3\r\ntwo\r\n3\r\nsix\r\n0\r\n\r\n$/)
    },
  },
  {
    name: 'S6 a client that leaves in the middle of an answer is H27, and its dyno hears of it',
    vegur: ['chunked/interrupted_client'],
    async play(t, place) {
      const client = place.client(get())
      const dyno = await askedDyno(place)
      say(dyno, `${chunkedHead}4\nhalf\n`)
      await client.sees('half')
      client.socket.destroy()
      await until(() => (dyno.socket.writable && say(dyno, '1\nx\n'), dyno.closed || dyno.ended), {
        what: 'the dyno to hear of it',
      })
      t.match(await place.line?.(/H27/), /sock=client at=warning code=H27 .*dyno=web.1 .*status=499/)
    },
  },
  {
    name: 'S7 a dyno that breaks off in the middle is H18, and the client sees it at once',
    vegur: ['chunked/interrupted_server'],
    async play(t, place) {
      const client = place.client(get())
      const dyno = await askedDyno(place)
      say(dyno, `${chunkedHead}4\nhalf\n`)
      await client.sees('half')
      dyno.socket.resetAndDestroy()
      await gone(client)
      t.notOk(client.text.endsWith('0\r\n\r\n'))
      t.match(await place.line?.(/H18/), /sock=backend at=error code=H18 .*dyno=web.1 .*status=503/)
    },
  },
  {
    name: 'a bad chunk after the dyno has answered cuts both',
    vegur: ['chunked/passthrough_partial_early_0length1', 'chunked/passthrough_partial_early_0length2'],
    async play(t, place) {
      const client = place.client(`${upload}3\none\n`)
      const dyno = await place.dyno.peer(0)
      await dyno.sees('one')
      say(dyno, `${chunkedHead}3\nyes\n`)
      await client.sees('yes')
      client.send('0\r\nGET /x HTTP/1.1\r\n\r\n')
      await gone(client)
      await gone(dyno)
      t.notMatch(dyno.text, /GET \/x/)
      t.match(await place.line?.(/H26/), /code=H26 .*cause="bad chunk"/)
    },
  },
  {
    name: 'F18 a second request waits for the end of the first answer',
    async play(t, place) {
      const client = place.client(`${get('/1')}${get('/2')}`)
      const dyno = await askedDyno(place)
      say(dyno, 'HTTP/1.1 200 OK\nContent-Length: 8\n\nhalf')
      await client.sees('half')
      t.notMatch(place.dyno.peers.map(({ text }) => text).join(''), /GET \/2/)
      say(dyno, 'done')
      await dyno.sees('GET /2')
      say(dyno, final)
      t.match(await client.sees('hi'), /halfdoneHTTP\/1.1 200 OK\r\n/)
    },
  },
  {
    name: 'I8 a client that ends its side during the answer gets all of it',
    async play(t, place) {
      const client = place.client(get())
      const dyno = await askedDyno(place)
      client.socket.end()
      say(dyno, final)
      t.match(await client.seesEnd(), /^HTTP\/1.1 200 .*hi$/s)
      t.equal(client.error, null)
    },
  },
  {
    name: 'R6 bytes on a kept connection that nobody asked for are no answer to the next one',
    vegur: ['backend_keepalive/keepalive_reset'],
    async play(t, place) {
      const client = place.client(get('/1'))
      const dyno = await askedDyno(place)
      say(dyno, final)
      await client.sees('hi')
      say(dyno, 'HTTP/1.1 200 OK\nContent-Length: 6\n\npoison')
      await gone(dyno)
      client.send(`GET /2 HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
      const second = await place.dyno.peer(1)
      await second.sees('GET /2')
      say(second, final.replace('hi', 'ok'))
      t.notMatch(await client.sees(/ok$/), /poison/)
    },
  },
  {
    name: 'R15 a kept connection that ends as a request reaches it costs a safe request nothing',
    async play(t, place) {
      const client = place.client(get('/1'))
      const dyno = await askedDyno(place)
      say(dyno, final)
      await client.sees('hi')
      client.send(`GET /2 HTTP/1.1\r\nHost: ${place.host}\r\n\r\n`)
      await dyno.sees('GET /2')
      dyno.socket.resetAndDestroy()
      const second = await place.dyno.peer(1)
      await second.sees('GET /2')
      say(second, final.replace('hi', 'ok'))
      t.match(await client.sees(/ok$/), /hiHTTP\/1.1 200 /)
    },
  },
  {
    name: 'R15 and one that may have been acted on is not sent again: H13',
    async play(t, place) {
      const client = place.client(get('/1'))
      const dyno = await askedDyno(place)
      say(dyno, final)
      await client.sees('hi')
      client.send(`POST /2 HTTP/1.1\r\nHost: ${place.host}\r\nContent-Length: 2\r\n\r\nab`)
      await dyno.sees('POST /2')
      dyno.socket.resetAndDestroy()
      t.match(await client.sees('</html>'), /hiHTTP\/1.1 503 /)
      t.equal(place.dyno.peers.length, 1)
      t.match(await place.line?.(/H13/), /code=H13 desc="Connection closed without response" method=POST/)
    },
  },
]
