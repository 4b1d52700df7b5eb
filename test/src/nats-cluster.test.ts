/**
 * src/nats as a cluster of real servers with TLS and keys: who may do what, growth from one to three under a
 * writer, what goes on without a leader, and a server replaced.
 */
import t from 'tap'
import { acknowledgedWrite } from '../../src/nats/canary.ts'
import { connect, type Connection } from '../../src/nats/connection.ts'
import { jetStream, type StreamState } from '../../src/nats/jetstream.ts'
import { openObjects } from '../../src/nats/objects.ts'
import { permissionsOf } from '../../src/nats/permissions.ts'
import { replaceServer } from '../../src/nats/replace.ts'
import { requestsOf } from '../../src/nats/requests.ts'
import { openStore } from '../../src/nats/store.ts'
import { openStream } from '../../src/nats/streams.ts'
import { openSystem } from '../../src/nats/system.ts'
import { openTransport } from '../../src/nats/transport.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { systemRandom } from '../../src/system/random.ts'
import { callOf, growAll, openKeepers, openWriter } from '../kit/growth.ts'
import { accessOf, joinAs, pidOf, placeOf, planCluster, urlsOf, type HostPlan } from '../kit/servers.ts'
import { until } from '../kit/until.ts'

// Three servers each, and every write waits for the disk: one after the other.
t.setTimeout(300_000)
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString()
const record = { bucket: 'manifold', replicas: 1, timeoutMs: 2_000 }
const bounds = {
  name: 'history',
  replicas: 1,
  maxMessagesPerKey: 100,
  maxAgeMs: 0,
  maxBytes: 64 * 1024 * 1024,
}

/** One question whose answer is looked at as text; empty when nobody answers. */
const asked = async (connection: Connection, subject: string, body: unknown): Promise<string> => {
  const answer = await requestsOf(connection)
    .ask(subject, Buffer.from(JSON.stringify(body)), 1_000)
    .catch(() => undefined)
  return text(answer?.bytes) ?? ''
}

/** Of the stream's leader, which may be elected at the moment. */
const stateOf = (connection: Connection, stream: string) =>
  until(
    () =>
      jetStream(connection).call<{
        state: StreamState
        config: { num_replicas: number }
        cluster: { leader: string }
      }>(`STREAM.INFO.${stream}`, {}),
    { what: `word of ${stream}`, timeoutMs: 60_000 },
  )

t.test('a host is granted its own name and nothing of another one', (t) => {
  const grants = {
    cluster: 'c',
    readable: ['KV_m'],
    written: ['history.>'],
    served: ['api.>'],
    suffixes: ['-router-0'],
  }
  const plain = permissionsOf({ name: 'h.1', nkey: 'U', control: false }, grants)
  t.ok(plain.publish.includes('act.v1.c.*.h=2e1') && plain.publish.includes('top.v1.c.*.h=2e1-router-0'))
  t.ok(plain.subscribe.includes('_HOST.h=2e1.>') && !plain.subscribe.some((one) => one.startsWith('_INBOX')))
  t.notOk(plain.publish.some((one) => /^\$KV|^\$O|STREAM\.(CREATE|UPDATE|DELETE|PURGE)|API\.>/.test(one)))
  const control = permissionsOf({ name: 'h', nkey: 'U', control: true }, grants)
  t.ok(control.publish.includes('$JS.API.>') && control.publish.includes('history.>'))
  t.notOk(control.publish.includes('act.v1.>') || control.subscribe.includes('act.v1.>'))
  t.throws(() => permissionsOf({ name: 'a-router-0', nkey: 'U', control: false }, grants))
  t.end()
})

