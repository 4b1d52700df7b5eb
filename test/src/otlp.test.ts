/** Log records in OTLP, judged by OpenTelemetry's own decoder; endpoints, headers and answers. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { checkHeaders, parseEndpoint } from '../../src/otlp/endpoint.ts'
import { encodeLogs, readRejection, type LogRecord, type ResourceLogs } from '../../src/otlp/logs.ts'
import { decodeRequest, encodeRejection } from '../kit/otlp-receiver.ts'

const record = (body: string | Uint8Array, change: Partial<LogRecord> = {}): LogRecord => ({
  atUs: 1_700_000_000_123_456,
  severity: 6,
  body: Buffer.from(body),
  attributes: [],
  ...change,
})
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const encoded = (...records: readonly LogRecord[]) =>
  decodeRequest(encodeLogs([{ attributes: [['service.name', 'demo']], records }], 'scope'))

t.test('a record says when, how bad, what and by whom', async (t) => {
  const attributes = [
    ['a.b', 'ü'],
    ['empty', ''],
  ] as const
  t.same(encoded(record('one', { attributes })), [
    {
      resource: { 'service.name': 'demo' },
      scope: 'scope',
      timeNs: '1700000000123456000',
      observedNs: '1700000000123456000',
      severity: [9, 'info'],
      body: 'one',
      attributes: { 'a.b': 'ü', empty: '' },
    },
  ])
})

t.test('a time that cannot be said is none, and no fault', async (t) => {
  const times = [-1, 0, Number.MAX_SAFE_INTEGER]
  t.same(
    encoded(...times.map((atUs) => record('', { atUs }))).map(({ timeNs, observedNs }) => [
      timeNs,
      observedNs,
    ]),
    [
      ['0', '0'],
      ['0', '0'],
      ['9007199254740991000', '9007199254740991000'],
    ],
  )
})

t.test("syslog's severities are OpenTelemetry's", async (t) => {
  const all = encoded(...[0, 1, 2, 3, 4, 5, 6, 7].map((severity) => record('', { severity })))
  t.same(
    all.map(({ severity }) => severity),
    [
      [21, 'emerg'],
      [19, 'alert'],
      [18, 'crit'],
      [17, 'err'],
      [13, 'warning'],
      [10, 'notice'],
      [9, 'info'],
      [5, 'debug'],
    ],
  )
  t.throws(() => encoded(record('', { severity: 8 })), /0 to 7/)
})

t.test('a body that is no UTF-8 is replaced where it is none, and nowhere else', async (t) => {
  const bodies = ['\u{feff}bom', 'nul\0', 'ünï\u{1f600}', '']
  t.same(
    encoded(...bodies.map((body) => record(body))).map(({ body }) => body),
    bodies,
  )
  // The decoder would replace it too: what is sent is looked at.
  for (const [bytes, text] of [
    [[0x61, 0xff, 0xc3, 0x28, 0x62], 'a\ufffd\ufffd(b'],
    [[0xef, 0xbb, 0xbf, 0xff], '\ufeff\ufffd'],
  ] as const) {
    const sent = encodeLogs([{ attributes: [], records: [record(Buffer.from(bytes))] }], '')
    t.ok(sent.includes(text), JSON.stringify(text))
  }
})

t.test('whatever is written is read back the same, in its order', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 300 })
  const attributes = fc.uniqueArray(fc.tuple(text, text), { maxLength: 4, selector: ([name]) => name })
  const records = fc.array(
    fc.record({
      atUs: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      severity: fc.constant(6),
      body: fc.oneof(
        text.map((one) => Buffer.from(one)),
        fc.uint8Array({ maxLength: 200 }),
      ),
      attributes,
    }),
    { maxLength: 6 },
  )
  const groups = fc.array(fc.record({ attributes, records }), { maxLength: 4 })
  const asTexts = (pairs: ResourceLogs['attributes']) => Object.fromEntries(pairs)
  fc.assert(
    // From a guess of nothing, so that it has to grow.
    fc.property(groups, fc.nat(4096), (all, guess) => {
      const wanted = all.flatMap((group) =>
        group.records.map(({ atUs, body, attributes: own }) => ({
          resource: asTexts(group.attributes),
          timeNs: String(BigInt(atUs) * 1000n),
          body: Buffer.from(body).toString(),
          attributes: asTexts(own),
        })),
      )
      const found = decodeRequest(encodeLogs(all, 's', guess)).map(
        ({ resource, timeNs, body, attributes: own }) => ({ resource, timeNs, body, attributes: own }),
      )
      assert.deepEqual(found, wanted)
    }),
    { numRuns: 300 },
  )
})

t.test('what an answer rejects is known, and an answer that cannot be read rejects nothing', async (t) => {
  t.same(readRejection(encodeRejection(3, 'too old')), { count: 3, message: 'too old' })
  t.same(readRejection(encodeRejection(300)), { count: 300, message: '' })
  t.equal(readRejection(encodeRejection(0, 'a warning')), undefined)
  t.equal(readRejection(encodeRejection(-1)), undefined)
  t.equal(readRejection(Buffer.alloc(0)), undefined)
  for (const text of [
    '{"partialSuccess":{}}',
    '\x0a\x7f\x08\x03',
    '\x0a\x7f',
    '\x0a\x02\x08',
    '\xff'.repeat(20),
    '\x0b',
    '\x08\x01',
    // A number that is too long, before what could be read.
    `\x10${'\xff'.repeat(12)}\x01${latin1(encodeRejection(3))}`,
  ])
    t.equal(readRejection(Buffer.from(text, 'latin1')), undefined, JSON.stringify(text))
  const partial = Buffer.from(encodeRejection(3, 'too old'))
  fc.assert(
    fc.property(fc.nat(partial.length), fc.uint8Array({ maxLength: 40 }), (at, noise) => {
      readRejection(Buffer.concat([partial.subarray(0, at), noise]))
    }),
  )
})

t.test('an endpoint is the address without the path of the signal, or with it', async (t) => {
  for (const [endpoint, target] of [
    ['https://otlp.example.com', '/v1/logs'],
    ['https://otlp.example.com/', '/v1/logs'],
    ['http://otlp.example.com:4318/a/b/', '/a/b/v1/logs'],
    ['https://otlp.example.com/v1/logs', '/v1/logs'],
    ['https://otlp.example.com/a/v1/logs/', '/a/v1/logs'],
    ['https://otlp.example.com/a?key=1/v1/logs', '/a/v1/logs?key=1/v1/logs'],
  ] as const)
    t.equal(parseEndpoint(endpoint).target, target, endpoint)
  t.match(parseEndpoint('HTTPS://u:p@h#insecure'), {
    port: 443,
    tls: { verified: false },
    authorization: /^B/,
  })
  for (const [endpoint, why] of [
    ['syslog://h:601', /no http or https URL \(allowed: http:\/\/host:port\/path, https:/],
    ['otlp.example.com:4318', /no http or https URL/],
    ['http://', /^Invalid endpoint: its host or port cannot be read \(allowed: http:\/\/host:port\/path, h/],
    ['http://h:0', /port is 0/],
    ['http://h/a b', /blank/],
    [`http://h/${'x'.repeat(1000)}`, /longer than 1000/],
  ] as const)
    t.throws(() => parseEndpoint(endpoint), { code: 'endpoint_invalid', message: why }, endpoint)
})

t.test('headers are names and values that a request can carry, and none of its own', async (t) => {
  checkHeaders({ 'x-key': 'a secret', Authorization: 'Bearer x', empty: '', snow_man: '\xe9' })
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`x-${at}`, '']))
  for (const [headers, why] of [
    [many, /there are 21 \(allowed: 20 at most\)/],
    [{ 'x y': '' }, /the name "x y" \(allowed: 1 to 100 of/],
    [{ '': '' }, /the name ""/],
    [{ 'Content-Type': 'text/plain' }, /"Content-Type" is set by the platform/],
    [{ 'accept-encoding': 'br' }, /"accept-encoding" is set by the platform/],
    [{ 'x-a': '1', 'X-A': '2' }, /"X-A" is there twice/],
    [{ 'x-a': 'secret\r\nhost: other' }, /the value of "x-a"/],
    [{ 'x-a': ' blank' }, /the value of "x-a"/],
    [{ 'x-a': '☃' }, /the value of "x-a"/],
    [{ 'x-a': 'x'.repeat(1001) }, /1000 printable characters at most/],
  ] as const) {
    t.throws(() => checkHeaders(headers), { code: 'endpoint_invalid', message: why }, String(why))
    t.throws(() => checkHeaders(headers), { message: /^(?!.*secret)/s }, 'a value is not told')
  }
})
