/** Which connection outlives a request, on either side: `spec/router.md` §1.9. */
import { ok, type Exchange } from '../../kit/exchange.ts'

const get = (connection = ''): string =>
  `GET /p HTTP/1.1\nHost: HOST\n${connection === '' ? '' : `Connection: ${connection}\n`}\n`
const says = (connection: string): string => ok('hi', connection === '' ? '' : `Connection: ${connection}\n`)
const dyno = ['GET /p none']
const none: Exchange['place'] = { keepAlive: false }

/** Names are vegur's: what the router does with its dyno, what the client and what the dyno say. */
const closing: readonly (readonly [name: string, client: string, dyno: string, end: 'kept' | 'closed'])[] = [
  ['close_close_close', 'close', 'close', 'closed'],
  ['close_keepalive_keepalive', 'keep-alive', 'keep-alive', 'kept'],
  ['close_default_default', '', '', 'kept'],
  ['close_close_keepalive', 'close', 'keep-alive', 'closed'],
  ['close_keepalive_close', 'keep-alive', 'close', 'kept'],
]

const keeping: readonly (readonly [...(typeof closing)[number], connections: number])[] = [
  ['keepalive_close_close', 'close', 'close', 'closed', 1],
  ['keepalive_keepalive_keepalive', 'keep-alive', 'keep-alive', 'kept', 1],
  ['keepalive_default_default', '', '', 'kept', 1],
  ['keepalive_close_keepalive', 'close', 'keep-alive', 'closed', 1],
  ['keepalive_keepalive_close', 'keep-alive', 'close', 'kept', 2],
]

export const kept: readonly Exchange[] = [
  ...closing.map(([name, client, said, end]): Exchange => ({
    name: `§1.9 no connection to the dyno is kept: ${name}`,
    vegur: [`backend_close/${name}`],
    place: none,
    send: get(client),
    answer: says(said),
    client: `200 hi, ${end}`,
    dyno,
    dynoSees: /\r\nConnection: close\r\n/,
    dynoSeesNot: /Connection: keep-alive/i,
    connections: end === 'kept' ? 2 : 1,
  })),
  ...keeping.map(([name, client, said, end, connections]): Exchange => ({
    name: `§1.9 connections to the dyno are kept: ${name}`,
    vegur: [`backend_keepalive/${name}`],
    send: get(client),
    answer: says(said),
    client: `200 hi, ${end}`,
    dyno,
    dynoSeesNot: /Connection: close/i,
    connections,
  })),
  {
    name: '§1.9 a dyno that speaks HTTP/1.0 keeps none',
    vegur: ['backend_keepalive/keepalive_http_1_0'],
    send: get(),
    answer: 'HTTP/1.0 200 OK\nContent-Length: 2\n\nhi',
    client: '200 hi, kept',
    dyno,
    connections: 2,
  },
  {
    name: '§1.9 after chunks a connection is kept',
    vegur: ['backend_keepalive/keepalive_chunked'],
    send: get(),
    answer: 'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n',
    client: '200 hi, kept',
    dyno,
    connections: 1,
  },
  {
    name: '§1.9 after a large body too',
    vegur: ['backend_keepalive/keepalive_large_body', 'large_body/large_body_stream'],
    send: get(),
    answer: ok('b'.repeat(3_000_000)),
    client: '200 bbbbbbbb…3000000, kept',
    dyno,
    connections: 1,
  },
  {
    name: "§1.9 a body that ends with its connection ends the client's",
    vegur: ['backend_keepalive/keepalive_close_delimited', 'large_body/large_body_close_delimited'],
    send: get(),
    answer: `HTTP/1.1 200 OK\n\n${'b'.repeat(1_000_000)}`,
    afterwards: 'end',
    client: '200 bbbbbbbb…1000000, closed',
    dyno,
    clientSees: /^HTTP\/1.1 200 OK\r\n.*Connection: close\r\n/s,
  },
  {
    name: '§1.9 a large body for a client that wants to be closed',
    vegur: ['large_body/large_body_close'],
    send: get('close'),
    answer: ok('b'.repeat(1_000_000)),
    client: '200 bbbbbbbb…1000000, closed',
    dyno,
  },
  {
    name: '§1.9 after a 204 with a body the connection is not used again',
    send: get(),
    answer: 'HTTP/1.1 204 No Content\nContent-Length: 2\n\nhi',
    client: '204, kept',
    dyno,
    connections: 2,
  },
  {
    name: '§1.9 nor after bytes that belong to no answer',
    send: get(),
    answer: `${ok()}surplus`,
    client: '200 hi, kept',
    dyno,
    connections: 2,
  },
  {
    name: '§1.9 trailers of an answer reach the client, which is closed if it wants to be',
    vegur: ['chunked/trailers_close', 'chunked/passthrough'],
    send: get('close'),
    answer:
      'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n' +
      '2;ext=1\nhi\n0\nX-Sum: 1\nContent-Length: 9\n\n',
    client: '200 hi {X-Sum: 1}, closed',
    dyno,
  },
]
