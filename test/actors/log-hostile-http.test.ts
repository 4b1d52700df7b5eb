/** Log input's HTTP and TLS as strangers and broken senders use them, on bare sockets. */
import { connect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { frame, openInput } from '../kit/log-input.ts'
import { until } from '../kit/until.ts'

const open = async (t: Test) => {
  const opened = await openInput(t)
  const { id, token } = await opened.channel('shop', 'cron')
  const basic = Buffer.from(`token:${token}`).toString('base64')
  const head = (...more: readonly string[]): string =>
    ['POST /logs HTTP/1.1', 'Host: x', `Authorization: Basic ${basic}`, 'Content-Type: application/logplex-1']
      .concat(more)
      .join('\r\n') + '\r\n\r\n'
  const dial = () => {
    const socket = connect(opened.input.port, '127.0.0.1')
    const state = { text: '', isClosed: false }
    socket.on('data', (bytes: Buffer) => (state.text += bytes.toString('latin1')))
    socket.on('error', () => {}).on('close', () => (state.isClosed = true))
    t.teardown(() => socket.destroy())
    const statuses = (): readonly number[] =>
      [...state.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
    return { socket, state, statuses }
  }
  return { ...opened, id, token, head, dial }
}

t.test('requests that come all at once are each answered, in their order', async (t) => {
  const { head, dial, texts } = await open(t)
  const { socket, statuses } = dial()
  const body = (text: string): string => frame(text)
  const request = (text: string): string => head(`Content-Length: ${body(text).length}`) + body(text)
  const bad = head('Content-Length: 3') + 'bad'
  socket.write(request('1') + request('2') + bad + request('3'))
  await until(() => statuses().length === 4, { what: 'the answers' })
  t.same(statuses(), [204, 204, 400, 204])
  t.same(texts(), ['cron[worker.1]: 1', 'cron[worker.1]: 2', 'cron[worker.1]: 3'])
})

t.test('a body that is not as long as it says gives no line that its sender did not mean', async (t) => {
  const { head, dial, texts } = await open(t)
  const [one, two] = [frame('one'), frame('two')]
  const short = dial()
  short.socket.write(head(`Content-Length: ${one.length}`) + one + two)
  await until(() => short.state.isClosed, { what: 'the connection to end' })
  t.equal(short.statuses().at(-1), 400, 'what is behind the length is no request')
  await until(() => texts().length === 1, { what: 'the line' })
  t.same(texts(), ['cron[worker.1]: one'])
  const both = dial()
  both.socket.write(head('Transfer-Encoding: chunked', 'Content-Length: 5') + '0\r\n\r\n')
  await until(() => both.state.isClosed, { what: 'the connection to end' })
  t.same(both.statuses(), [400])
  const twice = dial()
  twice.socket.write(head('Content-Length: 5', 'Content-Length: 6') + 'abcdef')
  await until(() => twice.state.isClosed, { what: 'the connection to end' })
  t.same(twice.statuses(), [400])
  t.equal(texts().length, 1)
})

t.test('chunks that are none store nothing, and what they took is given back', async (t) => {
  const { head, dial, texts, post, token } = await open(t)
  const large = frame('x'.repeat(9_000)).repeat(500)
  for (const tail of ['zz\r\n', '-1\r\n', 'fffffffffffffffff\r\n', '5\r\nabcdefgh\r\n']) {
    const { socket, state } = dial()
    const chunk = `${large.length.toString(16)}\r\n${large}\r\n`
    socket.write(head('Transfer-Encoding: chunked') + chunk + tail)
    await until(() => state.isClosed, { what: `the connection to end after ${JSON.stringify(tail)}` })
    t.same(texts(), [])
  }
  t.equal((await post(token, large)).status, 204, 'there is room')
})

t.test('a sender that goes in the middle of a body has sent none, packed or not', async (t) => {
  const { head, dial, texts, post, token } = await open(t)
  const body = frame('x'.repeat(9_000)).repeat(500)
  const packed = gzipSync(body, { level: 0 })
  for (const [sent, ...headers] of [[body], [packed, 'Content-Encoding: gzip']] as const) {
    const { socket } = dial()
    socket.write(head(`Content-Length: ${sent.length}`, ...headers))
    await new Promise((resolve) => socket.write(sent.slice(0, -100), resolve))
    socket.destroy()
  }
  await until(async () => (await post(token, body)).status === 204, { what: 'room to be given back' })
  t.ok(texts().every((text) => text.length > 9_000))
  t.equal(texts().length, 500)
})

t.test('each token of an app has its own name', async (t) => {
  const { manage, post, token, texts } = await open(t)
  const made = await manage('POST', '/v3/channels/shop/tokens', { name: 'mail' })
  for (const one of [made.body['token'] as string, token]) await post(one, frame('x'))
  t.same(texts(), ['mail[worker.1]: x', 'cron[worker.1]: x'])
})

t.test('there are no more connections than are bounded, and one that ends makes room', async (t) => {
  const { input, token, texts } = await open(t)
  const sockets: Socket[] = []
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  // Few at a time: of more than wait to be accepted the kernel drops some, though they look connected.
  while (sockets.length < 1_024) {
    const some = Array.from({ length: 64 }, () => connect(input.port, '127.0.0.1'))
    sockets.push(...some)
    await Promise.all(some.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  }
  const bring = (): Promise<unknown> => {
    const socket = connect(input.port, '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))
    socket.resume().end(frame('x', token))
    return closed
  }
  await bring()
  t.same(texts(), [])
  sockets[0]?.destroy()
  await until(async () => (await bring(), texts().length > 0), { what: 'room' })
})

t.test('what is not stored when the process ends is said to its operator', async (t) => {
  const { input, token, dial, gate, logs } = await open(t)
  const held = Promise.withResolvers<void>()
  gate.open = held.promise
  const { socket, state } = dial()
  socket.end(frame('x\ny', token))
  await until(() => state.isClosed, { what: 'the connection to end' })
  await input.close()
  t.match(logs, [{ at: 'log-input-lost', lines: 2 }])
  held.resolve()
})

t.test('who breaks off a TLS handshake, or speaks none, keeps no connection', async (t) => {
  const { input, token, texts, certificates } = await open(t)
  const sockets: Socket[] = []
  let closed = 0
  const junk = Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5])
  const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1])
  for (let at = 0; at < 1_100; at += 1) {
    const socket = connect(input.port, '127.0.0.1')
    socket
      .on('error', () => {})
      .on('close', () => (closed += 1))
      .resume()
    if (at % 2 === 0) socket.write(junk)
    else socket.end(hello)
    sockets.push(socket)
    if (sockets.length % 100 === 0)
      await until(() => closed === sockets.length, { what: `${sockets.length} to be closed` })
  }
  const socket = tlsConnect({ port: input.port, host: '127.0.0.1', ca: certificates.authority })
  socket.end(frame('well', token))
  await until(() => texts().length === 1, { what: 'a line by TLS' })
})
