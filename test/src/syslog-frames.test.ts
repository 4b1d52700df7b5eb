/**
 * Frames and messages of syslog as bytes: written, cut anywhere, and read again. The named cases are those of
 * Logplex's own suites (syslog_parse, tcp_proxy, logs_rest).
 */
import fc from 'fast-check'
import t from 'tap'
import {
  fitting,
  frameBytes,
  logplexDialect,
  logplexFrames,
  syslogDialect,
  syslogFrames,
} from '../../src/syslog/frame.ts'
import { linesOf } from '../../src/syslog/lines.ts'
import type { LogMessage } from '../../src/syslog/message.ts'
import { FrameParser, parseMessage } from '../../src/syslog/parse.ts'

const atUs = 1_700_000_000_123_456
const token = 'd.8ec095b4-8960-39fa-b948-e9e21f27f5de'
const message = (text: string | Uint8Array, change: Partial<LogMessage> = {}): LogMessage => ({
  atUs,
  source: 'app',
  process: 'web.1',
  priority: 190,
  text: Buffer.from(text),
  ...change,
})
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const parsed = (frame: string) => {
  const found = parseMessage(Buffer.from(frame, 'latin1'))
  return found && { ...found, text: latin1(found.text) }
}

t.test('a frame says its length, and each dialect looks as its receivers expect', async (t) => {
  const changed = message('State changed from starting to up', {
    atUs: Date.parse('2012-11-30T06:45:29Z') * 1000,
    process: 'web.3',
    priority: 40,
  })
  t.equal(
    latin1(logplexFrames([changed])),
    '90 <40>1 2012-11-30T06:45:29.000000+00:00 host app web.3 - State changed from starting to up\n',
  )
  t.equal(
    latin1(syslogFrames([changed, message('')], token)),
    `126 <40>1 2012-11-30T06:45:29.000000+00:00 ${token} app web.3 - - State changed from starting to up\n` +
      `94 <190>1 2023-11-14T22:13:20.123456+00:00 ${token} app web.1 - - \n`,
    'one after the other, with nothing between',
  )
})

t.test('a frame has one LF at its end, and every other byte is carried as it is', async (t) => {
  const rest = (text: string | Uint8Array): string =>
    latin1(logplexFrames([message(text)])).replace(/^.*? app web\.1 - /s, '')
  t.equal(rest('a'), 'a\n')
  t.equal(rest('a\n'), 'a\n', 'not a second one')
  t.equal(rest('a\nb'), 'a\nb\n')
  t.equal(rest(Buffer.from([0x20, 0x00, 0xff, 0xc3, 0x1b, 0x0d])), '\x20\0\xff\xc3\x1b\r\n')
  t.equal(rest('x'.repeat(10_000)), `${'x'.repeat(10_000)}\n`)
})

t.test('frames of many speakers and times are those of each message alone', async (t) => {
  const times = fc.integer({ min: 0, max: 5_000 }).map((us) => atUs + us)
  const any = fc.record({
    atUs: times,
    source: fc.constantFrom('app', 'heroku'),
    process: fc.constantFrom('web.1', 'web.22', 'router'),
    priority: fc.constantFrom(5, 45, 190),
    text: fc.string({ maxLength: 30 }).map((text) => Buffer.from(text)),
  })
  fc.assert(
    fc.property(fc.array(any, { maxLength: 20 }), (messages) => {
      const alone = messages.map((one) => latin1(syslogFrames([one], token))).join('')
      t.equal(latin1(syslogFrames(messages, token)), alone)
    }),
    { numRuns: 50 },
  )
  const [first, second] = [message('a'), message('b', { atUs: atUs + 7 })]
  t.match(latin1(syslogFrames([first, second], token)), /\.123456\+00:00 .* a\n.*\.123463\+00:00 .* b\n$/)
})

t.test('a name never moves what follows it', async (t) => {
  const odd = message('x', { source: 'a b\nc', process: '' })
  t.match(latin1(syslogFrames([odd], `é${'h'.repeat(300)}`)), / \?h{254} a\?b\?c - - - x\n$/)
})

