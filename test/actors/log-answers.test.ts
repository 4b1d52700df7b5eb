/** What `POST /logs` answers when not all is well, at its handler: its bounds, its times, its repeats. */
import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { logsHandler } from '../../actors/logplex/input/http.ts'
import { createLanes, laneLimits } from '../../actors/logplex/input/lanes.ts'
import { createRepeats } from '../../actors/logplex/input/repeats.ts'
import { createTokens, type Destination } from '../../actors/logplex/input/tokens.ts'
import type { Part } from '../../actors/protocols/channel.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { frame } from '../kit/log-input.ts'
import { until } from '../kit/until.ts'

const tokenOf = (digit: number): string => `t.00000000-0000-4000-8000-00000000000${digit}`
const destinations: Readonly<Record<string, Destination>> = {
  [tokenOf(1)]: { appId: 'a', name: 'cron' },
  [tokenOf(2)]: { appId: 'a', name: 'mail' },
  [tokenOf(3)]: { appId: 'b', name: 'cron' },
}

const open = async (t: Test, limits = laneLimits) => {
  const clock = virtualClock()
  const state = { isClosing: false, found: Promise.resolve(), stored: Promise.resolve() }
  const parts: (Part & { readonly appId: string })[] = []
  const lookUp = async (token: string) => {
    await state.found
    return destinations[token]
  }
  const deliver = async (appId: string, part: Part): Promise<void> => {
    parts.push({ appId, ...part })
    await state.stored
  }
  const lanes = createLanes({ deliver, source: 'here', clock }, limits)
  const handle = logsHandler({
    tokens: createTokens(lookUp, () => clock.monotonicMs()),
    lanes,
    clock,
    isClosing: () => state.isClosing,
  })
  const server = createServer((req, res) => void handle(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const post = (token: string, body: string | Buffer, headers: Readonly<Record<string, string>> = {}) => {
    const all = { authorization: `Bearer ${token}`, 'content-type': 'application/logplex-1', ...headers }
    const options = { host: '127.0.0.1', port, method: 'POST', headers: all, agent: false }
    const sent = request(options).end(body)
    return new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject)
    }).then(async (answer) => ({
      status: answer.statusCode ?? 0,
      text: await textOf(answer),
      wait: answer.headers['retry-after'],
    }))
  }
  const hasRoom = (bytes: number): boolean => {
    const isThere = lanes.reserve('a', bytes)
    if (isThere) lanes.release('a', bytes)
    return isThere
  }
  return { clock, state, parts, port, post, hasRoom }
}

t.test('a host that is about to end takes nothing more', async (t) => {
  const { state, parts, post } = await open(t)
  state.isClosing = true
  const ending = { status: 503, text: 'This host is about to end', wait: '2' }
  t.same(await post(tokenOf(1), frame('x')), ending)
  t.same(parts, [])
})

t.test('no more requests are under way than are bounded, and each gives its place back', async (t) => {
  const { state, post } = await open(t)
  const found = Promise.withResolvers<void>()
  state.found = found.promise
  let answered = 0
  const all = Array.from({ length: 1_030 }, async () => {
    const { status } = await post(tokenOf(1), frame('x'))
    answered += 1
    return status
  })
  await until(() => answered === 6, { what: 'those beyond to be refused' })
  found.resolve()
  const statuses = await Promise.all(all)
  t.equal(statuses.filter((status) => status === 204).length, 1_024)
  t.equal(statuses.filter((status) => status === 503).length, 6)
  t.equal((await post(tokenOf(1), frame('x'))).status, 204)
})

t.test('what is not stored in time is to be sent again, and known then', async (t) => {
  const { clock, state, parts, post } = await open(t)
  const stored = Promise.withResolvers<void>()
  state.stored = stored.promise
  const id = { 'x-request-id': '1' }
  const first = post(tokenOf(1), frame('x'), id)
  await until(() => clock.pending() > 0, { what: 'it to wait' })
  while (clock.step(clock.now() + 15_000)) continue
  t.same(await first, { status: 503, text: 'The log lines are not stored yet', wait: '2' })
  const second = post(tokenOf(1), frame('x'), id)
  await until(() => clock.pending() > 0, { what: 'it to wait, too' })
  stored.resolve()
  t.equal((await second).status, 204)
  t.equal(parts.length, 1)
})

