/**
 * HTTP drains against a strict receiver that answers as its script says. The case names in brackets are those
 * of Logplex's http_drain suite; what concerns retries and L10 is with whoever sends.
 */
import t from 'tap'
import { drainToken, frameOf, logMessage, receiverIdentity, sinkTo } from '../kit/drains.ts'
import { startLogplexReceiver } from '../kit/logplex-receiver.ts'
import { until } from '../kit/until.ts'

const line = [logMessage('x')]

t.test('a batch is one POST, exact to the byte (full_buffer_success)', async (t) => {
  const receiver = await startLogplexReceiver(t)
  const sink = sinkTo(t, `http://us%40er:pa%3Ass@127.0.0.1:${receiver.port}/in?key=a%20b#frag`)
  const texts = ['one', '', '  blank', '\x1b[31mü', '\0', '\xff\xfe', 'x'.repeat(10_000)]
  const messages = texts.map((text) => logMessage(Buffer.from(text, 'latin1')))
  t.same(await sink.send(messages, frameOf(1)), { kind: 'delivered' })
  t.same(await sink.send([logMessage('with its own\n')], frameOf(2)), { kind: 'delivered' })
  t.same(await sink.send([logMessage('a\nb')], frameOf(3)), { kind: 'delivered' })
  t.same(receiver.problems, [])
  t.same(
    receiver.received.map((one) => one.texts),
    [texts, ['with its own'], ['a\nb']],
  )
  const [first] = receiver.received
  t.equal(first?.target, '/in?key=a%20b')
  t.equal(first?.messages[0], '<190>1 2023-11-14T22:13:20.123456+00:00 host app web.1 - one\n')
  const headers = first?.headers ?? []
  const ours = [
    ['Authorization', `Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`],
    ['Content-Type', 'application/logplex-1'],
    ['Logplex-Msg-Count', '7'],
    ['Logplex-Frame-Id', frameOf(1).id],
    ['Logplex-Drain-Token', drainToken],
    ['User-Agent', 'Logplex/manifold'],
  ].flat()
  const start = headers.indexOf('Authorization')
  t.same(headers.slice(start, start + ours.length), ours)
  t.match(headers, ['host', `127.0.0.1:${receiver.port}`])
  t.equal(receiver.connections().made, 1, 'all on one connection')
})

t.test('what comes of a batch is by its status (full_buffer_fail, full_buffer_temp_fail)', async (t) => {
  const in2m = new Date(Date.now() + 120_000).toUTCString()
  const wait = (status: number, seconds: string) => ({ status, headers: { 'Retry-After': seconds } })
  const cases = [
    [204, { kind: 'delivered' }],
    [404, { kind: 'refused', status: 404 }],
    [401, { kind: 'refused', status: 401 }],
    [
      { status: 302, headers: { Location: '/other' } },
      { kind: 'failed', reason: /302/, connected: true },
    ],
    [408, { kind: 'failed', reason: /408/ }],
    [429, { kind: 'failed', reason: /429/, retryAfterMs: undefined }],
    [wait(429, '7'), { kind: 'failed', retryAfterMs: 7000 }],
    [wait(429, '999999999999'), { kind: 'failed', retryAfterMs: 3_600_000 }],
    [wait(429, 'soon'), { kind: 'failed', retryAfterMs: undefined }],
    [wait(503, 'Thu, 01 Jan 1970 00:00:00 GMT'), { kind: 'failed', retryAfterMs: 0 }],
    [wait(500, '7'), { kind: 'failed', reason: /500/, retryAfterMs: undefined }],
    [wait(503, in2m), { kind: 'failed', reason: /503/ }],
  ] as const
  const receiver = await startLogplexReceiver(t, { answers: cases.map(([answer]) => answer) })
  const sink = sinkTo(t, `http://127.0.0.1:${receiver.port}`)
  let last
  for (const [at, [answer, outcome]] of cases.entries()) {
    const { made } = receiver.connections()
    last = await sink.send(line, frameOf(at))
    t.match(last, outcome, JSON.stringify(answer))
    const isNew = at === 0 || cases[at - 1]?.[1].kind === 'failed'
    t.equal(receiver.connections().made - made, isNew ? 1 : 0, 'only a failure ends the connection')
  }
  const waitMs = last?.kind === 'failed' ? (last.retryAfterMs ?? 0) : 0
  t.ok(waitMs > 100_000 && waitMs <= 120_000, 'a date is counted from now')
  t.equal(receiver.received.length, cases.length, 'nothing is repeated, no redirect followed')
  t.same(receiver.problems, [])
})