t.test(
  'the servers refuse what a host is not granted, and a host that is taken out is cut off',
  async (t) => {
    const plan = await planCluster(t, ['a', 'd', 'd2'])
    const [a, d, d2] = plan.hosts as [HostPlan, HostPlan, HostPlan]
    const keeper = openKeepers(t, [a]).get('a')!
    await keeper.start(accessOf([a, d]))
    const own = await joinAs(t, plan, a, { urls: urlsOf([a], 'nats') })
    const store = await openStore(own, record)
    await store.create('app/one', bytes('1'))
    const objects = await openObjects(own, { bucket: 'manifold', replicas: 1 })
    await objects.put(
      'x',
      (async function* () {
        yield bytes('slug')
      })(),
    )
    await t.rejects(joinAs(t, plan, a, { ca: 'no certificate', connectMsMax: 500 }), {
      code: 'nats_unreachable',
    })
    const other = await planCluster(t, ['x'])
    await t.rejects(
      joinAs(t, plan, a, { ca: other.ca, connectMsMax: 500 }),
      { code: 'nats_unreachable' },
      'a server of another authority is none of ours',
    )

    const remote = await joinAs(t, plan, d)
    const refused: string[] = []
    remote.onRefused((what) => refused.push(what))
    const isRefused = (what: string) =>
      until(() => refused.includes(what), { what: `the refusal of ${what} among ${refused.join(', ')}` })
    const got: string[] = []
    openTransport(own, { cluster: 'c' }).listen('a', (batch, from) => got.push(`${from}:${text(batch)}`))
    await own.client.flush()
    openTransport(remote, { cluster: 'c' }).send('a', bytes('hello'))
    await until(() => got.length === 1, { what: 'a batch' })
    t.strictSame(got, ['d:hello'])
    for (const subject of ['act.v1.c.a.a', 'top.v1.c.beat.a', '$KV.manifold.app.x', '_HOST.a.x']) {
      remote.client.publish(subject, 'x')
      await isRefused(`publish ${subject}`)
    }
    for (const subject of ['_HOST.a.>', 'act.v1.c.a.*', '$SYS.>', '_INBOX.>', 'act.v1.c.>']) {
      remote.client.subscribe(subject, { callback: () => undefined })
      await isRefused(`subscription ${subject}`)
    }
    await t.rejects(jetStream(remote, 300).call('STREAM.CREATE.mine', { name: 'mine', subjects: ['m.>'] }))
    await isRefused('publish $JS.API.STREAM.CREATE.mine')
    t.equal(got.length, 1, 'nothing of it arrived')

    const reader = await openStore(remote, { ...record, ensure: false, timeoutMs: 500 })
    t.equal(text((await reader.get('app/one'))?.value), '1')
    t.equal(text((await reader.peek('app/one'))?.value), '1')
    t.equal((await reader.list('app/')).length, 1)
    const slug = await (
      await openObjects(remote, { bucket: 'manifold', replicas: 1, ensure: false })
    ).get('x')
    for await (const chunk of slug!) t.equal(text(chunk), 'slug')
    await t.rejects(reader.create('app/two', bytes('2')), { code: 'store_unavailable' })
    t.equal(await store.get('app/two'), undefined)

    const early = joinAs(t, plan, d2)
    await keeper.allow(accessOf([a, d2]))
    const late = await early
    t.ok(late.connected(), 'one that asked before the server knew it is let in when it does')
    await until(() => !remote.connected(), { what: 'the one that was taken out to be cut off' })
    t.ok(own.connected())
    await t.rejects(joinAs(t, plan, d, { connectMsMax: 300 }), { code: 'nats_refused' })
    // The users are kept for the next start, when the record cannot be read yet.
    await keeper.stop()
    await keeper.start()
    await until(() => late.connected(), { what: 'the host to be back' })
  },
)

