/**
 * Responses and chunked bodies through the HTTP/1.1 state machines, whole and cut at every point.
 */
import t from 'tap'
import { BodyReader, chunked, untilClose } from '../../src/http1/body.ts'
import { HeadParser, responseRules } from '../../src/http1/head-parser.ts'
import { responseLimits } from '../../src/http1/limits.ts'
import { readResponseHead } from '../../src/http1/response-head.ts'
import { rewriteResponse } from '../../src/http1/rewrite.ts'
import { crlf, everySplit, parseRequest, unchunk } from '../kit/http1.ts'

/** Response head, rewritten head and body, as one text. */
function parseResponse(pieces: readonly Buffer[], method = 'GET', closed = true): string {
  const parser = new HeadParser(responseRules(responseLimits))
  const body = new BodyReader()
  let out = ''
  let relayed = ''
  let parsed = false
  for (const piece of pieces) {
    if (!parsed) {
      const outcome = parser.feed(piece, 0)
      if (outcome === 'more') continue
      const head = outcome === 'fault' ? parser.fault : readResponseHead(parser, method)
      if (head === null || 'code' in head) return `fault ${head?.code}`
      parsed = true
      body.begin(head.framing)
      // As the proxy does: the head is written when the body that came with it has been read.
      const at = parser.consumed
      if (!body.done && at < piece.length) relayed += body.take(piece, at).toString('latin1')
      const next = rewriteResponse(parser, head, 'Via: us\r\n', { unchunked: false, body: null })
      out = `${head.status} ${head.framing} close=${head.close}\n${next.toString('latin1')}`
    } else if (!body.done) relayed += body.take(piece, 0).toString('latin1')
    if (body.fault !== null) return `fault ${body.fault.code}`
  }
  if (!parsed) return 'more'
  return `${out}[${unchunk(relayed)}] ${closed ? body.closed() : body.done}`
}

