/**
 * Log input at its port: what is answered to senders of bodies, what becomes of frames, and Logplex's own API
 * for tokens. The named cases are those of Logplex's suites (logplex_logs_rest, logplex_message, tcp_proxy,
 * logplex_api_v3).
 */
import { PassThrough } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { createLanes } from '../../actors/logplex/input/lanes.ts'
import { syslogReader } from '../../actors/logplex/input/syslog.ts'
import { createTokens, type Destination } from '../../actors/logplex/input/tokens.ts'
import { systemClock } from '../../src/system/clock.ts'
import { apiToken } from '../kit/api.ts'
import { frame, openInput } from '../kit/log-input.ts'
import { until } from '../kit/until.ts'

const five = Array.from({ length: 5 }, (_, at) => `line ${at}\n`)
const body = five.map((text) => frame(text)).join('')
const shown = five.map((text) => `cron[worker.1]: ${text.trimEnd()}`)

t.test('post_logline: a body is stored whole under the name of its token, and then answered', async (t) => {
  const { channel, post, arrived, texts } = await openInput(t)
  const { id, token } = await channel('shop', 'cron')
  const posted = await post(token, body, { 'logplex-msg-count': '5' })
  t.match([posted.status, posted.text], [204, ''])
  t.same(texts(id), shown)
  t.same([arrived[0]?.lines[0]?.atUs, arrived[0]?.lines[0]?.priority], [1_700_000_000_123_456, 190])
  for (const type of ['application/x-logplex-1', 'application/logplex-1; charset=utf-8'])
    t.equal((await post(token, body, { 'content-type': type })).status, 204, type)
  const bearer = await post(token, body, { authorization: `Bearer ${token}` })
  t.equal(bearer.status, 204)
  t.equal((await post(token, '')).status, 204, 'nothing is no fault')
})

t.test('post_logline_compressed: gzip is the same, and half of it is nothing', async (t) => {
  const { channel, post, texts } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const packed = gzipSync(body)
  t.equal((await post(token, packed, { 'content-encoding': 'gzip', 'logplex-msg-count': '5' })).status, 204)
  t.same(texts(), shown)
  for (const broken of [packed.subarray(0, -9), Buffer.from('no gzip')])
    t.match(await post(token, broken, { 'content-encoding': 'gzip' }), { status: 400, text: 'Bad request' })
  t.equal((await post(token, body, { 'content-encoding': 'br' })).status, 415)
  t.equal(texts().length, 5)
})

t.test('a small body that unpacks to a large one is refused before it is held', async (t) => {
  const { channel, post, texts } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const bomb = gzipSync(frame('x'.repeat(10_000)).repeat(1_000))
  t.ok(bomb.length < 100_000)
  const refused = await post(token, bomb, { 'content-encoding': 'gzip' })
  t.match(refused, { status: 413, headers: { connection: 'close' } })
  const empty = gzipSync(frame('\n'.repeat(10_000)).repeat(20))
  t.equal((await post(token, empty, { 'content-encoding': 'gzip' })).status, 413, 'many lines are much, too')
  t.same(texts(), [])
  t.equal((await post(token, body)).status, 204, 'what it took is given back')
})

t.test('a body that is wrong is refused whole, with the words of Logplex', async (t) => {
  const { channel, post, http, texts } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const answer = async (sent: string, headers = {}) => {
    const { status, text } = await post(token, sent, headers)
    return [status, text]
  }
  t.same(await answer(body, { 'logplex-msg-count': '4' }), [400, 'Message count mismatch'])
  t.same(await answer(body, { 'logplex-msg-count': 'five' }), [400, 'Bad request'])
  t.same(await answer(`${body}garbage\n`), [400, 'Malformed log messages'])
  t.same(await answer(`${body}\n`), [400, 'Malformed log messages'], 'nothing is between frames')
  t.same(await answer(`${body}9 no syslog`), [400, 'Malformed log messages'])
  t.same(await answer(`${body}20 <190>1`, { 'logplex-msg-count': '6' }), [400, 'Message count mismatch'])
  t.same(texts(), [])
  t.same(await answer(`${body}20 <190>1`), [204, ''], 'a frame that has not wholly come is none')
  t.equal((await post(token, body, { 'content-type': 'text/plain' })).status, 415)
  t.match(await http('GET', '/logs'), { status: 405, headers: { allow: 'POST' } })
})

