/** Where a request ends: `spec/router.md` §5.1, F1 to F19. What could be read in two ways is refused. */
import type { Exchange } from '../../kit/exchange.ts'

const refused = { client: '400 (page), closed', dyno: [] as readonly string[] }
const post = (headers: string, body = ''): string => `POST /p HTTP/1.1\nHost: HOST\n${headers}\n\n${body}`
const chunked = (body: string): string => post('Transfer-Encoding: chunked', body)

const lengths: readonly (readonly [value: string, isFine: boolean])[] = [
  ['+1', false],
  ['-1', false],
  ['0x1', false],
  ['1_0', false],
  ['1 1', false],
  ['1Z', false],
  ['', false],
  ['010', true],
  ['9007199254740993', false],
  ['18446744073709551617', false],
  ['1.0', false],
  ['1e0', false],
]

const codings: readonly string[] = [
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
  '\x0bchunked',
  'chunked\x00',
  '\n chunked',
  '\x85chunked',
  'chunked\xa0',
  'gzip, chunked',
  'chunke',
]

const sizes: readonly string[] = [
  '0x1',
  '+1',
  '-1',
  ' 1',
  '1_0',
  '',
  'fffffffffffffffff',
  '10000000000000001',
  '1;␊',
  '1;a=␍b',
  '1␊',
  '1␍X',
  'g',
  '\x001',
]

