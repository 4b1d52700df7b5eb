/** Calls passed on to a host that answers them: real TLS on loopback, a plain server at either end. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { connect } from 'node:net'
import { duplexPair, type Duplex } from 'node:stream'
import t from 'tap'
import { clientOf } from '../../src/http/client-address.ts'
import { takeForwarded } from '../../src/http/forwarded.ts'
import { listenShared } from '../../src/http/shared-port.ts'
import { PeerFailed } from '../../src/peers/contract.ts'
import { ask, authority, control, door, textOf, type Api, type Asked } from '../kit/forward.ts'
import { identity, peersAs, serveAs } from '../kit/peers.ts'
import { freePorts } from '../kit/ports.ts'
import { until } from '../kit/until.ts'

/** Sends these bytes and reads until the connection ends. */
const talk = async (port: number, bytes: string): Promise<{ text: string; isReset: boolean }> => {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let isReset = false
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.on('error', () => (isReset = true))
  socket.write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  return { text, isReset }
}

t.test('a call arrives as it was sent, and says where its client is whatever that says itself', async (t) => {
  const seen: unknown[] = []
  const port = await control(t, 'c1', async (request, response, address) => {
    const { method, url, headers } = request
    const { authorization, upgrade, te } = headers
    seen.push({ method, url, authorization, upgrade, te, told: headers['manifold-forwarded-for'], address })
    const text = await textOf(request)
    response.writeHead(201, 'Made', { 'set-cookie': ['a=1', 'b=2'], 'x-got': text }).end('made')
  })
  const host = await door(t, () => ({ c1: port }))
  const path = '/apps/%2e%2e/a//b?x=%20&y=../z'
  const answer = await ask(host, path, {
    method: 'PATCH',
    headers: {
      authorization: 'Bearer own',
      'manifold-forwarded-for': '10.9.9.9',
      te: 'trailers',
      connection: 'upgrade, content-length, manifold-forwarded-for',
      upgrade: 'websocket',
    },
    body: '{"a":1}',
  })
  const as = { authorization: 'Bearer own', upgrade: undefined, te: undefined, told: undefined }
  t.same(seen, [{ method: 'PATCH', url: path, ...as, address: '127.0.0.1 at router' }])
  t.match(answer, {
    status: 201,
    text: 'made',
    headers: { 'x-got': '{"a":1}', 'set-cookie': ['a=1', 'b=2'] },
  })
})

t.test('the body of one call is never taken for another call', async (t) => {
  const seen: string[] = []
  const calls: string[] = []
  const { port } = await serveAs(t, authority, 'c1', {
    call: async (path) => calls.push(path),
    api: (request, response) => {
      void textOf(request).then((text) => {
        seen.push(text)
        response.end('done')
      })
      return true
    },
  })
  const host = await door(t, () => ({ c1: port }))
  const hidden = 'POST /servers/prepare HTTP/1.1\r\nHost: c\r\nContent-Length: 0\r\n\r\n'
  for (const method of ['DELETE', 'OPTIONS', 'GET', 'POST'])
    for (const connection of ['keep-alive', 'close, transfer-encoding']) {
      const headers = { 'transfer-encoding': 'chunked', connection }
      t.equal((await ask(host, '/x', { method, headers, body: hidden })).text, 'done')
    }
  t.same(
    seen,
    Array.from({ length: 8 }, () => hidden),
  )
  t.same(calls, [], 'nothing was asked in the name of this host')
})

t.test('bodies stream both ways at the pace of who reads them', async (t) => {
  const chunk = randomBytes(1024 * 1024)
  const mega = 48
  const sum = createHash('sha256')
  for (let count = 0; count < mega; count++) sum.update(chunk)
  const whole = sum.digest('hex')
  let isReading: (() => void) | undefined
  const port = await control(t, 'c1', async (request, response) => {
    await new Promise<void>((resolve) => (isReading = resolve))
    const got = createHash('sha256')
    for await (const part of request as AsyncIterable<Buffer>) got.update(part)
    response.setHeader('x-sum', got.digest('hex'))
    let left = mega
    const more = (): void => {
      while (left > 0) {
        left--
        if (!response.write(chunk)) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  })
  const host = await door(t, () => ({ c1: port }))
  const request = httpRequest({ port: host.port, host: '127.0.0.1', method: 'PUT', agent: false })
  let sent = 0
  const send = (): void => {
    while (sent < mega) {
      sent++
      if (!request.write(chunk)) return void request.once('drain', send)
    }
    request.end()
  }
  send()
  await until(() => isReading !== undefined, { what: 'the head at the other host' })
  await until(() => sent > 1, { what: 'the first of the body' })
  t.ok(sent < mega, 'a host that does not read is not sent all of it')
  isReading?.()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.equal(response.headers['x-sum'], whole)
  const got = createHash('sha256')
  for await (const part of response as AsyncIterable<Buffer>) got.update(part)
  t.equal(got.digest('hex'), whole)
})

t.test('an answer begins when it begins there, and a client that goes away ends it there', async (t) => {
  const gone = Promise.withResolvers<void>()
  const port = await control(t, 'c1', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.flushHeaders()
    response.once('close', () => gone.resolve())
  })
  const host = await door(t, () => ({ c1: port }))
  const request = httpRequest({ port: host.port, host: '127.0.0.1', agent: false }).end()
  request.on('error', () => undefined)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => undefined)
  t.equal(response.statusCode, 200, 'its head comes before any of its body')
  request.destroy()
  await gone.promise

  const begun = Promise.withResolvers<void>()
  const broken = Promise.withResolvers<void>()
  const taking = await control(t, 'c2', (upload) => {
    upload.once('data', () => begun.resolve())
    upload.on('error', () => broken.resolve())
  })
  const second = await door(t, () => ({ c2: taking }))
  const upload = httpRequest({ port: second.port, host: '127.0.0.1', method: 'PUT', agent: false })
  upload.on('error', () => undefined)
  upload.write('half')
  await begun.promise
  upload.destroy()
  await broken.promise
})

