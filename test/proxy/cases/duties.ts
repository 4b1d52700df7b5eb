/** What an intermediary owes both sides: `spec/router.md` §5.4, I1 to I10, with §1.6 and §1.10. */
import { ok, type Exchange } from '../../kit/exchange.ts'

const get = (headers = ''): string => `GET /p HTTP/1.1\nHost: HOST\n${headers === '' ? '' : `${headers}\n`}\n`
const old = (headers = ''): string => `GET /p HTTP/1.0\nHost: HOST\n${headers === '' ? '' : `${headers}\n`}\n`
const passed = { client: '200 hi, kept', dyno: ['GET /p none'] }
const chunks = 'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\nh\n1\ni\n0\n\n'

export const duties: readonly Exchange[] = [
  {
    name: 'I1 what is for this hop alone is not forwarded, nor what is nominated',
    vegur: ['headers/delete_hop_by_hop'],
    send: get(
      'Connection: keep-alive, x-mine\nX-Mine: 1\nKeep-Alive: 5\nProxy-Connection: close\nTE: trailers\n' +
        'Proxy-Authorization: Basic x\nTrailer: X-Sum\nX-Kept: 1',
    ),
    ...passed,
    dynoSees: /\r\nTrailer: X-Sum\r\nX-Kept: 1\r\n/,
    dynoSeesNot: /x-mine|keep-alive: 5|proxy-connection|te: trailers|proxy-auth|connection: keep-alive, /i,
  },
  {
    name: 'I1 the same on the way back',
    vegur: ['headers/delete_hop_by_hop'],
    send: get(),
    answer: ok(
      'hi',
      'Connection: keep-alive, x-mine\nX-Mine: 1\nKeep-Alive: timeout=5\nProxy-Connection: close\nTE: x\n' +
        'Trailer: X-Sum\nProxy-Authenticate: Basic\n',
    ),
    ...passed,
    clientSees: /Trailer: X-Sum\r\nProxy-Authenticate: Basic\r\n/,
    clientSeesNot: /x-mine|keep-alive: timeout|proxy-connection|\nte: /i,
  },
  {
    name: 'I2 Via says where it went, both ways',
    vegur: ['headers/via', 'proxy/via'],
    send: get(),
    ...passed,
    dynoSees: /\r\nVia: 1\.1 [\w.-]+\r\n/,
    clientSees: /\r\nVia: 1\.1 [\w.-]+\r\n/,
  },
  {
    name: 'I2 and comes after those who were there before',
    vegur: ['headers/via_chain'],
    send: get('Via: 1.0 first, 1.1 second'),
    answer: ok('hi', 'Via: 1.1 cache\n'),
    ...passed,
    dynoSees: /\r\nVia: 1\.0 first, 1\.1 second, 1\.1 [\w.-]+\r\n/,
    clientSees: /\r\nVia: 1\.1 cache, 1\.1 [\w.-]+\r\n/,
  },
  {
    name: 'I3 Max-Forwards is counted for nobody but TRACE and OPTIONS',
    send: get('Max-Forwards: 0'),
    ...passed,
    dynoSees: /\r\nMax-Forwards: 0\r\n/,
  },
  {
    name: 'I4 an answer is not transformed',
    send: get('Accept-Encoding: gzip'),
    answer: ok('hi', 'ETag: "1"\nContent-MD5: x\nCache-Control: public\nContent-Encoding: none\n'),
    ...passed,
    dynoSees: /\r\nAccept-Encoding: gzip\r\n/,
    clientSees: /ETag: "1"\r\nContent-MD5: x\r\nCache-Control: public\r\nContent-Encoding: none\r\n/,
  },
  {
    name: 'I5 headers keep their case, order and number',
    vegur: [
      'headers/header_order',
      'headers/preserve_case',
      'client/order_preservation',
      'proxy/custom_downstream_headers',
    ],
    send: get('x-a: 1\nX-B: 2\nx-A: 3\nX-a: 4\nx_under: 5'),
    answer: ok('hi', 'x-c: 1\nX-D: 2\nSet-Cookie: a=1\nx-C: 3\nSet-Cookie: b=2\n'),
    ...passed,
    dynoSees: /x-a: 1\r\nX-B: 2\r\nx-A: 3\r\nX-a: 4\r\nx_under: 5\r\n/,
    clientSees: /x-c: 1\r\nX-D: 2\r\nSet-Cookie: a=1\r\nx-C: 3\r\nSet-Cookie: b=2\r\n/,
  },
  {
    name: 'I6 an interim answer goes on with its headers',
    send: get(),
    answer: `HTTP/1.1 103 Early Hints\nLink: </a>\n\n${ok()}`,
    client: '103, 200 hi, kept',
    dyno: ['GET /p none'],
    clientSees: /103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1.1 200/,
  },
  {
    name: 'I6 a 100 nobody asked for goes on as well',
    vegur: ['continue/no_expect_continue'],
    send: get(),
    answer: `HTTP/1.1 100 Continue\n\n${ok()}`,
    client: '100, 200 hi, kept',
    dyno: ['GET /p none'],
  },
  {
    name: 'I6 but not to HTTP/1.0',
    vegur: ['continue/http_1_0_continue'],
    send: old(),
    answer: `HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\n\n${ok()}`,
    client: '200 hi, closed',
    dyno: ['GET /p none'],
  },
  {
    name: "I7 a date is added where there is none, and no Server is claimed over the dyno's",
    send: get(),
    answer: ok('hi', 'Server: mine\n'),
    ...passed,
    clientSees: /Server: mine\r\n.*Date: \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT\r\n/s,
  },
  {
    name: 'I8 a client that ends its side still gets its answer',
    send: get(),
    ends: 'at once',
    client: '200 hi, closed',
    dyno: ['GET /p none'],
  },
  {
    name: 'I10 an old client is answered in HTTP/1.1 and closed',
    vegur: ['http_1_0/advertise_1_1', 'http_1_0/conn_close_default'],
    send: old(),
    client: '200 hi, closed',
    dyno: ['GET /p none'],
    dynoSees: /^GET \/p HTTP\/1.1\r\n/,
    clientSees: /^HTTP\/1.1 200 OK\r\n.*Connection: close\r\n/s,
  },
  {
    name: 'I10 kept, if it asks for that',
    vegur: ['http_1_0/conn_keepalive_opt'],
    send: old('Connection: keep-alive'),
    ...passed,
    clientSees: /Connection: keep-alive\r\n/i,
  },
  {
    name: 'I10 an old client knows no chunks',
    vegur: ['http_1_0/chunked_to_1_0'],
    send: old('Connection: keep-alive'),
    answer: chunks,
    client: '200 hi, closed',
    dyno: ['GET /p none'],
    clientSeesNot: /transfer-encoding/i,
  },
  {
    name: '§1.6 the dyno learns when and how the request came',
    vegur: ['proxy/start_time_header', 'proxy/connect_time_header', 'proxy/route_time_header', 'proxy/host'],
    send: get('X-Request-Start: 1\nConnect-Time: 99\nTotal-Route-Time: 99'),
    ...passed,
    dynoSees: /^GET \/p HTTP\/1.1\r\nHost: .*\r\nX-Request-Start: \d{13}\r\n/s,
    dynoSeesNot: /X-Request-Start: 1\r/,
  },
  {
    name: '§1.9 a client that wants to be closed is closed',
    send: get('Connection: close'),
    client: '200 hi, closed',
    dyno: ['GET /p none'],
    clientSees: /Connection: close\r\n/,
  },
]