t.test('a batch is cut where its frames would be too large, without making them', async (t) => {
  const messages = ['a', 'bb', 'ccc'].map((text) => message(text))
  const each = messages.map((one) => frameBytes(one, logplexDialect))
  t.equal(each[0], logplexFrames(messages.slice(0, 1)).length)
  const sum = (each[0] as number) + (each[1] as number)
  t.equal(fitting(messages, logplexDialect, sum), 2)
  t.equal(fitting(messages, logplexDialect, sum - 1), 1)
  t.equal(fitting(messages, logplexDialect, 1), 1, 'one that is too large goes alone')
  t.equal(fitting(messages, logplexDialect, 1_000_000, 1), 2, 'from there on')
  t.equal(fitting([], logplexDialect, 1), 0)
})

const name = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 48,
})
const anyMessage: fc.Arbitrary<LogMessage> = fc.record({
  atUs: fc.integer({ min: 0, max: 4_102_444_800_000_000 }),
  source: name,
  process: name,
  priority: fc.nat({ max: 191 }),
  text: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom('- ', '[a b="c"] x', '', '\n', '\n\n').map((text) => new Uint8Array(Buffer.from(text))),
  ),
})
/** A frame ends in one LF more or less: that one is no part of the text. */
const withoutLf = (text: Uint8Array): Uint8Array => (text.at(-1) === 0x0a ? text.subarray(0, -1) : text)

t.test('what is written is read again the same, however the stream is cut', async (t) => {
  fc.assert(
    fc.property(
      fc.array(anyMessage, { maxLength: 6 }),
      fc.array(fc.nat({ max: 300 }), { maxLength: 12 }),
      (all, cuts) => {
        const stream = syslogFrames(all, token)
        t.equal(
          stream.length,
          all.reduce((sum, one) => sum + frameBytes(one, syslogDialect(token)), 0),
        )
        const parser = new FrameParser()
        const frames: Buffer[] = []
        let at = 0
        for (const cut of [...cuts, stream.length]) {
          frames.push(...parser.feed(Buffer.from(stream.subarray(at, at + cut))))
          at = Math.min(stream.length, at + cut)
        }
        const found = frames.map((frame) => parseMessage(frame))
        t.match([parser.malformed, parser.isCut], [0, false])
        t.same(
          found.map((one) => one && { ...one, text: latin1(one.text) }),
          all.map((one) => ({ host: token, ...one, text: latin1(withoutLf(one.text)) })),
        )
      },
    ),
    { numRuns: 300 },
  )
})

t.test('the outcome of any stream does not depend on its cuts', async (t) => {
  const piece = fc.constantFrom('3 abc', '2 ', 'x\n', '9', '12345', '10240 ', ' ', '\n', '0', '1 \n', '20 <1')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.nat({ max: 7 }), (pieces, size) => {
      const stream = Buffer.from(pieces.join(''))
      const whole = new FrameParser(100)
      const wanted = whole.feed(stream).map(latin1)
      const cut = new FrameParser(100)
      const got: string[] = []
      for (let at = 0; at < stream.length; at += size + 1) {
        got.push(...cut.feed(stream.subarray(at, at + size + 1)).map(latin1))
      }
      t.same([got, cut.malformed, cut.isCut], [wanted, whole.malformed, whole.isCut])
    }),
  )
})

t.test('accepts_tcp_syslog_data: five frames in one piece are five messages', async (t) => {
  const all = Array.from({ length: 5 }, (_, at) => message(`line ${at}`))
  t.equal(new FrameParser().feed(logplexFrames(all)).length, 5)
})

t.test('rejects_newline_delimited_data: each line is one malformed message, and none is held', async (t) => {
  const parser = new FrameParser()
  t.same(parser.feed(Buffer.from('<13>1 - - t.1 a - - x\r\n'.repeat(5))), [])
  t.equal(parser.malformed, 5)
  t.same(parser.feed(Buffer.from('3 abc')).map(latin1), ['abc'], 'frames after it are read')
})