export const framing: readonly Exchange[] = [
  {
    name: 'F1 both framings: chunked counts, the length goes, the connection ends',
    send: post('Content-Length: 99\nTransfer-Encoding: chunked', '2\nab\n0\n\n'),
    client: '200 hi, closed',
    dyno: ['POST /p chunked [ab]'],
  },
  {
    name: 'F2 both framings with a request inside: one request is all there is',
    send: post('Content-Length: 44\nTransfer-Encoding: chunked', '0\n\nGET /admin HTTP/1.1\nHost: HOST\n\n'),
    client: '200 hi, closed',
    dyno: ['POST /p chunked'],
    dynoSeesNot: /admin/,
  },
  {
    name: 'F2 the other way round: what is inside the length is body',
    send: post('Content-Length: 39', '0\n\nGET /admin HTTP/1.1\nHost: HO2\n\n'),
    client: '200 hi, kept',
    dyno: ['POST /p length [0\r\n\r\nGET /admin HTTP/1.1\r\nHost: HO2\r\n\r\n]'],
  },
  {
    name: 'F3 equal lengths are one',
    vegur: ['headers/duplicate_identical_lengths_req'],
    send: post('Content-Length: 2\nContent-Length: 2', 'ab'),
    client: '200 hi, kept',
    dyno: ['POST /p length [ab]'],
  },
  {
    name: 'F3 two lengths that differ',
    vegur: ['headers/duplicate_different_lengths_req'],
    send: post('Content-Length: 1\nContent-Length: 2', 'ab'),
    ...refused,
  },
  {
    name: 'F3 a list of lengths',
    vegur: ['headers/duplicate_csv_lengths_req'],
    send: post('Content-Length: 1, 2', 'a'),
    ...refused,
  },
  { name: 'F3 a list of equal lengths', send: post('Content-Length: 1, 1', 'a'), ...refused },
  ...lengths.map(([value, isFine]): Exchange => {
    const send = post(`Content-Length: ${value}`, 'abcdefghij')
    const name = `F4 the length ${JSON.stringify(value)}`
    return isFine
      ? { name, send, client: '200 hi, kept', dyno: ['POST /p length [abcdefghij]'] }
      : { name, send, ...refused }
  }),
  { name: 'F5 a blank before the colon', send: post('Content-Length : 2', 'ab'), ...refused },
  { name: 'F5 a tab before the colon', send: post('Content-Length\t: 2', 'ab'), ...refused },
  { name: 'F5 a blank before the name', send: post(' Content-Length: 2', 'ab'), ...refused },
  ...codings.map((coding): Exchange => ({
    name: `F6 the coding ${JSON.stringify(coding)}`,
    ...(coding === ',' ? { vegur: ['body_less/bad_transfer_encoding'] } : {}),
    send: post(`Transfer-Encoding: ${coding}`, '0\n\n'),
    ...refused,
  })),
  {
    name: 'F6 two codings in two lines',
    send: post('Transfer-Encoding: chunked\nTransfer-Encoding: chunked', '0\n\n'),
    ...refused,
  },
  {
    name: 'F6 chunked in any case, with blanks around',
    send: post('Transfer-Encoding: \t CHUNKED \t', '2\nab\n0\n\n'),
    client: '200 hi, kept',
    dyno: ['POST /p chunked [ab]'],
  },
  {
    name: 'F7 a coding from a client that knows none',
    send: 'POST /p HTTP/1.0\nHost: HOST\nTransfer-Encoding: chunked\n\n0\n\n',
    ...refused,
  },
  {
    name: 'F8 a coding that does not end in chunked',
    send: post('Transfer-Encoding: chunked, gzip'),
    ...refused,
  },
  ...['GET', 'HEAD', 'DELETE', 'OPTIONS', 'FROB'].map((method): Exchange => ({
    name: `F9 ${method} with a body keeps its length`,
    ...(method === 'GET' ? { vegur: ['proxy/content_length'] } : {}),
    send: `${method} /p HTTP/1.1\nHost: HOST\nContent-Length: 2\n\nab`,
    ...(method === 'HEAD' ? { answer: 'HTTP/1.1 200 OK\nContent-Length: 2\n\n' } : {}),
    client: method === 'HEAD' ? '200, kept' : '200 hi, kept',
    dyno: [`${method} /p length [ab]`],
  })),
  ...sizes.map((size): Exchange => ({
    name: `F10 the chunk size ${JSON.stringify(size)}`,
    ...(size === '1␊' ? { vegur: ['chunked/bad_length'] } : {}),
    ...(size === '1␍X' ? { vegur: ['chunked/embedded_cr'] } : {}),
    send: chunked(`${size}\na\n0\n\n`),
    client: '400 (page), closed',
    dyno: [],
    line: /code=H26 desc="Request Error" cause="bad chunk"/,
  })),
  {
    name: 'F10 a chunk without its line end',
    vegur: ['chunked/boundary_chunk'],
    send: chunked('2\nabX\n0\n\n'),
    client: '400 (page), closed',
    dyno: [],
    line: /cause="bad chunk"/,
  },
  {
    name: 'F10 a chunk that ends in CR CR LF',
    vegur: ['chunked/bad_next_chunk'],
    send: chunked('2\nab\nc␍\n0\n\n'),
    client: '400 (page), closed',
    dyno: [],
  },
  {
    name: 'F10 something else where the last line end should be',
    vegur: ['chunked/passthrough_early_0length', 'chunked/zero_chunk_in_middle', 'chunked/bad_trailers'],
    send: chunked('2\nab\n0\n3\nabc\n0\n\n'),
    client: '400 (page), closed',
    dyno: [],
    line: /code=H26 .*cause="bad chunk" method=POST .*dyno=web.1 connect=\d+ms service=\d+ms status=400/,
  },
  {
    name: 'F11 chunk extensions end here',
    send: chunked('2;a=b;c="d e"\nab\n0;last\n\n'),
    client: '200 hi, kept',
    dyno: ['POST /p chunked [ab]'],
    dynoSeesNot: /;/,
  },
  {
    name: 'F11 chunk extensions without end',
    send: chunked(`1;${'e'.repeat(5000)}\na\n0\n\n`),
    client: '400 (page), closed',
    dyno: [],
  },
  {
    name: 'F12 trailers go on, those that frame, route or identify do not',
    vegur: ['chunked/trailers', 'chunked/trailers_no_header'],
    send: chunked(
      '2\nab\n0\nX-Sum: 1\nContent-Length: 3\nTransfer-Encoding: x\nHost: b\nAuthorization: c\nSet-Cookie: d\n' +
        'Trailer: e\nContent-Encoding: f\nX-Forwarded-For: g\nX-Request-Id: h\nConnection: i\nX-End: 2\n\n',
    ),
    client: '200 hi, kept',
    dyno: ['POST /p chunked [ab] {X-Sum: 1, X-End: 2}'],
  },
  {
    name: 'F12 a trailer that is no header',
    vegur: ['chunked/trailers_client_err'],
    send: chunked('2\nab\n0\nX-Sum 1\n\n'),
    client: '400 (page), closed',
    dyno: [],
  },
  {
    name: 'F13 empty lines between requests are passed over',
    send: `${post('Content-Length: 2', 'ab')}\n\n\n\n\n`,
    client: '200 hi, kept',
    dyno: ['POST /p length [ab]'],
  },
  {
    name: 'F13 too many of them are not',
    send: `${post('Content-Length: 2', 'ab')}\n\n\n\n\n\n`,
    client: '200 hi, 400 (page), closed',
    dyno: ['POST /p length [ab]'],
  },
  {
    name: 'F13 more bytes than the length are the next request',
    send: post('Content-Length: 2', 'ab:GARBAGE\n'),
    client: '200 hi, 400 (page), closed',
    dyno: ['POST /p length [ab]'],
  },
  {
    name: 'F14 a client that ends in the middle of its body',
    vegur: ['chunked/interrupted_client'],
    send: post('Content-Length: 9', 'half'),
    ends: 'once asked',
    client: 'closed',
    dyno: [],
    line: /code=H27 .*status=499/,
  },
  {
    name: 'F14 a client that ends before its last chunk',
    vegur: ['chunked/passthrough_short_crlf', 'chunked/zero_crlf_end'],
    send: chunked('2\nab\n0\n'),
    ends: 'once asked',
    client: 'closed',
    dyno: [],
    line: /code=H27 .*status=499/,
  },
  {
    name: 'F15 h2c is not asked for through us',
    send:
      'GET /p HTTP/1.1\nHost: HOST\nConnection: Upgrade, HTTP2-Settings\n' +
      'Upgrade: h2c\nHTTP2-Settings: AAMAAABk\n\n',
    client: '200 hi, kept',
    dyno: ['GET /p none'],
    dynoSeesNot: /upgrade|http2-settings/i,
  },
  {
    name: 'F16 a client may not have the length removed',
    send: post('Connection: close, content-length\nContent-Length: 2', 'ab'),
    client: '200 hi, closed',
    dyno: ['POST /p length [ab]'],
  },
  {
    name: 'F16 nor what says who it is and where it goes',
    send:
      'GET /p HTTP/1.1\nHost: HOST\nCookie: c=1\n' +
      'Connection: host, x-forwarded-for, x-request-id, cookie, x-forwarded-proto, via\n\n',
    client: '200 hi, kept',
    dyno: ['GET /p none'],
    dynoSees: /Host: .*Cookie: c=1\r\n.*X-Forwarded-For: 127.0.0.1\r\n/s,
  },
  {
    name: 'F17 a good request and a bad one: both are answered, in order',
    send: 'GET /1 HTTP/1.1\nHost: HOST\n\nGET  /2 HTTP/1.1\nHost: HOST\n\n',
    client: '200 hi, 400 (page), closed',
    dyno: ['GET /1 none'],
  },
  {
    name: 'F18 requests that come at once are answered in order',
    send: ['1', '2', '3'].map((path) => `GET /${path} HTTP/1.1\nHost: HOST\n\n`).join(''),
    answer: ['one', 'second', 'third one'].map(
      (body) => `HTTP/1.1 200 OK\nContent-Length: ${body.length}\n\n${body}`,
    ),
    client: '200 one, 200 second, 200 third one, kept',
    dyno: ['GET /1 none', 'GET /2 none', 'GET /3 none'],
  },
  {
    name: 'F19 an answer before the body is there ends the connection',
    vegur: ['continue/terminal_no_continue_partial'],
    send: post('Content-Length: 500', 'begun, and then a request that is none: '),
    early: true,
    afterwards: 'end',
    client: '200 hi, closed',
    dyno: [],
  },
]