t.test('who has no token that is good is told so as Logplex does', async (t) => {
  const { channel, post, http, texts, manage, store } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const basic = (login: string) => ({ authorization: `Basic ${Buffer.from(login).toString('base64')}` })
  const other = 't.00000000-0000-4000-8000-000000000000'
  for (const headers of [
    basic(`token:${other}`),
    basic(`other:${token}`),
    basic('token:x'),
    { authorization: '' },
  ])
    t.match(await post(token, body, headers), {
      status: 401,
      headers: { 'www-authenticate': 'Basic realm=Logplex' },
    })
  t.equal((await http('POST', '/logs', body)).status, 401)
  const orphan = 't.11111111-1111-4111-8111-111111111111'
  await store.create(`name/token/${orphan}`, Buffer.from('{"appId":"gone"}'))
  t.equal((await post(orphan, body)).status, 401, 'channel_not_found')
  t.same(texts(), [])
  t.equal((await manage('DELETE', '/v3/channels/shop/tokens/cron')).status, 200)
  t.equal((await post(token, body)).status, 401, 'not known here yet, and ended')
})

t.test('service_unavailable: what cannot be taken now is to be sent again', async (t) => {
  const { channel, post, gate, count, http } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  gate.isConnected = false
  t.match(await http('GET', '/healthcheck'), { status: 503, text: 'SYSTEM BOOTING' })
  gate.isConnected = true
  const held = Promise.withResolvers<void>()
  gate.open = held.promise
  const large = frame('x'.repeat(10_000)).repeat(100)
  const posts = Array.from({ length: 12 }, () => post(token, large))
  const refused = await Promise.race(posts)
  t.match(refused, { status: 503, headers: { 'retry-after': '2' } })
  held.resolve()
  const statuses = (await Promise.all(posts)).map(({ status }) => status)
  const taken = statuses.filter((status) => status === 204).length
  t.ok(taken > 0)
  t.equal(statuses.filter((status) => status === 503).length, statuses.length - taken)
  t.equal(count(), 100 * taken, 'all of what was taken, and nothing else')
  gate.storeIsAway = true
  const unknown = 't.00000000-0000-4000-8000-000000000000'
  t.match(await post(unknown, body), { status: 503, text: 'Tokens cannot be looked up now' })
  t.equal((await post(token, body)).status, 204, 'what is known holds')
})

t.test('a batch that is sent again under its id is stored once, and answered as the first', async (t) => {
  const { channel, post, gate, texts } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  for (const name of ['logplex-frame-id', 'x-request-id']) {
    const before = texts().length
    const held = Promise.withResolvers<void>()
    gate.open = held.promise
    const id = { [name]: `${name} 1` }
    const both = [post(token, body, id), post(token, body, id)]
    held.resolve()
    t.same(
      (await Promise.all(both)).map(({ status }) => status),
      [204, 204],
    )
    t.equal((await post(token, body, id)).status, 204)
    t.equal(texts().length, before + 5, name)
    t.equal((await post(token, frame('another'), id)).status, 204)
    t.equal(texts().length, before + 6, 'an id that is used for something else is no id')
  }
  const large = frame('x'.repeat(10_000)).repeat(200)
  for (let times = 0; times < 6; times += 1)
    t.equal((await post(token, large, { 'x-request-id': 'large' })).status, 204, 'no room is lost to it')
})

