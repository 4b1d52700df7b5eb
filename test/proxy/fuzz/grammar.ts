/**
 * What is thrown at the router: messages by the grammar of RFC 9112, with each part wrong in one of the ways
 * that have fooled proxies, and bytes put in, taken out and changed anywhere. Raw bytes as latin1 text.
 */
import fc from 'fast-check'

export type Thrown = {
  /** All that the client sends. HOST stands for the name that leads to the dyno. */
  readonly client: string
  /** What the dyno answers to one request after the other. */
  readonly answers: readonly string[]
  /** Where the client's bytes and each answer's are cut, in thousandths of their length. */
  readonly cuts: readonly number[]
}

/** In a body it is only data; a router that forwards it as a request has been fooled. */
export const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n'

const oneOf = (...values: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...values)
/** Mostly the first, now and then one of the others. */
const mostly = (good: fc.Arbitrary<string>, ...bad: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: oneOf(...bad) })
const eol = mostly(fc.constant('\r\n'), '\n', '\r', '\r\r\n', '\r\n\r\n', '\n\r', ' \r\n', '\0\r\n', '')

const method = mostly(
  oneOf('GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'FROB'),
  'CONNECT',
  'get',
  'G T',
  '',
  'G\tT',
)
const target = mostly(
  oneOf('/', '/a?b=c', '//a/../b;c', '/%2e%00?"<>'),
  '*',
  'http://HOST/x?y',
  'http://other/x',
  '/#f',
  '/a b',
  '/\x80',
  '/\x01',
  'x',
  '',
)
const version = mostly(
  oneOf('HTTP/1.1', 'HTTP/1.0'),
  'HTTP/1.2',
  'HTTP/2.0',
  'http/1.1',
  'HTTP/1.1 ',
  'HTTP/1',
  '',
)
const length = fc.oneof(
  { weight: 6, arbitrary: fc.constant('=') },
  {
    weight: 1,
    arbitrary: oneOf('=+1', '=-1', '0', '1', '+2', '-1', '0x2', '2, 2', '', '2 2', '1e1', '0002', '\t2 '),
  },
  { weight: 1, arbitrary: oneOf('99999999999999999999', '9007199254740993', '4294967297') },
)
const coding = mostly(
  oneOf('chunked', 'Chunked', ' chunked\t'),
  'chunked, chunked',
  'identity',
  'chunked, identity',
  'gzip, chunked',
  'xchunked',
  ',chunked',
  '"chunked"',
  '\x0bchunked',
  'chunked\0',
  'chunked;q=1',
)
const framingName = mostly(fc.constant(''), ' ', '\t', '_', '\0', '-X')
const otherHeader = fc.oneof(
  oneOf(
    'X-A: 1',
    'Cookie: a=b',
    'Accept: application/json',
    'X-Forwarded-For: 9.9.9.9',
    'X-Request-Id: 0123456789abcdefghij',
    'Via: 1.0 x',
    'Connection: keep-alive',
    'Connection: close',
    'Connection: content-length, host',
    'Connection: transfer-encoding, x-a',
    'Connection: upgrade',
    'Upgrade: websocket',
    'Upgrade: h2c',
    'Expect: 100-continue',
    'TE: trailers',
    'Trailer: X-T',
    'Keep-Alive: timeout=1',
  ),
  oneOf(
    'X-B : 1',
    ' X-C: 1',
    'X-D: a\r\n folded',
    'X-E',
    ': x',
    'X-F: \x00',
    'X-G: \xe9',
    'X-H: a\rb',
    'Expect: x',
    'Connection: ,',
    'Content_Length: 5',
    'Transfer_Encoding: chunked',
  ),
)

const data = fc.oneof(
  fc.constant(''),
  oneOf('hello', '0\r\n\r\n', smuggled, `0\r\n\r\n${smuggled}`, 'a'.repeat(300), '\r\n', '5\r\nhello\r\n'),
)
const sizeOf = (text: string, form: number): string => {
  const hex = text.length.toString(16)
  return [
    hex,
    hex,
    hex,
    hex,
    hex.toUpperCase(),
    `00${hex}`,
    `${hex};a=b`,
    `${hex};`,
    `${hex} `,
    `0x${hex}`,
    `+${hex}`,
  ][form] as string
}
const chunk = fc
  .tuple(
    data.filter((text) => text !== ''),
    fc.integer({ min: 0, max: 10 }),
    eol,
    eol,
  )
  .map(([text, form, first, second]) => `${sizeOf(text, form)}${first}${text}${second}`)
const lastChunk = mostly(oneOf('0', '000', '0;x'), '', '00x', '-0', '0 ')
const trailer = oneOf(
  '',
  '',
  'X-T: 1\r\n',
  'Content-Length: 9\r\nX-T: 2\r\n',
  'Host: x\r\n',
  'X\r\n',
  ' x: y\r\n',
)
const chunks = fc
  .tuple(fc.array(chunk, { maxLength: 3 }), lastChunk, eol, trailer, eol)
  .map(([all, last, first, lines, end]) => `${all.join('')}${last}${first}${lines}${end}`)

type Framed = { readonly headers: readonly string[]; readonly body: string }
const lengthOf = (how: string, body: string): string =>
  how.startsWith('=') ? String(body.length + Number(how.slice(1) || 0)) : how
const framed: fc.Arbitrary<Framed> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ headers: [], body: '' }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(framingName, length, data)
      .map(([name, how, body]) => ({ headers: [`Content-Length${name}: ${lengthOf(how, body)}`], body })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(framingName, coding, chunks)
      .map(([name, how, body]) => ({ headers: [`Transfer-Encoding${name}: ${how}`], body })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(length, coding, fc.oneof(data, chunks), fc.boolean())
      .map(([how, code, body, swap]) => {
        const headers = [`Content-Length: ${lengthOf(how, body)}`, `Transfer-Encoding: ${code}`]
        return { headers: swap ? headers.toReversed() : headers, body }
      }),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(length, length, data).map(([one, two, body]) => ({
      headers: [`Content-Length: ${lengthOf(one, body)}`, `Content-Length: ${lengthOf(two, body)}`],
      body,
    })),
  },
)
const host = mostly(
  fc.constant('Host: HOST'),
  'Host: HOST\r\nHost: HOST',
  'X-No: host',
  'Host: u@HOST',
  'Host: HOST/x',
)
const lines = fc.array(otherHeader, { maxLength: 3 })

