/**
 * TCP and TLS drains against receivers that read, stall and close. The case names in brackets are those of
 * Logplex's syslog_drain suite; back-off, L10 and L14 are with whoever sends.
 */
import { once } from 'node:events'
import t from 'tap'
import { syslogFrames } from '../../src/syslog/frame.ts'
import { drainToken, frameOf, logMessage, receiverIdentity, sinkTo } from '../kit/drains.ts'
import { startSyslogReceiver } from '../kit/syslog-receiver.ts'
import { until } from '../kit/until.ts'

const good = receiverIdentity(['localhost'])
const line = [logMessage('x')]
const lineFrame = syslogFrames(line, drainToken)
const frame = frameOf(1)

for (const [scheme, identity] of [
  ['syslog', undefined],
  ['syslog+tls', good],
] as const) {
  const start = (
    t: Parameters<typeof startSyslogReceiver>[0],
    onConnection?: Parameters<typeof startSyslogReceiver>[1],
  ) => startSyslogReceiver(t, { ...(identity && { identity }), ...onConnection })
  const trust = { ca: good.ca }

  t.test(`${scheme}: frames arrive to the byte, one connection for all (writes_to_drain)`, async (t) => {
    const receiver = await start(t)
    const sink = sinkTo(t, `${scheme}://localhost:${receiver.port}`, trust)
    const batches = [
      ['one', '', '  blank', '\x1b[31mü', '\0', '\xff\xfe', 'a\nb', 'lf\n'],
      ['x'.repeat(10_000)],
    ].map((texts) => texts.map((text) => logMessage(Buffer.from(text, 'latin1'))))
    for (const messages of batches) t.same(await sink.send(messages, frame), { kind: 'delivered' })
    const wanted = syslogFrames(batches.flat(), drainToken)
    await until(() => receiver.connections[0]?.bytes().length === wanted.length, { what: 'all bytes' })
    t.ok(receiver.connections[0]?.bytes().equals(wanted))
    t.equal(receiver.connections.length, 1)
  })

  t.test(`${scheme}: close sends first what was handed over (flushes_on_shutdown)`, async (t) => {
    const receiver = await start(t, { onConnection: ({ socket }) => socket.pause() })
    const sink = sinkTo(t, `${scheme}://localhost:${receiver.port}`, trust)
    const messages = Array.from({ length: 10 }, (_, at) => logMessage(`${at}`.repeat(5000)))
    const sent = sink.send(messages, frame)
    const closed = sink.close()
    t.same(await sent, { kind: 'delivered' })
    await closed
    const [connection] = receiver.connections
    connection?.socket.resume()
    await until(() => connection?.socket.readableEnded, { what: 'the end' })
    t.ok(connection?.bytes().equals(syslogFrames(messages, drainToken)), 'a slow receiver has them all')
  })

  t.test(
    `${scheme}: an idle connection is closed, an old one not used again (close_if_idle, _old)`,
    async (t) => {
      const receiver = await start(t)
      const url = `${scheme}://localhost:${receiver.port}`
      const ended = (at: number) =>
        until(() => receiver.connections[at]?.socket.readableEnded, { what: `connection ${at} to end` })
      const idle = sinkTo(t, url, { ...trust, limits: { syslogIdleMs: 20, idleJitterMs: 0 } })
      t.same(await idle.send(line, frame), { kind: 'delivered' })
      await ended(0)
      t.same(await idle.send(line, frame), { kind: 'delivered' })
      const old = sinkTo(t, url, { ...trust, limits: { ageMs: 0, ageJitterMs: 0 } })
      t.same(await old.send(line, frame), { kind: 'delivered' })
      t.same(await old.send(line, frame), { kind: 'delivered' })
      await Promise.all([ended(1), ended(2)])
      const all = () =>
        receiver.connections.length === 4 && receiver.connections.every(({ bytes }) => bytes().length > 0)
      await until(all, { what: 'a connection and its line each' })
      for (const { bytes } of receiver.connections) t.ok(bytes().equals(lineFrame), 'nothing was cut')
    },
  )

  t.test(`${scheme}: no batch goes into a connection that the receiver has ended`, async (t) => {
    const receiver = await start(t)
    const sink = sinkTo(t, `${scheme}://localhost:${receiver.port}`, trust)
    for (let at = 0; at < 12; at += 1) {
      t.same(await sink.send(line, frame), { kind: 'delivered' })
      await until(() => receiver.connections[at]?.bytes().equals(lineFrame), { what: `line ${at}` })
      const connection = receiver.connections[at]
      if (at % 3 === 0) connection?.socket.end()
      else if (at % 3 === 1) connection?.socket.destroy()
      else connection?.reset()
    }
    t.equal(receiver.connections.length, 12, 'each went over one that was open')
  })

  t.test(`${scheme}: a receiver that stops reading makes a send fail in time`, async (t) => {
    const receiver = await start(t, { onConnection: ({ socket }) => socket.pause() })
    const sink = sinkTo(t, `${scheme}://localhost:${receiver.port}`, { ...trust, limits: { writeMs: 150 } })
    const batch = Array.from({ length: 100 }, () => logMessage(Buffer.alloc(9900, 'x')))
    let outcome = await sink.send(batch, frame)
    for (let sent = 1; outcome.kind === 'delivered' && sent < 40; sent += 1)
      outcome = await sink.send(batch, frame)
    const reason = 'the receiver took nothing more for 150 ms'
    t.same(outcome, { kind: 'failed', reason, code: 'ETIMEDOUT', connected: true })
    t.same(await sink.send(line, frame), { kind: 'delivered' }, 'the next is sent on a new connection')
    await until(() => receiver.connections.length === 2, { what: 'a second connection' })
  })

  t.test(`${scheme}: a receiver that closes in the middle of a batch makes it fail`, async (t) => {
    const receiver = await start(t, {
      onConnection: ({ socket, reset }) => socket.once('data', reset),
    })
    const sink = sinkTo(t, `${scheme}://localhost:${receiver.port}`, trust)
    const large = Array.from({ length: 2000 }, () => logMessage(Buffer.alloc(9900, 'x')))
    t.match(await sink.send(large, frame), { kind: 'failed', code: /ECONNRESET|EPIPE/, connected: true })
  })

  t.test(`${scheme}: what a receiver says is ignored, and too much of it ends the connection`, async (t) => {
    const receiver = await start(t, { onConnection: ({ socket }) => socket.write('hello\n') })
    const limits = { unaskedBytesMax: 1000 }
    const sink = sinkTo(t, `${scheme}://localhost:${receiver.port}`, { ...trust, limits })
    t.same(await sink.send(line, frame), { kind: 'delivered' })
    t.same(await sink.send(line, frame), { kind: 'delivered' })
    const socket = receiver.connections[0]?.socket
    t.equal(receiver.connections.length, 1)
    socket?.write(Buffer.alloc(2000))
    await until(() => socket?.readableEnded === true || socket?.destroyed, { what: 'the end' })
    t.same(await sink.send(line, frame), { kind: 'delivered' })
    await until(() => receiver.connections.length === 2, { what: 'a second connection' })
  })
}