t.test('a token is looked up again after a while, and holds for as long as that cannot be', async (t) => {
  let nowMs = 1
  let answer: () => Promise<Destination | undefined> = async () => undefined
  let times = 0
  const tokens = createTokens(
    () => {
      times += 1
      return answer()
    },
    () => nowMs,
  )
  const token = 't.00000000-0000-4000-8000-000000000000'
  t.equal(await tokens.find(token), undefined)
  answer = async () => ({ appId: 'a', name: 'cron' })
  t.equal(await tokens.find(token), undefined, 'known to be none')
  nowMs += 1_001
  const both = await Promise.all([tokens.find(token), tokens.find(token)])
  t.same(both, [
    { appId: 'a', name: 'cron' },
    { appId: 'a', name: 'cron' },
  ])
  t.equal(times, 2, 'once for all who ask')
  answer = async () => Promise.reject(new Error('no leader'))
  nowMs += 10_001
  t.same(await tokens.find(token), { appId: 'a', name: 'cron' })
  t.equal(times, 3)
  await t.rejects(tokens.find(token.replace('t.0', 't.1')), { message: 'no leader' })
  answer = async () => undefined
  nowMs += 1_001
  t.equal(await tokens.find(token), undefined, 'it has ended')
  t.equal(await tokens.find('t.x'), undefined)
  t.equal(times, 5, 'what is no token is not looked up')
})

t.test(
  'accepts_tcp_syslog_data, process_messages_any_creds: frames come in by their tokens, however they are cut',
  async (t) => {
    const { channel, dial, texts, http } = await openInput(t)
    const [one, two] = [await channel('shop', 'cron'), await channel('mail', 'smtp')]
    const stream = five.map((text, at) => frame(text, at % 2 === 0 ? one.token : two.token)).join('')
    const socket = dial()
    for (const piece of stream.match(/[^]{1,50}/g) ?? []) socket.write(piece)
    await until(() => texts().length === 5, { what: 'the lines' })
    t.same(texts(one.id), ['cron[worker.1]: line 0', 'cron[worker.1]: line 2', 'cron[worker.1]: line 4'])
    t.same(texts(two.id), ['smtp[worker.1]: line 1', 'smtp[worker.1]: line 3'])
    socket.end(frame('last', one.token, ''))
    await until(() => texts(one.id).at(-1) === 'cron[worker.1]: last', { what: 'a line without an end' })
    t.match(await http('GET', '/healthcheck'), { status: 200, text: 'OK' })
    t.match(await http('GET', '/v3/healthcheck'), { status: 200, text: 'OK' })
  },
)

t.test('frames and bodies come in by TLS on the same port', async (t) => {
  const { channel, input, texts, certificates } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const dial = () => tlsConnect({ port: input.port, host: '127.0.0.1', ca: certificates.authority })
  dial().end(frame('in a frame', token))
  await until(() => texts().length === 1, { what: 'the frame' })
  const basic = Buffer.from(`token:${token}`).toString('base64')
  const head = `POST /logs HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\n`
  const sent = frame('in a body')
  const socket = dial()
  let answer = ''
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString()))
  socket.write(`${head}Content-Type: application/logplex-1\r\nContent-Length: ${sent.length}\r\n\r\n${sent}`)
  await until(() => answer.startsWith('HTTP/1.1 204'), { what: 'the answer' })
  t.same(texts(), ['cron[worker.1]: in a frame', 'cron[worker.1]: in a body'])
  socket.destroy()
})

t.test('rejects_newline_delimited_data, channel_not_found, …_no_token: counted, and said once', async (t) => {
  const { channel, dial, texts, logs } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const lines = dial()
  lines.end(`<13>1 - - ${token} a - - x\r\n`.repeat(5))
  await until(() => logs.length === 1, { what: 'the first of them' })
  t.match(logs, [{ at: 'log-input-astray', malformed: 5, unknown_token: 0 }])
  const socket = dial()
  socket.write(frame('x', 't.00000000-0000-4000-8000-000000000000'))
  socket.write(frame('x', 'no-token'))
  socket.write(`9 no syslog${frame('good', token)}`)
  await until(() => texts().length === 1, { what: 'what is good among them' })
  t.same(texts(), ['cron[worker.1]: good'])
  t.equal(logs.length, 1, 'at a bounded rate')
  socket.destroy()
})