t.test('responses are framed by RFC 9112 and refused where Heroku refuses them', async (t) => {
  const cases: readonly [text: string, expected: RegExp, method?: string][] = [
    [
      'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: A\n\n1;e\nx\n0\nA: b\nHost: c\n\n',
      /^200 -1 close=false\nHTTP\/1.1 200 OK\r\nTrailer: A\r\nVia: us\r\nTransfer-Encoding: chunked\r\n\r\n\[x\|A: b\r\n\r\n\] true/,
    ],
    [
      'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi',
      /^200 2 close=false\nHTTP\/1.1 200 OK\r\nVia: us\r\nContent-Length: 2\r\n\r\n\[hi\] true/,
    ],
    ['HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 2\n\nhi', /us\r\nContent-Length: 2\r\n\r\n\[hi\]/],
    ['HTTP/1.1 421\n\n', /HTTP\/1.1 421 \r\n/],
    ['HTTP/1.1 666 Odd\nContent-Length: 0\n\n', /^666/],
    [
      'HTTP/1.0 200 OK\n\nrest',
      new RegExp(`^200 ${untilClose} close=true\nHTTP/1.1 200 OK\r\nVia: us\r\n\r\n\\[rest\\] true`),
    ],
    [
      'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 9\n\n2\nhi\n0\n\n',
      new RegExp(`^200 ${chunked} close=true\n.*chunked\r\n\r\n\\[hi\\|\r\n\\] true`, 's'),
    ],
    ['HTTP/1.1 204 No\nContent-Length: 5\n\nhello', /^204 0.*Content-Length: 5\r\n\r\n\[\] true/s],
    ['HTTP/1.1 304 No\nTransfer-Encoding: chunked\n\n', /^304 0.*Transfer-Encoding: chunked\r\n/s],
    ['HTTP/1.1 200 OK\nContent-Length: 5\n\n', /^200 0.*Content-Length: 5\r\n/s, 'HEAD'],
    [
      'HTTP/1.1 200 OK\nSet-Cookie: a\nSet-Cookie: b\nKeep-Alive: timeout=5\nConnection: x-hop, close\nX-Hop: 1\nContent-Length: 0\n\n',
      /close=true\nHTTP\/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nVia: us\r\n/,
    ],
    ['HTTP/1.1 103 Early\nLink: x\n\n', /^103 0.*Link: x\r\nVia/s],
    ['HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\n', /fault bad-content-length/],
    ['HTTP/1.1 200 OK\nContent-Length: 1,1\n\n', /fault bad-content-length/],
    ['HTTP/1.1 200 OK\nContent-Length: -1\n\n', /fault bad-content-length/],
    ['HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n', /fault bad-transfer-encoding/],
    ['HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n', /fault bad-transfer-encoding/],
    ['HTTP/2.0 200 OK\n\n', /fault bad-status-line/],
    ['HTTP/1.1 99 OK\n\n', /fault bad-status-line/],
    ['HTTP/1.1 20x OK\n\n', /fault bad-status-line/],
    ['ICY 200 OK\n\n', /fault bad-status-line/],
    ['HTTP/1.1 200 OK\nX: a\n b\n\n', /fault bad-header-name/],
    ['HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\nzz\n', /fault bad-chunk/],
  ]
  for (const [text, expected, method] of cases) {
    const bytes = crlf(text)
    const whole = parseResponse([bytes], method)
    t.match(whole, expected, JSON.stringify(text.slice(0, 70)))
    for (const pieces of everySplit(bytes)) {
      const got = parseResponse(pieces, method)
      if (got !== whole) t.equal(got, whole, `cut after ${pieces[0]?.length}: ${JSON.stringify(text)}`)
    }
  }
  const withHeader = (header: string) =>
    parseResponse([crlf(`HTTP/1.1 200 OK\n${header}\nContent-Length: 0\n\n`)])
  t.match(withHeader(`Set-Cookie: ${'c'.repeat(8192 - 12)}`), /^200/, 'a cookie line of 8192 bytes passes')
  t.match(withHeader(`Set-Cookie: ${'c'.repeat(8193 - 12)}`), 'fault cookie-too-long')
  t.match(withHeader(`X: ${'v'.repeat(524_288)}`), /^200/, 'a header of 512 KB passes')
  t.match(withHeader(`X: ${'v'.repeat(524_289)}`), 'fault response-header-too-long')
  t.match(parseResponse([crlf(`HTTP/1.1 200 ${'r'.repeat(8192)}\n\n`)]), 'fault status-line-too-long')
  t.match(
    parseResponse([crlf('HTTP/1.1 200 OK\nContent-Length: 5\n\nhell')]),
    /\[hell\] false/,
    'a cut body is not whole',
  )
})

t.test('chunks become plain data for a client that knows none', async (t) => {
  const bytes = crlf('5;x=y\nhello\n6\n world\n0\nA: b\n\nnext')
  for (const pieces of everySplit(bytes)) {
    const body = new BodyReader()
    body.begin(chunked, true)
    let data = ''
    let rest = ''
    for (const piece of pieces) {
      const at = body.done ? 0 : ((data += body.take(piece, 0).toString()), body.consumed)
      if (body.done) rest += piece.toString('latin1', at)
    }
    if (data !== 'hello world' || rest !== 'next') t.fail(`cut after ${pieces[0]?.length}: ${data} / ${rest}`)
  }
  const body = new BodyReader()
  const whole = crlf('5\nhello\n0\n\n')
  body.begin(chunked)
  t.same(body.take(whole, 0).toString(), whole.toString(), 'and stay byte for byte the same otherwise')
})

t.test('chunks come out the same wherever they are cut twice', async (t) => {
  const head = 'POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n'
  const bytes = crlf(`${head}3;e\nabc\nB\n0123456789a\n0\nX: y\n\nGET`)
  const whole = parseRequest([bytes])
  t.match(whole, /\[abc0123456789a\|X: y\r\n\r\n\] done rest=GET$/)
  for (let first = head.length; first < bytes.length; first += 1) {
    for (let second = first; second < bytes.length; second += 1) {
      const cut = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
      const got = parseRequest(cut.filter(({ length }) => length > 0))
      if (got !== whole) t.fail(`cut at ${first} and ${second}: ${got}`)
    }
  }
})
