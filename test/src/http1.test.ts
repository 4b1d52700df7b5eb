/**
 * Requests through the HTTP/1.1 state machines: each case is parsed whole, byte by byte and cut at every
 * point, and must come out the same; limits are tried at N and N + 1; a seeded fuzz looks for disagreement.
 */
import t from 'tap'
import { HeadParser, requestRules } from '../../src/http1/head-parser.ts'
import { requestLimits } from '../../src/http1/limits.ts'
import { readRequestHead } from '../../src/http1/request-head.ts'
import { crlf, parseRequest, sameAtEverySplit } from '../kit/http1.ts'

t.test('requests are understood the same however they are cut', async (t) => {
  const cases: readonly [name: string, text: string, expected: RegExp][] = [
    ['simple', 'GET / HTTP/1.1\nHost: a\n\n', /"method":"GET","target":"\/".*\[\] done rest=$/s],
    ['empty lines first', '\n\nGET / HTTP/1.1\nHost: a\n\n', /"host":"a"/],
    ['any method', 'frob-2 /x HTTP/1.1\nHost: a\n\n', /"method":"frob-2"/],
    ['1.0', 'GET / HTTP/1.0\nHost: a\n\n', /"minor":0.*"keepAlive":false/],
    ['1.0 kept', 'GET / HTTP/1.0\nHost: a\nConnection: Keep-Alive\n\n', /"keepAlive":true/],
    ['close', 'GET / HTTP/1.1\nHost: a\nConnection: x, CLOSE\n\n', /"keepAlive":false/],
    ['host', 'GET / HTTP/1.1\nHOST: A.Example.:8080\n\n', /"host":"a.example"/],
    [
      'international',
      'GET / HTTP/1.1\nHost: B\xc3\x9cCHER.example.:8080\n\n',
      /"host":"xn--bcher-kva.example"/,
    ],
    ['ipv6', 'GET / HTTP/1.1\nHost: [::1]:80\n\n', /"host":"\[::1\]"/],
    [
      'fragment',
      'GET /a?b=c#d?e HTTP/1.1\nHost: a\n\n',
      /"target":"\/a\?b=c".*\nGET \/a\?b=c HTTP\/1.1\r\n/s,
    ],
    ['untouched target', 'GET //a/../%2e;x?"<> HTTP/1.1\nHost: a\n\n', /\nGET \/\/a\/..\/%2e;x\?"<> HTTP/],
    ['absolute', 'GET http://A?x HTTP/1.1\nHost: a\n\n', /"target":"\/\?x"/],
    ['asterisk', 'OPTIONS * HTTP/1.1\nHost: a\n\n', /"target":"\*"/],
    ['length', 'POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhelloGET', /\[hello\] done rest=GET$/],
    ['zero length', 'POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n', /Content-Length: 0\r\n/],
    ['leading zero', 'POST / HTTP/1.1\nHost: a\nContent-Length: 010\n\n', /"framing":10/],
    ['equal lengths', 'POST / HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 1\n\nx', /\[x\] done/],
    ['length on GET', 'GET / HTTP/1.1\nHost: a\nContent-Length: 1\n\nx', /Content-Length: 1\r\n/],
    ['unfinished', 'POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhell', /\[hell\] more rest=$/],
    [
      'chunks',
      'POST / HTTP/1.1\nHost: a\nTransfer-Encoding: Chunked\n\n5\nhello\nA\n0123456789\n0\n\nGET',
      /Transfer-Encoding: chunked\r\n.*\[hello0123456789\|\r\n\] done rest=GET$/s,
    ],
    [
      'extensions',
      'POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5;a="b";c\nhello\n0;z\n\n',
      /\[hello\|\r\n\]/,
    ],
    [
      'zeros',
      'POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n005\nhello\n000\n\n',
      /\[hello\|\r\n\]/,
    ],
    [
      'trailers',
      'POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n1\nx\n0\nA: b\nContent-Length: 9\nX-Request-Id: z\nC:d\n\n',
      /\[x\|A: b\r\nC: d\r\n\r\n\] done/,
    ],
    [
      'both framings',
      'POST / HTTP/1.1\nHost: a\nContent-Length: 3\nTransfer-Encoding: chunked\n\n1\nx\n0\n\n',
      /"keepAlive":false.*\[x\|/s,
    ],
    [
      'expect',
      'POST / HTTP/1.1\nHost: a\nExpect: 100-Continue\nContent-Length: 0\n\n',
      /"expect":"continue"/,
    ],
    ['empty expect', 'POST / HTTP/1.1\nHost: a\nExpect:\n\n', /"expect":"none"/],
    ...['Connection: ,', 'Connection: upgrade', 'Connection: a b', 'Expect: \xe9'].map(
      (header) =>
        [header, `GET / HTTP/1.1\nHost: a\n${header}\n\n`, /"keepAlive":false.*"isBad":true/] as [
          string,
          string,
          RegExp,
        ],
    ),
    ['other expect', 'POST / HTTP/1.1\nHost: a\nExpect: 200-maybe\n\n', /"expect":"other"/],
    [
      'upgrade',
      'GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n',
      /"upgrade":"websocket"/,
    ],
    [
      'no h2c',
      'GET / HTTP/1.1\nHost: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x\n\n',
      /"upgrade":"".*HTTP\/1.1\r\nHost: a\r\nVia: us\r\n\r\n/s,
    ],
    ['obs-text', 'GET / HTTP/1.1\nHost: a\nX: caf\xe9\n\n', /X: caf\xe9\r\n/],
    ['blanks', 'GET / HTTP/1.1\nHost: \t a \t\nX:\n\n', /"host":"a".*X:\r\n/s],
  ]
  for (const [name, text, expected] of cases) t.match(sameAtEverySplit(crlf(text)), expected, name)
})

t.test('ambiguous and malformed requests are refused the same however they are cut', async (t) => {
  const withHost = (line: string) => `POST / HTTP/1.1\nHost: a\n${line}\n\n`
  const chunk = (body: string) => `POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n${body}`
  const cases: readonly [code: string, ...texts: string[]][] = [
    [
      'bad-request-line',
      'GET\n\n',
      'GET /\n\n',
      'GET  / HTTP/1.1\n\n',
      'GET / HTTP/1.1 \n\n',
      'GET / http/1.1\n\n',
      '\x16\x03\x01',
      'GET /\x00 HTTP/1.1\n\n',
      'GET / HTTPS/1.1\n\n',
    ],
    ['bad-version', 'GET / HTTP/1.2\n\n', 'GET / HTTP/2.0\n\n', 'GET / HTTP/11.1\n\n'],
    [
      'bad-method',
      '\x22x / HTTP/1.1\n\n',
      'CONNECT a:80 HTTP/1.1\nHost: a\n\n',
      `${'M'.repeat(128)} / HTTP/1.1\n\n`,
    ],
    [
      'bad-target',
      'GET x HTTP/1.1\n\n',
      'GET * HTTP/1.1\n\n',
      'GET /\xe9 HTTP/1.1\n\n',
      'GET a:80 HTTP/1.1\n\n',
      'GET /a\tb HTTP/1.1\n\n',
    ],
    ['too-many-empty-lines', `${'\n'.repeat(6)}GET`],
    [
      'bad-header-name',
      'GET / HTTP/1.1\n Host: a\n\n',
      'GET / HTTP/1.1\nHost : a\n\n',
      'GET / HTTP/1.1\nHost\n\n',
      'GET / HTTP/1.1\n: a\n\n',
      'GET / HTTP/1.1\nX: a\n b\n\n',
      'GET / HTTP/1.1\nH\xf6st: a\n\n',
      'GET / HTTP/1.1\n\tX: a\n\n',
    ],
    [
      'bad-header-value',
      'GET / HTTP/1.1\nX: a\x00\n\n',
      'GET / HTTP/1.1\nX: a\x7f\n\n',
      'GET / HTTP/1.1\nX: a\x0bb\n\n',
    ],
    [
      'bad-host',
      'GET / HTTP/1.1\n\n',
      'GET / HTTP/1.0\n\n',
      'GET / HTTP/1.1\nHost:\n\n',
      'GET / HTTP/1.1\nHost: a\nHost: a\n\n',
      'GET / HTTP/1.1\nHost: a, b\n\n',
      'GET / HTTP/1.1\nHost: u@a\n\n',
      'GET / HTTP/1.1\nHost: a/b\n\n',
      'GET / HTTP/1.1\nHost: [::1\n\n',
      'GET / HTTP/1.1\nHost: a:b\n\n',
      'GET / HTTP/1.1\nHost: a:123456\n\n',
      'GET http://b/ HTTP/1.1\nHost: a\n\n',
      'GET / HTTP/1.1\nHost: :80\n\n',
    ],
    [
      'bad-content-length',
      ...['+1', '-1', '0x1', '1_0', '1 1', '1Z', '', '1,1', '1, 1', '9007199254740993', '1'.repeat(20)].map(
        (value) => withHost(`Content-Length: ${value}`),
      ),
      withHost('Content-Length: 1\nContent-Length: 2'),
    ],
    [
      'bad-transfer-encoding',
      ...[
        'xchunked',
        'chunked, identity',
        'identity',
        'gzip',
        'chunked, chunked',
        ',chunked',
        'chunked,',
        ',',
        '"chunked"',
        'chunked;q=1',
        'chunked\x85',
        '\xa0chunked',
        'gzip, chunked',
        '',
      ].map((value) => withHost(`Transfer-Encoding: ${value}`)),
      withHost('Transfer-Encoding: chunked\nTransfer-Encoding: chunked'),
      'POST / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked\n\n',
    ],
    [
      'bad-chunk',
      ...[
        '0x1\nx',
        '+1\nx',
        '-1\nx',
        ' 1\nx',
        '1 \nx',
        '1_0\n',
        '\n',
        `${'1'.repeat(17)}\n`,
        '1\nxy',
        '1\nx\n\n',
        'ffffffffffffffff\n',
        '0\nX'.replace('\n', '\n\r'),
        `1;${'e'.repeat(5000)}\nx`,
      ].map(chunk),
    ],
    [
      'bad-trailer',
      chunk('0\nA : b\n\n'),
      chunk('0\n a: b\n\n'),
      chunk('0\nA: \x00\n\n'),
      chunk(`0\nA: ${'a'.repeat(9000)}\n\n`),
    ],
  ]
  for (const [code, ...texts] of cases) {
    for (const text of texts) {
      const bytes = crlf(text)
      const got = bytes.length > 6000 ? parseRequest([bytes]) : sameAtEverySplit(bytes)
      t.match(got, new RegExp(`fault ${code}$`), JSON.stringify(text.slice(0, 60)))
    }
  }
  t.match(
    parseRequest([Buffer.from('GET / HTTP/1.1\nHost: a\n\n')]),
    /fault bad-request-line/,
    'lines must end in CRLF',
  )
  t.match(
    parseRequest([Buffer.from('GET / HTTP/1.1\r\nHost: a\n\r\n')]),
    /fault bad-header-value/,
    'and headers too',
  )
  t.match(parseRequest([crlf('GET / HTTP/1.1\nHost: a\n').subarray(0, -1)]), /more/, 'a cut head is awaited')
})

t.test('request limits hold exactly, in one piece and byte by byte', async (t) => {
  const head = (line: string, headers: string) => crlf(`${line}\nHost: a\n${headers}\n`)
  const target = (bytes: number) => `GET /${'x'.repeat(bytes - 'GET / HTTP/1.1'.length)} HTTP/1.1`
  const many = (count: number) => 'a: b\n'.repeat(count - 1)
  const large = (bytes: number) => `x: ${'y'.repeat(7990)}\n`.repeat(Math.ceil(bytes / 8000))
  const cases: readonly [name: string, bytes: Buffer, fault: string][] = [
    ['request line at its limit', head(target(8192), ''), ''],
    ['request line over its limit', head(target(8193), ''), 'request-line-too-long'],
    ['header name at its limit', head('GET / HTTP/1.1', `${'n'.repeat(1000)}: v\n`), ''],
    [
      'header name over its limit',
      head('GET / HTTP/1.1', `${'n'.repeat(1001)}: v\n`),
      'header-name-too-long',
    ],
    ['header value at its limit', head('GET / HTTP/1.1', `n: ${'v'.repeat(8192)}\n`), ''],
    [
      'header value over its limit',
      head('GET / HTTP/1.1', `n: ${'v'.repeat(8193)}\n`),
      'header-value-too-long',
    ],
    ['1000 headers', head('GET / HTTP/1.1', many(1000)), ''],
    ['1001 headers', head('GET / HTTP/1.1', many(1001)), 'too-many-headers'],
    ['a head within the total', head('GET / HTTP/1.1', large(requestLimits.headBytesMax - 16_384)), ''],
    ['a head over the total', head('GET / HTTP/1.1', large(requestLimits.headBytesMax)), 'head-too-large'],
  ]
  for (const [name, bytes, fault] of cases) {
    const ways = [
      [bytes],
      Array.from(bytes, (byte) => Buffer.from([byte])),
      [bytes.subarray(0, 5000), bytes.subarray(5000)],
    ]
    for (const pieces of ways) {
      const got = parseRequest(pieces)
      if (fault === '') t.match(got, /done rest=$/, `${name}, in ${pieces.length}`)
      else t.match(got, `fault ${fault}`, `${name}, in ${pieces.length}`)
    }
  }
})

t.test('rewriting keeps order, case and repetition and removes what is for this hop alone', async (t) => {
  const out = parseRequest([
    crlf(`GET /x HTTP/1.1
Host: a
X-One: 1
x-one: 2
Connection: keep-alive, X-Secret, host, cookie, x-forwarded-for, content-length
Keep-Alive: timeout=5
X-Secret: gone
TE: trailers
Trailer: kept
Proxy-Authorization: gone
Proxy-Connection: gone
Cookie: kept
Via: 1.0 gone
X-Forwarded-For: 1.2.3.4
X-Forwarded-For: 5.6.7.8
X-Forwarded-Proto: gone
X-Request-Start: gone
x-LAST:   spaced\t

`),
  ])
  t.match(out, '"forwardedFor":"1.2.3.4, 5.6.7.8"')
  t.match(
    out,
    '\nGET /x HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\nTrailer: kept\r\nCookie: kept\r\nx-LAST:   spaced\t\r\nVia: us\r\n\r\n[',
  )
})

t.test('a parser waiting for bytes keeps its own positions while others parse', async (t) => {
  const first = new HeadParser(requestRules(requestLimits))
  const other = new HeadParser(requestRules(requestLimits))
  t.equal(first.feed(crlf('GET /1 HTTP/1.1\nHost: one\nX: '), 0), 'more')
  t.equal(other.feed(crlf('POST /other HTTP/1.1\nA: b\nC: d\nHost: other\n\n'), 0), 'done')
  other.retain(false)
  const third = new HeadParser(requestRules(requestLimits))
  t.equal(third.feed(crlf('PUT /third HTTP/1.1\nLonger-Name: b\nHost: third\n\n'), 0), 'done')
  t.equal(first.feed(crlf('y\n\n'), 0), 'done')
  t.match(readRequestHead(first), { host: 'one', target: '/1' })
  t.match(readRequestHead(other), { host: 'other', target: '/other' }, 'and so does one that was told to')
  t.match(readRequestHead(third), { host: 'third', target: '/third' })
})

t.test('random bytes and random cuts never crash it and never change the outcome', async (t) => {
  const seed = 20_260_923
  let state = seed
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 4_294_967_296) * below)
  }
  const parts = [
    'GET ',
    'POST ',
    '/',
    '/a?b',
    ' HTTP/1.1',
    ' HTTP/1.0',
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    'Host: a',
    'Host: b',
    'Content-Length: 3',
    'Transfer-Encoding: chunked',
    'Connection: close',
    'Expect: 100-continue',
    ': ',
    ' ',
    '\t',
    'abc',
    '3\r\nabc\r\n',
    '0\r\n',
    '0\r\n\r\n',
    'x: y',
    '\x00',
    '\xff',
    ';ext',
    'Upgrade: x',
    '5',
    'hello',
  ]
  const starts = [
    'GET / HTTP/1.1\r\nHost: a\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    '',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n',
  ]
  for (let round = 0; round < 3000; round += 1) {
    let text = starts[random(starts.length)] as string
    for (let i = random(12); i >= 0; i -= 1) text += parts[random(parts.length)] as string
    const bytes = Buffer.from(text, 'latin1')
    const whole = parseRequest([bytes])
    const pieces: Buffer[] = []
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random(9)
      pieces.push(bytes.subarray(at, at + size))
      at += size
    }
    const cut = parseRequest(pieces)
    if (cut !== whole) {
      t.equal(cut, whole, `seed ${seed} round ${round}: ${JSON.stringify(text)}`)
      break
    }
  }
  t.pass('3000 rounds agree')
})