t.test('who shows no good token in time is let go; who has shown one may be silent', async (t) => {
  const token = 't.00000000-0000-4000-8000-000000000001'
  const timers: (() => void)[] = []
  const clock = {
    ...systemClock,
    after: (ms: number, work: () => void) => {
      if (ms !== 30_000) return systemClock.after(ms, work)
      timers.push(work)
      return { cancel: () => void timers.splice(timers.indexOf(work), 1) }
    },
  }
  const find = async (one: string) => (one === token ? { appId: 'app-1', name: 'cron' } : undefined)
  const deliver = async () => undefined
  const lanes = createLanes({ deliver, source: 'here', clock })
  const read = (): PassThrough => {
    const socket = new PassThrough()
    const deps = { tokens: { find }, lanes, clock, isClosing: () => false, astray: () => undefined }
    void syslogReader(deps)(socket)
    t.teardown(() => socket.destroy())
    return socket
  }
  const stranger = read()
  stranger.write(frame('x', 't.00000000-0000-4000-8000-000000000002'))
  stranger.write('junk\n')
  const known = read()
  known.write(frame('x', token))
  await until(() => timers.length === 1, { what: 'the one to be known' })
  timers[0]?.()
  t.ok(stranger.destroyed)
  await until(() => timers.length === 0, { what: 'nothing to be left of it' })
  t.notOk(known.destroyed)
})

t.test('a connection is read no further while its lines find no room, and loses none', async (t) => {
  const { channel, dial, count, gate } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const held = Promise.withResolvers<void>()
  gate.open = held.promise
  const socket = dial()
  const sent = frame('x'.repeat(9_000), token)
  const wanted = 2_500
  let written = 0
  const write = (): void => {
    let isTaken = true
    for (; isTaken && written < wanted; written += 1) isTaken = socket.write(sent)
  }
  socket.on('drain', write)
  write()
  let before = -1
  await until(() => before === (before = written), { what: 'the sender to be held up' })
  t.ok(written < wanted, `${written} lines taken`)
  held.resolve()
  await until(() => count() === wanted, { what: 'every line' })
  socket.destroy()
})

t.test('create_new_token, …_without_name, …_for_non_existing_channel, tokens_not_authorized', async (t) => {
  const { manage, http, channel } = await openInput(t)
  const { id } = await channel('shop', 'cron')
  const made = await manage('POST', '/v3/channels/shop/tokens', { name: 'mail' })
  t.match(made, { status: 200, body: { name: 'mail', token: /^t\.[0-9a-f-]{36}$/ } })
  t.same((await manage('POST', `/v3/channels/${id}/tokens`, { name: 'mail' })).body, made.body, 'by id too')
  for (const sent of [{}, { name: '' }, { name: null }])
    t.match(await manage('POST', '/v3/channels/shop/tokens', sent), {
      status: 400,
      body: { message: 'name is a required field' },
    })
  for (const name of ['a b', '-a', 'x'.repeat(49), 'a[1]', 7])
    t.match(await manage('POST', '/v3/channels/shop/tokens', { name }), {
      status: 400,
      body: { message: /^name must be 1 to 48 letters, digits, dashes, dots and underscores/ },
    })
  t.equal((await manage('POST', '/v3/channels/nope/tokens', { name: 'cron' })).status, 404)
  t.equal((await http('POST', '/v3/channels/shop/tokens', '{"name":"cron"}')).status, 401)
  const bearer = { authorization: 'Bearer wrong' }
  t.equal((await http('GET', '/v3/channels/shop', undefined, bearer)).status, 401)
})