t.test('one server becomes three under a writer, and goes on without a leader', async (t) => {
  const plan = await planCluster(t, ['a', 'b', 'c', 'e'])
  const [a, b, c, e] = plan.hosts as [HostPlan, HostPlan, HostPlan, HostPlan]
  const keepers = openKeepers(t, plan.hosts)
  const ka = keepers.get('a')!
  await ka.start(accessOf(plan.hosts))
  for (const name of ['b', 'c', 'e']) t.equal(await keepers.get(name)!.start(), undefined)
  const connection = await joinAs(t, plan, b)
  t.equal(connection.serverName(), 'a')
  const store = await openStore(connection, record)
  const objects = await openObjects(connection, { bucket: 'manifold', replicas: 1 })
  const history = await openStream(connection, bounds)
  const slug = await objects.put(
    'slug',
    (async function* () {
      for (let index = 0; index < 30; index += 1) yield new Uint8Array(100_000).fill(index)
    })(),
  )
  const sequences: number[] = []
  for (let index = 0; index < 150; index += 1) sequences.push(await history.append('k', bytes(String(index))))
  const revisions = new Map<string, number>()
  for (let index = 0; index < 50; index += 1)
    revisions.set(`app/${index}`, await store.create(`app/${index}`, bytes(String(index))))
  await store.remove('app/7')
  const writer = await openWriter(store, 'counter/one')
  t.teardown(() => writer.stop().catch(() => undefined))
  await until(() => writer.count() > 50, { what: 'some writes' })
  const gone: string[] = []

  await growAll(plan, keepers)
  t.match(
    [...keepers.values()].map((keeper) => keeper.mode().kind),
    ['clustered', 'clustered', 'clustered', 'none'],
  )
  const before = writer.count()
  await until(() => writer.count() > before + 50, { what: 'writes after the growth', timeoutMs: 60_000 })
  t.comment(`longest time without a write: ${writer.gapMs()} ms`)
  for (const stream of ['KV_manifold', 'OBJ_manifold', 'history']) {
    t.equal((await stateOf(connection, stream)).config.num_replicas, 3, stream)
  }
  await openStore(connection, record)
  t.equal((await stateOf(connection, 'KV_manifold')).config.num_replicas, 3, 'copies are never taken away')
  for (const [key, revision] of revisions) {
    const entry = await store.get(key)
    if (key === 'app/7') t.equal(entry, undefined)
    else if (entry?.revision !== revision) t.fail(`${key} is at ${entry?.revision}, not ${revision}`)
  }
  t.strictSame(
    (await history.read('k')).map(({ sequence }) => sequence),
    sequences.slice(-100),
  )
  t.ok((await history.append('k', bytes('next'))) > sequences.at(-1)!)
  const sizeOf = async (): Promise<number> => {
    let size = 0
    for await (const chunk of (await objects.get('slug'))!) size += chunk.length
    return size
  }
  t.equal(await sizeOf(), slug.bytes)
  t.ok((await acknowledgedWrite(connection, 'manifold')).writeMs > 0)

  const system = await openSystem({ url: ka.server()!.url, login: ka.server()!.logins.system, name: 'a' })
  t.teardown(() => system.close())
  system.watchDisconnects((client) => gone.push(client))
  t.strictSame([...((await system.peers()) ?? [])].map(({ name }) => name).sort(), ['a', 'b', 'c'])
  const away = await joinAs(t, plan, e, { urls: urlsOf([c]) })
  t.equal(away.serverName(), 'c')
  await away.close()
  await until(() => gone.includes('e'), { what: 'word of a client that another server lost' })

  // The stream's leader stops: reads from another copy go on, reads and writes through it do not.
  const login = ka.server()!.logins.system
  const probe = await connect({ urls: [ka.server()!.url], ...login, host: 'probe' })
  t.teardown(() => probe.close())
  const directGet = '$JS.API.DIRECT.GET.KV_manifold'
  const leader = (await stateOf(connection, 'KV_manifold')).cluster.leader
  const well = plan.hosts.slice(0, 3).filter(({ name }) => name !== leader)
  // A copy answers reads some seconds after it was made.
  for (const { name } of well) {
    const which = { server_name: name, exact_match: true, subscriptions: true, test: directGet }
    await until(async () => (await asked(probe, '$SYS.REQ.SERVER.PING.SUBSZ', which)).includes(directGet), {
      what: `the copy at ${name} to answer`,
    })
  }
  const near = await joinAs(t, plan, well[0]!, { urls: urlsOf([well[0]!], 'nats') })
  const nearStore = await openStore(near, { ...record, ensure: false, timeoutMs: 3_000 })
  const nearObjects = await openObjects(near, { bucket: 'manifold', replicas: 3, ensure: false })
  connection.setUrls(urlsOf(well))
  const pid = pidOf(keepers.get(leader)!)
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => signalled(pid, 'SIGCONT'))
  const startMs = performance.now()
  t.equal(text((await nearStore.peek('app/3'))?.value), '3')
  const peekMs = performance.now() - startMs
  t.ok(peekMs < 3_000, `peek answered in ${Math.round(peekMs)} ms`)
  await t.rejects(nearStore.get('app/3'), StoreUnavailable)
  let size = 0
  for await (const chunk of (await nearObjects.get('slug'))!) size += chunk.length
  t.equal(size, slug.bytes, 'objects are read without their leader')
  const stood = writer.count()
  await until(() => writer.count() > stood + 20, { what: 'writes through a new leader', timeoutMs: 60_000 })
  t.comment(`longest time without a write: ${writer.gapMs()} ms`)
  process.kill(pid, 'SIGCONT')

  // A server is gone for good, and another host gets one in its place.
  const dead = plan.hosts[2]!
  connection.setUrls(urlsOf([a, b]))
  const deadKeeper = keepers.get(dead.name)!
  await until(() => connection.connected(), { what: 'a connection' })
  // The objects' stream is led by the one that dies: for seconds nobody speaks for it, and all else is well.
  await until(
    async () => {
      if ((await stateOf(connection, 'OBJ_manifold')).cluster.leader === dead.name) return true
      const preferred = { placement: { preferred: dead.name } }
      await jetStream(connection).call('STREAM.LEADER.STEPDOWN.OBJ_manifold', preferred)
      return false
    },
    { what: `${dead.name} to lead the objects` },
  )
  signalled(pidOf(deadKeeper), 'SIGKILL')
  await deadKeeper.stop()
  await replaceServer({
    keeper: ka,
    name: 'a',
    connection,
    dead: dead.name,
    fresh: placeOf(e),
    call: callOf(keepers),
    random: systemRandom,
    progress: () => undefined,
  })
  t.equal(keepers.get('e')!.mode().kind, 'clustered')
  const held = await system.holds('e')
  t.strictSame([...(held?.keys() ?? [])].sort(), ['KV_manifold', 'OBJ_manifold', 'history'])
  t.strictSame([...((await system.peers()) ?? [])].map(({ name }) => name).sort(), ['a', 'b', 'e'])
  const { count } = await writer.stop()
  t.strictSame(writer.faults, [], `${count} acknowledged writes in turn, none lost or doubled`)
  t.equal(await sizeOf(), slug.bytes)
})

const signalled = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