t.test('a length is 1 to the most, begins with 1 to 9 and ends with a blank', async (t) => {
  const outcome = (stream: string): readonly [readonly string[], number, boolean] => {
    const parser = new FrameParser(5)
    return [parser.feed(Buffer.from(stream)).map(latin1), parser.malformed, parser.isCut]
  }
  t.same(outcome('5 abcde5 fghij'), [['abcde', 'fghij'], 0, false])
  t.same(outcome('03 abc\n1 x'), [['x'], 1, false])
  t.same(outcome('0 abc\n1 x'), [['x'], 1, false])
  t.same(outcome('-3 abc\n1 x'), [['x'], 1, false])
  t.same(outcome('3abc\n1 x'), [['x'], 1, false])
  t.same(outcome('99999999999999999999'), [[], 1, false], 'a length without end is not gathered')
  t.same(outcome('5 abc'), [[], 0, true], 'a frame that has not wholly come is none')
  t.same(outcome('5'), [[], 0, true])
  t.same(outcome('garbage'), [[], 1, false])
})

t.test('a frame that is too long is malformed as a whole, and what is in it is no frame', async (t) => {
  const parser = new FrameParser(5)
  t.same(parser.feed(Buffer.from('6 abcdef1 x6 1 y\n1 1 z')).map(latin1), ['x', 'z'])
  t.equal(parser.malformed, 2)
  t.same(parser.feed(Buffer.from('999999999 1 a\n1 b')), [], 'however long it says to be')
  t.same([parser.malformed, parser.strayBytes, parser.isCut], [3, 0, false])
})

t.test('what is malformed is measured up to its LF, so that one without can be told', async (t) => {
  const parser = new FrameParser()
  for (const [sent, bytes] of [
    ['xyz', 3],
    ['abc', 6],
    ['\nab', 2],
    ['c\n', 0],
  ] as const) {
    parser.feed(Buffer.from(sent))
    t.equal(parser.strayBytes, bytes, sent)
  }
  t.equal(parser.malformed, 2)
})

t.test('logplex_utils, logplex_syslog_utils: STRUCTURED-DATA is skipped, contents are kept', async (t) => {
  const head = '<133>1 2013-05-24T06:48:51.740194+00:00 host token process -'
  const wanted = {
    priority: 133,
    atUs: Date.parse('2013-05-24T06:48:51Z') * 1000 + 740_194,
    host: 'host',
    source: 'token',
    process: 'process',
    text: 'this is the message',
  }
  for (const data of [
    '-',
    '[meta sequenceId="518"]',
    '[meta testName="bob\\]"]',
    '[meta sequenceId="518"][meta somethingElse="blah"]',
    '[meta sequenceId="518"][meta somethingElse="blah\\]\\""]',
    '[timeQuality][x@1]',
  ]) {
    t.same(parsed(`${head} ${data} this is the message`), wanted, data)
    t.same(parsed(`${head} ${data}`), { ...wanted, text: '' }, `${data} and no message`)
  }
  t.same(parsed(`${head} this is the message`), wanted, 'left out')
  for (const text of [
    '[INFO] ready',
    '["fake"] {"app"=>{}}',
    '[meta a="b"',
    '[x y]z',
    '-x',
    '[] a',
    ' a',
    '\\',
  ]) {
    t.equal(parsed(`${head} ${text}`)?.text, text, `${text} is no STRUCTURED-DATA`)
    t.equal(parsed(`${head} - ${text}\n`)?.text, text)
  }
  t.equal(parsed(`${head}\n`)?.text, '')
  t.match(
    parsed(`<158>1 2013-05-27T19:59:36.538297+00:00 node.78286@heroku.com t.8 router - - at=info a="[b]"`),
    {
      priority: 158,
      source: 't.8',
      process: 'router',
      text: 'at=info a="[b]"',
    },
  )
})