t.test('an id is its sender’s own: another token’s is another, for minutes', async (t) => {
  const { clock, parts, post } = await open(t)
  const send = async (token: string): Promise<readonly [string, string | undefined][]> => {
    const before = parts.length
    t.equal((await post(token, frame('x'), { 'x-request-id': '1' })).status, 204)
    return parts.slice(before).map(({ appId, lines }) => [appId, lines[0]?.source])
  }
  t.same(await send(tokenOf(1)), [['a', 'cron']])
  t.same(await send(tokenOf(2)), [['a', 'mail']])
  t.same(await send(tokenOf(3)), [['b', 'cron']])
  clock.advanceTo(clock.now() + 4 * 60_000)
  for (const digit of [1, 2, 3]) t.same(await send(tokenOf(digit)), [], 'known')
  clock.advanceTo(clock.now() + 2 * 60_000)
  t.same(await send(tokenOf(1)), [['a', 'cron']], 'not for ever')
})

t.test('so many batches are known that a flood of them costs little, the last ones', async (t) => {
  const repeats = createRepeats({ monotonicMs: () => 1 })
  let begun = 0
  const begin = async (): Promise<void> => void (begun += 1)
  for (let at = 0; at <= 20_001; at += 1) repeats.once(String(at), begin)
  t.equal(begun, 20_002)
  t.ok(repeats.once('20001', begin).isRepeat)
  t.notOk(repeats.once('0', begin).isRepeat, 'the first is forgotten')
  t.notOk(repeats.once(undefined, begin).isRepeat)
})

t.test('a body without a whole frame gives back what it took', async (t) => {
  const { post } = await open(t, { appBytesMax: 1_000, bytesMax: 2_000 })
  for (let times = 0; times < 3; times += 1)
    t.equal((await post(tokenOf(1), `900 ${'x'.repeat(600)}`)).status, 204)
  t.equal((await post(tokenOf(1), frame('y'.repeat(300)))).status, 204)
})

t.test('a body that is broken off gives back what it took, packed or not', async (t) => {
  const { parts, port, hasRoom } = await open(t, { appBytesMax: 1_000, bytesMax: 2_000 })
  const body = Buffer.from(frame('y'.repeat(300)))
  for (const [sent, encoding] of [
    [body, 'identity'],
    [gzipSync(body, { level: 0 }), 'gzip'],
  ] as const) {
    const headers = {
      authorization: `Bearer ${tokenOf(1)}`,
      'content-type': 'application/logplex-1',
      'content-encoding': encoding,
      'content-length': sent.length,
    }
    const broken = request({ host: '127.0.0.1', port, method: 'POST', headers, agent: false })
    broken.on('error', () => {}).write(sent.subarray(0, -20))
    await until(() => !hasRoom(800), { what: `room to be taken, ${encoding}` })
    broken.destroy()
    await until(() => hasRoom(1_000), { what: `room to be given back, ${encoding}` })
  }
  t.same(parts, [])
})

t.test('what a request says of itself is the same in whatever case', async (t) => {
  const { parts, post } = await open(t)
  const headers = {
    'content-type': 'Application/Logplex-1 ; x=y',
    'content-encoding': ' GZIP ',
    authorization: `BEARER ${tokenOf(1)}`,
  }
  t.equal((await post('', gzipSync(frame('x')), headers)).status, 204)
  t.equal((await post(tokenOf(1), frame('x'), { 'content-encoding': 'Identity' })).status, 204)
  const basic = `bASIC ${Buffer.from(`token:${tokenOf(1)}`).toString('base64')}`
  t.equal((await post('', frame('x'), { authorization: basic })).status, 204)
  t.equal(parts.length, 3)
})
