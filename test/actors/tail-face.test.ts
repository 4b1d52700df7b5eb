/**
 * Tails over HTTP: real sockets, with readers that stop reading, and the event source of the stock CLI; and
 * how long a session is good for.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { connect, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { tailMount, type Tails } from '../../actors/api/face/tail.ts'
import { createLogSessions, type LogSession } from '../../actors/api/log-sessions.ts'
import { openTails } from '../../actors/logplex/tails.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { memoryStream } from '../kit/memory-stream.ts'
import { logger, lossOf, range } from '../kit/tails.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

const key = Buffer.alloc(32, 7)
const wanted = { appId: 'a1', lines: 100, tail: true, filter: {} }
const minuteMs = 60_000
const lastChunk = '\r\n0\r\n\r\n'

t.test('a session is good for five minutes, for an hour once it is used, and on every host', async (t) => {
  const clock = virtualClock()
  const sessions = (...secrets: Buffer[]) =>
    createLogSessions(
      () => (secrets.length === 0 ? [key] : secrets),
      systemRandom,
      () => clock.now(),
    )
  const here = sessions()
  const there = sessions()
  const [used, unused] = [here.create(wanted), here.create(wanted)]
  t.match(here.open(used.token, false), { ...wanted, id: used.id })
  t.match(there.open(used.token, false), { id: used.id }, 'also on a host that has just started')
  t.equal(sessions(Buffer.alloc(32, 8)).open(used.token, false), undefined, 'not of another cluster')
  t.ok(sessions(Buffer.alloc(32, 8), key).open(used.token, false), 'of before the key was rotated')
  const [payload = '', signature = ''] = used.token.split('.')
  const changed = Buffer.from(payload, 'base64url').toString().replace('a1', 'a2')
  const forged = `${Buffer.from(changed).toString('base64url')}.${signature}`
  for (const wrong of [forged, payload, `${payload}.`, '.', ''])
    t.equal(here.open(wrong, true), undefined, wrong)

  clock.advanceTo(clock.now() + 5 * minuteMs)
  t.equal(here.open(unused.token, false), undefined)
  t.ok(here.open(used.token, false))
  t.ok(sessions().open(used.token, true), 'whoever resumes has used it')
  clock.advanceTo(clock.now() + 55 * minuteMs)
  t.equal(here.open(used.token, true), undefined)
})

/** A host's tails at a port. */
const serve = async (t: Test, { clock = systemClock, readersMax = 100 } = {}) => {
  const stream = memoryStream()
  const sessions = createLogSessions(
    () => [key],
    systemRandom,
    () => clock.now(),
    readersMax,
  )
  const tails = openTails(stream, clock)
  const sinks: Parameters<Tails['open']>[1][] = []
  const open: Tails['open'] = (asked, sink) => {
    sinks.push(sink)
    return tails.open(asked, sink)
  }
  const mount = tailMount(sessions, { open }, clock)
  const server = createServer((req, res) => void mount.at('GET', req.url ?? '')?.(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    mount.close()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const address = (session: Partial<LogSession> = {}): string =>
    `http://127.0.0.1:${port}/logs/${sessions.create({ ...wanted, ...session }).token}`
  return { sinks, address, port, app: logger(stream) }
}
type Served = Awaited<ReturnType<typeof serve>>

/** A reader on a bare socket, which can stop reading. */
const dial = async (t: Test, { address, port }: Served, accept: string) => {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const state = { text: '', hasEnded: false }
  const lines: string[] = []
  let rest = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    state.text = (state.text + chunk).slice(-200_000)
    // Frames of chunks lie between lines, not within.
    const all = (rest + chunk).split('\n')
    rest = all.pop() ?? ''
    lines.push(...all.filter((line) => / (?:app|heroku)\[/.test(line)))
  })
  socket.on('error', () => undefined)
  socket.on('close', () => (state.hasEnded = true))
  const { pathname } = new URL(address())
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\n\r\n`)
  await until(() => state.text.includes('\r\n\r\n'), { what: 'the head of the answer' })
  return { socket, state, lines }
}

t.test('a reader that stops reading is told what it lost; others get everything meanwhile', async (t) => {
  const served = await serve(t)
  const { app } = served
  const stuck = await dial(t, served, 'text/event-stream')
  const other = await dial(t, served, '*/*')
  await app.write(1)
  await until(() => stuck.lines.length === 1 && other.lines.length === 1, { what: 'the first line' })
  stuck.socket.pause()
  const pad = 'x'.repeat(4_000)
  for (let at = 0; at < 32; at += 1) {
    await app.write(200, { text: Buffer.from(`n=${app.written()} ${pad}`) })
    await until(() => other.lines.length === app.written(), { what: 'all lines at the other' })
  }
  stuck.socket.resume()
  await app.write(1, { text: Buffer.from('the last') })
  await until(() => stuck.state.text.includes('the last'), { what: 'the last line' })
  const told = stuck.lines.filter((line) => line.includes('Error L11'))
  const lost = told.reduce((sum, line) => sum + lossOf(line), 0)
  t.ok(lost > 0, `${lost} of ${app.written()}`)
  t.equal(stuck.lines.length - told.length + lost, app.written())
  t.notMatch(other.state.text, /L11/)
})

t.test('the event source of the stock CLI resumes after a clean end', async (t) => {
  const served = await serve(t)
  const { EventSource } = createRequire(createRequire(import.meta.url).resolve('heroku/package.json'))(
    'eventsource',
  ) as { EventSource: new (url: string) => EventTarget & { close: () => void } }
  await served.app.write(3)
  const got: number[] = []
  const failures: unknown[] = []
  const source = new EventSource(served.address())
  t.teardown(() => source.close())
  source.addEventListener('message', (event) => {
    got.push(Number(/line (\d+)$/.exec((event as unknown as { data: string }).data)?.[1]))
  })
  // What the CLI looks at: with one of these it gives up.
  source.addEventListener('error', (event) => {
    const { code, message } = event as { code?: number; message?: string }
    failures.push(code ?? message)
  })
  await until(() => got.length === 3, { what: 'the past' })
  await served.app.write(2)
  await until(() => got.length === 5, { what: 'live lines' })
  served.sinks[0]?.end()
  await until(() => failures.length === 1, { what: 'the end' })
  t.strictSame(failures, [undefined])
  await served.app.write(4)
  await until(() => got.length === 9, { what: 'the rest' })
  t.strictSame(got, range(0, 9))
})

t.test('an idle tail has a beat, and ends with its session; one that is dead is let go', async (t) => {
  const clock = virtualClock()
  const served = await serve(t, { clock })
  const pass = async (ms: number): Promise<void> => {
    const limit = clock.now() + ms
    while (clock.step(limit));
    clock.advanceTo(limit)
    await new Promise(setImmediate)
  }
  const events = await dial(t, served, 'text/event-stream')
  const plain = await dial(t, served, '*/*')
  for (let at = 0; at < 4; at += 1) await pass(20_000)
  await until(() => events.state.text.split('\n:\n\n').length > 3, { what: 'three beats' })
  t.match(events.state.text, /\nretry: 1000\n\n/)
  t.match(plain.state.text, /\r\n\r\n$/, 'there is no way to say nothing in plain text')
  events.socket.pause()
  const line = { text: Buffer.from('x'.repeat(10_000)) }
  for (let at = 0; at < 20; at += 1) {
    await served.app.write(100, line)
    await pass(100)
  }
  const before = served.app.written()
  await pass(6 * minuteMs)
  // It was let go of: what it has not got by now it does not get.
  await served.app.write(1, { text: Buffer.from('too late') })
  await pass(100)
  events.socket.resume()
  await until(() => events.state.hasEnded || events.state.text.endsWith(lastChunk), { what: 'its end' })
  t.ok(events.state.text.endsWith(lastChunk), 'a clean one')
  t.notMatch(events.state.text, /too late/)
  t.equal(plain.lines.length, before + 1)
  await pass(54 * minuteMs)
  await until(() => plain.state.text.endsWith(lastChunk), { what: 'the end of the session' })
})

t.test('a host has room for so many readers, and says so when a session is asked for', async (t) => {
  const served = await serve(t, { readersMax: 2 })
  const [address, other] = [served.address(), served.address()]
  const leaving = new AbortController()
  await fetch(address, { signal: leaving.signal })
  await fetch(other)
  const refused = await fetch(address)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '10')
  t.match(await refused.text(), /^Too many readers of logs on this host/)
  t.throws(() => served.address(), {
    code: 'service_unavailable',
    message: /^This host has 2 readers of logs/,
  })
  leaving.abort()
  const late = await until(
    async () => {
      const answer = await fetch(address)
      return answer.status === 200 && answer
    },
    { what: 'room for another' },
  )
  t.match(late.headers.get('content-type'), /^text\/plain/)
})