t.test('what is no RFC 5424 message is none', async (t) => {
  for (const frame of [
    '',
    '<13>',
    'x<13>1 - h a p - -',
    '<>1 - h a p - -',
    '<192>1 - h a p - -',
    '<1234>1 - h a p - -',
    '<13>2 - h a p - -',
    '<13>1 - h a p',
    '<13>1 -  a p - - x',
    '<13>1 - h a\np - - x',
    '<13>Nov 27 12:00:00 h a: x',
  ]) {
    t.equal(parsed(frame), undefined, frame)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      parseMessage(Buffer.from(bytes))
      parseMessage(Buffer.concat([Buffer.from('<13>1 - h a p - '), bytes]))
    }),
  )
})

t.test(
  'a text is as many lines as it says, none longer than the most, and no character is cut',
  async (t) => {
    const lines = (text: string | Uint8Array, bytesMax?: number) =>
      linesOf(Buffer.from(text), bytesMax).map((line) => latin1(line))
    t.same(lines(''), [''])
    t.same(lines('a\r'), ['a\r'])
    t.same(lines('a\n\nb\n'), ['a', '', 'b', ''])
    t.same(lines('abcdef', 3), ['abc', 'def'])
    t.same(lines('abcd\nefghijk', 3), ['abc', 'd', 'efg', 'hij', 'k'])
    t.same(lines('aaé', 3), ['aa', 'Ã©'])
    t.same(lines('a😀b', 4), ['a', latin1(Buffer.from('😀')), 'b'])
    t.same(lines(Buffer.alloc(7, 0x80), 3), ['\x80'.repeat(3), '\x80'.repeat(3), '\x80'], 'what is no UTF-8')
    t.same(
      linesOf(Buffer.alloc(20_001)).map(({ length }) => length),
      [10_000, 10_000, 1],
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 4, max: 9 }), (text, bytesMax) => {
        const found = linesOf(text, bytesMax)
        t.ok(found.every(({ length }) => length <= bytesMax))
        const all = (bytes: readonly Uint8Array[]) => latin1(Buffer.concat(bytes)).replaceAll('\n', '')
        t.equal(all(found), all([text]))
      }),
    )
  },
)

t.test('times are read to the microsecond, in any zone, and what is no time is undefined', async (t) => {
  const time = (text: string): number | undefined => parsed(`<13>1 ${text} h a p - -`)?.atUs
  const second = Date.parse('2024-02-29T23:59:59Z') * 1000
  t.equal(time('2024-02-29T23:59:59Z'), second)
  t.equal(time('2024-02-29T23:59:59.1+00:00'), second + 100_000)
  t.equal(time('2024-02-29T23:59:59.123456789-00:00'), second + 123_456, 'cut, not rounded')
  t.equal(time('2024-03-01T01:29:59+01:30'), second)
  t.equal(time('2024-02-29T15:59:59-08:00'), second)
  t.equal(time('1970-01-01T00:00:00Z'), 0)
  t.equal(time('2255-06-05T23:47:34.740991Z'), Number.MAX_SAFE_INTEGER)
  for (const text of [
    '-',
    '2023-02-29T23:59:59Z',
    '2024-02-29T24:00:00Z',
    '2024-02-29T23:59:60Z',
    '2024-02-29 23:59:59Z',
    '2024-02-29T23:59:59',
    '2024-02-29T23:59:59.Z',
    '2024-02-29T23:59:59+0100',
    '2024-02-29T23:59:59Zx',
    '2o24-02-29T23:59:59Z',
    // No place beyond the parser takes these.
    '1969-12-31T23:59:59.999999Z',
    '1970-01-01T00:00:00+00:01',
    '2255-06-05T23:47:34.740992Z',
    '9999-12-31T23:59:59-23:59',
    '0001-01-01T00:00:00Z',
  ]) {
    t.equal(time(text), undefined, text)
  }
})