t.test('create_channel_with_tokens and its like: a channel has the tokens it is said to have', async (t) => {
  const { manage, channel } = await openInput(t)
  const { id, token } = await channel('shop', 'cron')
  const path = '/v3/channels/shop'
  t.same((await manage('GET', path)).body, { channel: id, tokens: { cron: token } })
  const put = await manage('PUT', path, { tokens: ['cron', 'mail'] })
  t.match(put, { status: 200, body: { channel: id, tokens: { cron: token, mail: /^t\./ } } })
  t.same(Object.keys((await manage('PUT', path, { tokens: ['mail'] })).body['tokens']), ['mail'])
  t.equal((await manage('DELETE', `${path}/tokens/${put.body['tokens'].mail}`)).status, 200)
  t.equal((await manage('DELETE', `${path}/tokens/mail`)).status, 404)
  t.same((await manage('GET', path)).body, { channel: id }, 'what is empty is left out')
  await manage('PUT', path, { tokens: ['cron'] })
  t.same((await manage('PUT', path, {})).body, { channel: id })
  t.match(await manage('PUT', path, { tokens: 'cron' }), {
    status: 400,
    body: { message: /^invalid payload/ },
  })
  t.equal((await manage('PUT', '/v3/channels/nope', { tokens: [] })).status, 404)
})

t.test('fetch_channel_logs, channel_logs_format: the last lines as frames, oldest first', async (t) => {
  const { http, channel, keep } = await openInput(t)
  const { id } = await channel('shop', 'cron')
  const at = { atUs: 1_700_000_000_123_456, source: 'heroku', process: 'router' }
  keep(id, [
    { ...at, text: Buffer.from('at=info') },
    { ...at, source: 'cron', process: '-', text: Buffer.from('done'), priority: 13 },
  ])
  const get = (path: string, login: string = apiToken) =>
    http('GET', `/v3/channels/${path}`, undefined, { authorization: `Bearer ${login}` })
  const frames = [
    '69 <158>1 2023-11-14T22:13:20.123456+00:00 host heroku router - at=info\n',
    '58 <13>1 2023-11-14T22:13:20.123456+00:00 host cron - - done\n',
  ]
  const all = await get('shop/logs')
  t.match(all, {
    status: 200,
    text: frames.join(''),
    headers: {
      'content-type': 'application/logplex-1',
      'logplex-msg-count': '2',
      'transfer-encoding': 'chunked',
      connection: 'close',
    },
  })
  t.match(await get(`${id}/logs?num=1`), { text: frames[1], headers: { 'logplex-msg-count': '1' } })
  t.equal((await get('shop/logs?num=few')).text, frames.join(''), 'channel_logs_with_malformed_query_string')
  t.equal((await get('shop/logs', 'wrong')).status, 401, 'channel_logs_not_authorized')
  t.equal((await get('nope/logs')).status, 404)
})

t.test(
  'a host without the control role asks one that has it, for who asked and for nothing else',
  async (t) => {
    const { channel, post, manage, http, peers } = await openInput(t, true)
    const { id, token } = await channel('shop', 'cron')
    t.equal((await post(token, body)).status, 204)
    t.same((await manage('GET', '/v3/channels/shop')).body, { channel: id, tokens: { cron: token } })
    t.equal((await manage('POST', '/v3/channels/shop/tokens', { name: 'mail' })).status, 200)
    t.equal((await manage('POST', '/v3/channels/shop/tokens', {})).status, 400)
    t.equal((await http('GET', '/v3/channels/shop')).status, 401)
    const wish = { subject: 'manifold.v1.api.channels.info', call: '{"app":"shop"}', authorization: '' }
    t.match(
      await peers.call('other', '/requests', wish),
      { status: '401' },
      'nobody is taken for an operator',
    )
    const more = { ...wish, subject: 'manifold.v1.api.apps.destroy' }
    await t.rejects(peers.call('other', '/requests', more), { code: 'forbidden' })
    await t.rejects(peers.call('other', '/requests', {}), { code: 'bad_request' })
  },
)