t.test('a receiver that never answers, drips, floods or drops the connection is left in time', async (t) => {
  const answers = ['hang', 'drip-head', 'drip-body', 'flood', 'reset', 'close'] as const
  const receiver = await startLogplexReceiver(t, { answers })
  const sink = sinkTo(t, `http://127.0.0.1:${receiver.port}`, { limits: { requestMs: 150 } })
  const late = { kind: 'failed', code: 'ETIMEDOUT', connected: true, reason: 'no answer within 150 ms' }
  const ended = { kind: 'failed', connected: true, reason: String, code: String }
  t.same(await sink.send(line, frameOf(0)), late, 'hang')
  t.same(await sink.send(line, frameOf(1)), late, 'drip-head: each byte buys it no time')
  t.same(await sink.send(line, frameOf(2)), { kind: 'delivered' }, 'its status had come')
  t.same(await sink.send(line, frameOf(3)), { kind: 'delivered' })
  t.match(await sink.send(line, frameOf(4)), ended, 'reset')
  t.match(await sink.send(line, frameOf(5)), ended, 'close')
  t.same(await sink.send(line, frameOf(6)), { kind: 'delivered' })
  t.equal(receiver.connections().made, 7, 'none of these connections is used again')
  await until(() => receiver.connections().open === 1, { what: 'the others to be closed' })
})

t.test('a connection that the receiver closed meanwhile is not written into', async (t) => {
  const receiver = await startLogplexReceiver(t)
  const sink = sinkTo(t, `http://127.0.0.1:${receiver.port}`)
  for (let at = 0; at < 20; at += 1) {
    t.same(await sink.send(line, frameOf(at)), { kind: 'delivered' })
    receiver.endAll()
  }
  t.equal(receiver.connections().made, 20)
})

t.test('an idle connection is closed, and an old one is not used again (close_max_ttl)', async (t) => {
  const receiver = await startLogplexReceiver(t)
  const idle = sinkTo(t, `http://127.0.0.1:${receiver.port}`, { limits: { httpIdleMs: 20, idleJitterMs: 0 } })
  t.same(await idle.send(line, frameOf(0)), { kind: 'delivered' })
  await until(() => receiver.connections().open === 0, { what: 'the idle connection to be closed' })
  t.same(await idle.send(line, frameOf(1)), { kind: 'delivered' }, 'and the next batch opens one')
  await idle.close()
  const old = sinkTo(t, `http://127.0.0.1:${receiver.port}`, { limits: { ageMs: 0, ageJitterMs: 0 } })
  t.same(await old.send(line, frameOf(2)), { kind: 'delivered' })
  t.same(await old.send(line, frameOf(3)), { kind: 'delivered' })
  t.equal(receiver.connections().made, 4)
  await old.close()
  await until(() => receiver.connections().open === 0, { what: 'close to leave no connection' })
})

t.test('one batch at a time, and none after close', async (t) => {
  const receiver = await startLogplexReceiver(t)
  const sink = sinkTo(t, `http://127.0.0.1:${receiver.port}`)
  const first = sink.send(line, frameOf(0))
  t.throws(() => sink.send(line, frameOf(1)), /one batch at a time/)
  const closed = sink.close()
  t.throws(() => sink.send(line, frameOf(1)), /closed/)
  t.same(await first, { kind: 'delivered' }, 'what was handed over before is sent')
  await closed
  t.equal(receiver.received.length, 1)
})

t.test('nobody there: it was not connected', async (t) => {
  const receiver = await startLogplexReceiver(t)
  const gone = sinkTo(t, `http://127.0.0.1:1`)
  t.match(await gone.send(line, frameOf(0)), { kind: 'failed', code: 'ECONNREFUSED', connected: false })
  const nowhere = sinkTo(t, 'http://nowhere.invalid')
  t.match(await nowhere.send(line, frameOf(0)), {
    kind: 'failed',
    code: /ENOTFOUND|EAI_AGAIN/,
    connected: false,
  })
  t.equal(receiver.received.length, 0)
})

t.test('HTTPS is verified by chain, name and date, unless the URL says otherwise', async (t) => {
  const good = receiverIdentity(['localhost'])
  const byName = receiverIdentity(['other.example'])
  const expired = receiverIdentity(['localhost'], -1)
  for (const [what, identity, ca, code] of [
    ['good', good, good.ca, undefined],
    ['another name', byName, byName.ca, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['an authority nobody trusts', good, byName.ca, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ["the machine's authorities only", good, undefined, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['expired', expired, expired.ca, 'CERT_HAS_EXPIRED'],
  ] as const) {
    const receiver = await startLogplexReceiver(t, { identity })
    const url = `https://localhost:${receiver.port}/in`
    const trust = ca === undefined ? {} : { ca }
    const wanted =
      code === undefined
        ? { kind: 'delivered' }
        : { kind: 'failed', reason: code, code, connected: false, certificate: true }
    t.same(await sinkTo(t, url, trust).send(line, frameOf(0)), wanted, what)
    t.equal(receiver.received.length, code === undefined ? 1 : 0)
    t.same(await sinkTo(t, `${url}#insecure`, trust).send(line, frameOf(1)), { kind: 'delivered' }, what)
    t.same(receiver.problems, [])
  }
})