const request = fc
  .tuple(method, target, version, host, lines, framed, eol, eol)
  .map(([verb, where, how, name, more, { headers, body }, first, last]) =>
    [`${verb} ${where} ${how}${first}${name}`, ...more, ...headers].join('\r\n').concat(`\r\n${last}${body}`),
  )

const status = mostly(
  oneOf('200 OK', '204 No Content', '304 Not Modified', '404 Not Found', '666 ', '200'),
  '101 Switching Protocols',
  '100 Continue',
  '103 Early Hints',
  '099 Low',
  '1000 High',
  '20 x',
  'abc',
  '200\tOK',
)
const answer = fc
  .tuple(
    mostly(oneOf('HTTP/1.1', 'HTTP/1.0'), 'HTTP/2.0', 'ICY', 'http/1.1'),
    status,
    lines,
    framed,
    eol,
    eol,
    data,
  )
  .map(([how, what, more, { headers, body }, first, last, surplus]) =>
    [`${how} ${what}`, ...more, ...headers]
      .join('\r\n')
      .concat(`${first}${last}${body}${surplus.slice(0, 9)}`),
  )

type Edit = readonly [at: number, kind: 'put' | 'take' | 'change', byte: string]
const edit: fc.Arbitrary<Edit> = fc.tuple(
  fc.integer({ min: 0, max: 999 }),
  fc.constantFrom('put', 'take', 'change'),
  oneOf('\r', '\n', '\0', ' ', '\t', ':', ',', ';', '\x80', '\x7f', '0', 'a', '\r\n'),
)
const edited = (text: string, edits: readonly Edit[]): string => {
  let out = text
  for (const [at, kind, byte] of edits) {
    const where = Math.floor((at / 1000) * out.length)
    out = out.slice(0, where) + (kind === 'take' ? '' : byte) + out.slice(kind === 'put' ? where : where + 1)
  }
  return out
}
const edits = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Edit[]>([]) },
  { weight: 1, arbitrary: fc.array(edit, { minLength: 1, maxLength: 2 }) },
)

export const thrown: fc.Arbitrary<Thrown> = fc.record({
  client: fc
    .tuple(fc.array(request, { minLength: 1, maxLength: 3 }), edits)
    .map(([requests, changes]) => edited(requests.join(''), changes)),
  answers: fc.array(
    fc.tuple(answer, edits).map(([text, changes]) => edited(text, changes)),
    { minLength: 1, maxLength: 2 },
  ),
  cuts: fc.array(fc.integer({ min: 1, max: 999 }), { maxLength: 4 }),
})