t.test('where nobody answers, a 503 says whether anything can have been done', async (t) => {
  const [closed = 0] = await freePorts(1)
  const none = await door(t, () => ({}))
  t.match(await ask(none, '/'), { status: 503, text: 'undone', headers: { 'retry-after': '2' } })
  const away = await door(t, () => ({ c1: closed }))
  const unsent = await ask(away, '/', { method: 'POST', body: '{}' })
  t.match(unsent, { status: 503, text: 'undone' })

  const dying = await control(t, 'c1', (request) => void request.socket.destroy())
  const cut = await door(t, () => ({ c1: dying }))
  t.match(await ask(cut, '/', { method: 'POST', body: '{}' }), { status: 503, text: 'perhaps done' })

  const silent = await control(t, 'c1', () => undefined)
  const waiting = await door(t, () => ({ c1: silent }))
  const answer = ask(waiting, '/', { method: 'POST', body: '{}' })
  let isDone = false
  void answer.finally(() => (isDone = true))
  await until(
    () => {
      waiting.forward.drop((host) => host === 'c1')
      return isDone
    },
    { what: 'the end of a call to a host that is gone' },
  )
  t.match(await answer, { status: 503, text: 'perhaps done' })
})

t.test('what changes nothing is asked once more when its host dies, and nothing else is', async (t) => {
  const asked: string[] = []
  const dying = await control(t, 'c1', (request) => {
    asked.push(`c1 ${request.method}`)
    request.socket.destroy()
  })
  const other = await control(t, 'c2', (request, response) => {
    asked.push(`c2 ${request.method} ${request.url}`)
    response.end('c2')
  })
  const told = async (hosts: () => Readonly<Record<string, number>>, asking: Asked) => {
    asked.length = 0
    const answer = await ask(await door(t, hosts), '/apps', asking)
    return { ...answer, asked: [...asked] }
  }
  const both = () => ({ c1: dying, c2: other })
  t.match(await told(both, {}), { status: 503, text: 'undone', asked: ['c1 GET', 'c1 GET'] }, 'not for ever')
  const post = { method: 'POST', body: 'x' }
  t.match(await told(both, post), { status: 503, text: 'perhaps done', asked: ['c1 POST'] })
  for (const headers of [{ 'transfer-encoding': 'chunked' }, { 'content-length': '1' }])
    t.match(
      await told(both, { body: 'x', headers }),
      { status: 503, text: 'perhaps done', asked: ['c1 GET'] },
      'with a body',
    )

  const [closed = 0] = await freePorts(1)
  let first = closed
  const gone = await control(t, 'c1', (request) => {
    first = closed
    request.socket.destroy()
  })
  first = gone
  t.match(await told(() => ({ c1: first, c2: other }), {}), {
    status: 200,
    text: 'c2',
    asked: ['c2 GET /apps'],
  })
})

t.test('an answer that breaks off there is never whole here', async (t) => {
  for (const headers of [{ 'content-length': '100' }, {}]) {
    const port = await control(t, 'c1', (_request, response) => {
      response.writeHead(200, headers)
      response.write('half', () => response.destroy())
    })
    const host = await door(t, () => ({ c1: port }))
    await t.rejects(ask(host, '/'), { code: 'ECONNRESET' })
    const old = await talk(host.port, 'GET / HTTP/1.0\r\n\r\n')
    t.ok(old.isReset, 'nor for a client that takes the end of the connection for that of the answer')
  }
})

