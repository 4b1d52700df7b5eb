/**
 * src/nats against a real nats-server: batches between hosts, announcements, and services.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { request, serve, ServiceError } from '../../src/nats/services.ts'
import { openTransport } from '../../src/nats/transport.ts'
import { bareClient, openBus } from '../kit/bus.ts'
import { until } from '../kit/until.ts'

t.jobs = 2
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString()

t.test('hosts reach each other by name, and learn at once when nobody is there', async (t) => {
  const bus = await openBus(t)
  const [a, b] = [await bus.join('host.a'), await bus.join('host b')]
  const [one, two] = [openTransport(a, { cluster: 'c' }), openTransport(b, { cluster: 'c' })]
  const other = openTransport(await bus.join('host.c'), { cluster: 'other' })
  const got: string[] = []
  two.listen('host b', (batch, from) => got.push(`${from}:${text(batch)}`))
  other.listen('host b', () => got.push('wrong cluster'))
  const topic = two.subscribe('some topic', (body) => got.push(`topic:${text(body)}`))
  await b.client.flush()
  let unreachable = 0
  one.send('host b', bytes('1'), () => (unreachable += 1))
  one.send('host b', bytes('2'))
  one.publish('some topic', bytes('3'))
  await until(() => got.length === 3, { what: 'three messages' })
  t.strictSame(got, ['host.a:1', 'host.a:2', 'topic:3'])
  one.send('host d', bytes('x'), () => (unreachable += 1))
  await until(() => unreachable === 1, { what: 'no responders' })
  topic.close()
  await b.client.flush()
  one.publish('some topic', bytes('4'))
  await a.client.flush()
  t.match(one.counts(), { sent: 5, unreachable: 1, droppedDown: 0 })
  t.equal(got.length, 3)
  t.ok(one.batchBytesMax >= 1_000_000)
})

t.test('transport drops and counts what the server does not take, and goes on when it is back', async (t) => {
  const bus = await openBus(t)
  // On a busy machine the server may stand for longer than a silent one is borne.
  const patient = { pingMs: 30_000 }
  const [a, b] = [await bus.join('h1', patient), await bus.join('h2', patient)]
  const one = openTransport(a, { cluster: 'c', backlogBytesMax: 4_000_000 })
  const two = openTransport(b, { cluster: 'c' })
  let got = 0
  two.listen('h2', () => (got += 1))
  await b.client.flush()
  const changes: boolean[] = []
  one.onConnection((connected) => changes.push(connected))
  let losses = 0
  one.onLoss(() => (losses += 1))

  const batch = new Uint8Array(100_000)
  const { pid } = bus.server()
  process.kill(pid, 'SIGSTOP')
  let unreachable = 0
  for (let index = 0; index < 100; index += 1) one.send('h2', batch, () => (unreachable += 1))
  t.match(one.counts(), { sent: 40, droppedBacklog: 60 })
  await until(() => unreachable === 60, { what: 'the sender to learn of what never left' })
  process.kill(pid, 'SIGCONT')
  await until(() => got === 40, { what: 'the rest to arrive' })
  // There is room once the server has said that it has them: the receiver may have them sooner.
  await until(() => (one.send('h2', batch), one.counts().sent === 41), { what: 'room for the next one' })
  await until(() => got === 41, { what: 'the next one' })

  await bus.kill()
  await until(() => !one.connected(), { what: 'the break to be noticed' })
  one.send('h2', batch, () => (unreachable += 1))
  await until(() => unreachable === 61, { what: 'the sender to learn that there is no connection' })
  t.equal(one.counts().droppedDown, 1)
  await bus.start()
  await until(() => one.connected() && two.connected(), { what: 'both to be back' })
  await b.client.flush()
  one.send('h2', batch)
  await until(() => got === 42, { what: 'a batch after the restart' })
  t.strictSame(changes, [false, true])
  await until(() => losses > 0, { what: 'the loss to be reported' })
})

t.test('a service is found by the tools of NATS, answers, refuses and bounds its work', async (t) => {
  const bus = await openBus(t)
  const [a, b] = [await bus.join('h1'), await bus.join('h2')]
  const faults: string[] = []
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  const service = await serve(a, {
    name: 'manifold',
    version: '1.0.0',
    description: 'test',
    concurrencyMax: 2,
    waitingMax: 1,
    onFault: (endpoint) => faults.push(endpoint),
    endpoints: [
      {
        name: 'echo',
        subject: 'manifold.v1.api.echo',
        handler: async ({ bytes, header }) => ({ bytes, headers: { 'X-Was': header('x-is') ?? '' } }),
      },
      {
        name: 'refuse',
        subject: 'manifold.v1.api.refuse',
        handler: () => Promise.reject(new ServiceError(404, 'not found', bytes('{"id":"not_found"}'))),
      },
      { name: 'fault', subject: 'manifold.v1.api.fault', handler: () => Promise.reject(new Error('secret')) },
      {
        name: 'slow',
        subject: 'manifold.v1.api.slow',
        handler: async () => {
          await gate
          return { bytes: bytes('done') }
        },
      },
    ],
  })
  const { port, logins } = bus.server()
  const operator = await bareClient(t, port, logins.operator)
  t.match(await operator.ask('$SRV.PING'), /io\.nats\.micro\.v1\.ping_response.*"name":"manifold"/)
  t.match(
    await operator.ask('$SRV.INFO.manifold'),
    /"endpoints":\[\{"name":"echo","subject":"manifold\.v1\.api\.echo"/,
  )
  t.match(await operator.ask('manifold.v1.api.echo', '{}'), /\{\}/)

  const ask = (name: string, body = '') =>
    request(b, `manifold.v1.api.${name}`, bytes(body), { headers: { 'X-Is': 'é1' }, timeoutMs: 5_000 })
  const answer = await ask('echo', 'hello')
  t.equal(text(answer.bytes), 'hello')
  t.equal(answer.header('X-Was'), 'é1')
  await t.rejects(ask('refuse'), { code: 404, message: 'not found', bytes: bytes('{"id":"not_found"}') })
  await t.rejects(ask('fault'), { code: 500, message: 'internal error' })
  t.strictSame(faults, ['fault'])
  await t.rejects(ask('nothing'), { code: 'no_responders' })
  await t.rejects(request(b, 'manifold.v1.api.slow', bytes(''), { timeoutMs: 20 }), { code: 'timeout' })

  const slow = [ask('slow'), ask('slow')]
  await t.rejects(ask('slow'), { code: 503 }, 'two at work, one waiting')
  release()
  t.equal((await Promise.all(slow)).length, 2)
  t.match(
    await operator.ask(`$SRV.STATS.manifold.${service.id}`),
    /"name":"refuse".*"num_requests":1,"num_errors":1/,
  )
  await service.stop()
  await t.rejects(ask('echo'), { code: 'no_responders' })
  t.match(readFileSync(join(bus.options.home, 'nats.conf'), 'utf8'), /manifold\.v1\.api\.>/)
})