t.test('TLS is verified (hostname_verification, searches_to_max_depth, insecure_drain)', async (t) => {
  const byName = receiverIdentity(['other.example'])
  const expired = receiverIdentity(['localhost'], -1)
  for (const [what, identity, ca, code] of [
    ['another name', byName, byName.ca, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['an authority nobody trusts', good, byName.ca, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['expired', expired, expired.ca, 'CERT_HAS_EXPIRED'],
  ] as const) {
    const receiver = await startSyslogReceiver(t, { identity })
    const url = `syslog+tls://localhost:${receiver.port}`
    const outcome = await sinkTo(t, url, { ca }).send(line, frame)
    t.same(outcome, { kind: 'failed', reason: code, code, connected: false, certificate: true }, what)
    t.equal(Buffer.concat(receiver.connections.map(({ bytes }) => bytes())).length, 0, 'it saw nothing')
    t.same(await sinkTo(t, `${url}#insecure`, { ca }).send(line, frame), { kind: 'delivered' }, what)
  }
  const byAddress = receiverIdentity(['127.0.0.1'])
  const receiver = await startSyslogReceiver(t, { identity: byAddress })
  const sink = sinkTo(t, `syslog+tls://127.0.0.1:${receiver.port}`, { ca: byAddress.ca })
  t.same(await sink.send(line, frame), { kind: 'delivered' }, 'an address is verified as one')
})

t.test('a receiver that accepts and never speaks TLS is left in time', async (t) => {
  const receiver = await startSyslogReceiver(t)
  const limits = { syslogConnectMs: 100 }
  const sink = sinkTo(t, `syslog+tls://localhost:${receiver.port}`, { limits })
  const shown = `syslog+tls://localhost:${receiver.port}/`
  const reason = `no connection to ${shown} within 100 ms`
  t.same(await sink.send(line, frame), { kind: 'failed', reason, code: 'ETIMEDOUT', connected: false })
  const [connection] = receiver.connections
  if (connection?.socket.closed === false) await once(connection.socket, 'end')
})

t.test('one that is not there, and one that speaks no TLS, are no matter of certificates', async (t) => {
  const nobody = sinkTo(t, 'syslog://127.0.0.1:1')
  t.match(await nobody.send(line, frame), { kind: 'failed', code: 'ECONNREFUSED', connected: false })
  const receiver = await startSyslogReceiver(t, { onConnection: ({ socket }) => socket.end('500 what?\r\n') })
  const outcome = await sinkTo(t, `syslog+tls://localhost:${receiver.port}`).send(line, frame)
  t.match(outcome, { kind: 'failed', code: String, connected: false, certificate: undefined })
})