t.test('one host is asked while it is there, and the next when it cannot be reached', async (t) => {
  const api =
    (name: string): Api =>
    (request, response) => {
      request.resume()
      response.end(name)
    }
  const [closed = 0] = await freePorts(1)
  const hosts: Record<string, number> = {}
  const host = await door(t, () => hosts)
  const who = async (): Promise<string> => (await ask(host, '/', { method: 'POST', body: 'x' })).text
  hosts['c2'] = await control(t, 'c2', api('c2'))
  t.equal(await who(), 'c2')
  const c1 = await control(t, 'c1', api('c1'))
  for (const [name, port] of [
    ['c1', c1],
    ['c2', hosts['c2']],
  ] as const) {
    delete hosts[name]
    hosts[name] = port
  }
  t.equal(await who(), 'c2', 'though another one is likelier')
  t.equal(host.forward.current(), 'c2')
  delete hosts['c2']
  t.equal(await who(), 'c1', 'which is no longer there')
  hosts['c1'] = closed
  hosts['c3'] = await control(t, 'c3', api('c3'))
  // What stands from before is closed by the test, as it would be by the death of that host.
  host.forward.drop((name) => name === 'c1')
  t.equal(await who(), 'c3', 'and c1 takes no connection')
  t.equal(host.forward.current(), 'c3')
})

t.test('only hosts of the cluster pass calls on, and only to who they mean', async (t) => {
  const answered: string[] = []
  const api: Api = (_request, response) => {
    answered.push('answered')
    response.end('answered')
  }
  const port = await control(t, 'c1', api, () => false)
  const refused = await door(t, () => ({ c1: port }))
  t.match(await ask(refused, '/'), { status: 503, text: 'undone' }, 'it was taken out')
  const open = await control(t, 'c1', api)
  const mistaken = await door(t, () => ({ c9: open }))
  t.match(await ask(mistaken, '/'), { status: 503, text: 'undone' }, 'c1 is not c9')
  const stranger = tlsRequest({ port: open, host: '127.0.0.1', ca: authority.certificate, path: '/api/apps' })
  const [response] = (await once(stranger.end(), 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 403)
  response.resume()
  const { port: without } = await serveAs(t, authority, 'c1')
  const none = await door(t, () => ({ c1: without }))
  t.match(await ask(none, '/'), { status: 503, text: 'undone' }, 'a host without an API')
  t.same(answered, [])
})

t.test('a host that takes no call is passed over by the next', async (t) => {
  const { port: starting } = await serveAs(t, authority, 'c1')
  const ready = await control(t, 'c2', (_request, response) => void response.end('c2'))
  const host = await door(t, () => ({ c1: starting, c2: ready }))
  t.equal((await ask(host, '/')).status, 503)
  t.equal((await ask(host, '/')).text, 'c2')
})

t.test('a client that came here meets who waits for it there', async (t) => {
  const [process, own] = duplexPair()
  const met: string[] = []
  const { port } = await serveAs(t, authority, 'c1', {
    client: (token, client: Duplex) => {
      met.push(token)
      if (token.startsWith('un')) return false
      client.pipe(own).pipe(client)
      return true
    },
  })
  const peers = peersAs(t, authority, 'router', { c1: port })
  const there = await peers.meet('c1', 'abcdefghijklmnop0123')
  let text = ''
  there.on('data', (part: Buffer) => (text += part.toString()))
  process.on('data', (part: Buffer) => process.write(`echo ${part.toString()}`))
  process.on('end', () => process.end())
  there.write('hello')
  await until(() => text === 'echo hello', { what: 'what it says' })
  const ended = once(there, 'end')
  there.end()
  await ended
  const unknown = await peers.meet('c1', 'unknown-token-0123456789')
  if (!unknown.destroyed) await once(unknown, 'close')
  t.same(met, ['abcdefghijklmnop0123', 'unknown-token-0123456789'])
  const removed = await serveAs(t, authority, 'c1', { admits: () => false })
  const out = peersAs(t, authority, 'router', { c1: removed.port })
  await t.rejects(out.meet('c1', 'abcdefghijklmnop0123'), PeerFailed)
})

t.test('a server answers what came in elsewhere as its own, and closes when that is answered', async (t) => {
  const begun = Promise.withResolvers<ServerResponse>()
  const http = createServer((request, response) => {
    response.write(String(clientOf(request)))
    begun.resolve(response)
  })
  const { certificate, key } = identity(authority, 'c1')
  const shared = await listenShared(
    { host: '127.0.0.1', port: 0 },
    {
      http,
      tls: { certificate, key },
      other: () => 'http',
      limits: { firstBytesMs: 5_000, connectionsMax: 9 },
    },
  )
  const elsewhere = takeForwarded(http)
  const { port } = await serveAs(t, authority, 'c1', { api: elsewhere.take })
  const host = await door(t, () => ({ c1: port }))
  const answer = ask(host, '/')
  const response = await begun.promise
  let isClosed = false
  const closed = Promise.all([shared.close(5_000), elsewhere.close(5_000)]).then(() => (isClosed = true))
  t.match(await ask(host, '/'), { status: 503, text: 'undone' }, 'nothing more is taken')
  t.notOk(isClosed)
  response.end(' done')
  t.match(await answer, { status: 200, text: '127.0.0.1 at router done' })
  await closed
  await takeForwarded(http).close(0)
})
