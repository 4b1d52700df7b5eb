/**
 * src/nats against a real nats-server: names, the server's life, and the record.
 */
import { spawn } from 'node:child_process'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { natsConf } from '../../src/nats/config.ts'
import { connect } from '../../src/nats/connection.ts'
import { filterOf, keyOf, subjectOf } from '../../src/nats/keys.ts'
import { fromToken, toToken } from '../../src/nats/names.ts'
import { startServer } from '../../src/nats/server.ts'
import { openStore } from '../../src/nats/store.ts'
import { StoreConflict, StoreUnavailable } from '../../src/ports/store.ts'
import { bareClient, busOptions, openBus } from '../kit/bus.ts'
import { freePort } from '../kit/ports.ts'
import { until } from '../kit/until.ts'

t.jobs = 2
// Every write here waits for the disk, which other tests share.
t.setTimeout(300_000)
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString()

/** Any text at all, lone surrogates, dots and wildcards with it. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('.', '*', '>', ' ', '=', 'u', '0', 'a', '\ud800', '\udfff', '\n') }),
)

t.test('a name becomes one subject token and comes back, whatever it is', (t) => {
  fc.assert(
    fc.property(anyText, (name) => {
      const token = toToken(name)
      if (!/^[A-Za-z0-9_=-]+$/.test(token) || fromToken(token) !== name) throw new Error(token)
    }),
    { numRuns: 2_000 },
  )
  const name = anyText.filter((one) => !one.includes('/') && one.length < 40)
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
      const key = ['kind', ...names].join('/')
      const subject = subjectOf('$KV.b', key)
      const filter = filterOf('$KV.b', key.slice(0, key.lastIndexOf('/') + 1))
      if (keyOf('$KV.b', subject) !== key || !subject.startsWith(filter.slice(0, -1)))
        throw new Error(subject)
    }),
  )
  t.equal(subjectOf('$KV.b', 'app/my-app').replace(/[0-9a-f]{2}(?=\.)/, '??'), '$KV.b.app.??.my-app')
  t.throws(() => subjectOf('$KV.b', 'app'))
  t.throws(() => subjectOf('$KV.b', `app/${'x'.repeat(2_000)}`))
  t.end()
})

t.test('the configuration acknowledges only what is on disk and knows no anonymous user', (t) => {
  const login = (user: string) => ({ user, password: `p"${user}\\` })
  const conf = natsConf({
    name: 'n',
    storeDir: '/s "x"',
    logFile: '/l',
    pidFile: '/p',
    logins: { platform: login('platform'), operator: login('operator'), system: login('system') },
    operatorSubjects: ['a.>'],
    access: { kind: 'platform' },
  })
  t.match(conf, /sync_interval: always/)
  t.match(conf, 'store_dir: "/s \\"x\\""')
  t.match(conf, 'publish { allow: ["a.>"] }')
  t.notMatch(conf, /no_auth_user/)
  t.throws(() => natsConf({ ...({} as Parameters<typeof natsConf>[0]), name: 'a\nb' }))
  t.end()
})

t.test('a server that runs is adopted, and is found again where it was', async (t) => {
  const options = busOptions(t)
  // As if it had been chosen: one that nobody's connection takes between two lives.
  writeFileSync(join(options.home, 'port'), String(await freePort()))
  const [first, second] = await Promise.all([startServer(options), startServer(options)])
  t.equal(first.pid, second.pid, 'two parents at once start one server')
  t.not(first.adopted, second.adopted)
  const third = await startServer(options)
  t.match(third, { pid: first.pid, port: first.port, adopted: true })
  for (const file of ['nats.conf', 'logins.json']) {
    t.equal(statSync(join(options.home, file)).mode & 0o777, 0o600, `${file} is its owner's alone`)
  }
  t.equal(await third.stop(), 'stopped')
  writeFileSync(join(options.home, 'nats.pid'), String(process.pid))
  const fourth = await startServer(options)
  t.not(fourth.pid, process.pid, 'a pid that was given to somebody else is not taken for the server')
  t.match(fourth, { port: first.port, adopted: false })
  t.equal(await fourth.stop(), 'stopped')
})

t.test('a server outlives the SIGKILL of its parent', async (t) => {
  const options = busOptions(t)
  const script = `
    import { startServer } from '${join(process.cwd(), 'src/nats/server.ts')}'
    import { systemRandom } from '${join(process.cwd(), 'src/system/random.ts')}'
    const server = await startServer({ ...${JSON.stringify(options)}, random: systemRandom })
    console.log('pid=' + server.pid)
    setInterval(() => {}, 1000)`
  const parent = spawn('env', ['-i', process.execPath, '--input-type=module', '-e', script])
  let said = ''
  parent.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [, pid] = await until(() => /pid=(\d+)/.exec(said), {
    what: 'the parent to start it',
  })
  parent.kill('SIGKILL')
  await until(() => parent.signalCode !== null, { what: 'the parent to be gone' })
  const server = await startServer(options)
  t.match(server, { pid: Number(pid), adopted: true })
  t.equal(await server.stop(), 'stopped')
})

t.test('a server that cannot be used is refused in one line', async (t) => {
  const options = busOptions(t)
  const old = join(options.home, 'old')
  writeFileSync(old, '#!/bin/sh\necho "nats-server: v2.9.10"\n', { mode: 0o755 })
  await t.rejects(startServer({ ...options, binary: old }), {
    code: 'nats_server_version',
    message: /2\.12 or newer/,
  })
  const broken = join(options.home, 'broken')
  writeFileSync(broken, '#!/bin/sh\n[ "$1" = --version ] && exec echo v2.15.1\necho bad news >&2; exit 3\n', {
    mode: 0o755,
  })
  await t.rejects(startServer({ ...options, binary: broken }), {
    code: 'nats_server_failed',
    message: /bad news/,
  })
})

t.test('the bus lets the operator ask the API and nothing else, and strangers nothing', async (t) => {
  const bus = await openBus(t)
  const { port, url, logins } = bus.server()
  await t.rejects(connect({ urls: [url], host: 'x' }), { code: 'nats_refused' })
  const good = `nats://platform:${logins.platform.password}@127.0.0.1:${port}`
  await (await connect({ urls: [good], host: 'x' })).close()
  const operator = await bareClient(t, port, logins.operator)
  await operator.seen(/PONG/)
  operator.send('PUB act.v1.x.y 0\r\n')
  await operator.seen(/Permissions Violation for Publish to "act.v1.x.y"/i)
  operator.send('SUB _HOST.> 9')
  await operator.seen(/Permissions Violation for Subscription to "_HOST.>"/i)
  t.match(await operator.ask('manifold.v1.api.apps.list'), /503/, 'nobody serves it, but it may be asked')
  const nobody = await bareClient(t, port, undefined)
  await nobody.seen(/Authorization Violation/)
  await t.rejects(connect({ urls: ['nats://127.0.0.1:1'], host: 'x', connectMsMax: 100 }), {
    code: 'nats_unreachable',
  })
})

t.test('the record is changed by whoever knows its revision, and by nobody else', async (t) => {
  const bus = await openBus(t)
  const store = await openStore(await bus.join('h1'), {
    bucket: 'manifold',
    replicas: 1,
    valueBytesMax: 10_000,
  })
  t.equal(await store.get('app/one'), undefined)
  const first = await store.create('app/one', bytes('a'))
  await t.rejects(store.create('app/one', bytes('b')), StoreConflict)
  const second = await store.update('app/one', bytes('c'), first)
  await t.rejects(store.update('app/one', bytes('d'), first), StoreConflict)
  await t.rejects(store.update('app/none', bytes('d'), first), StoreConflict)
  t.match(await store.get('app/one'), { key: 'app/one', revision: second })
  t.equal(text((await store.get('app/one'))?.value), 'c')

  await t.rejects(store.remove('app/one', first), StoreConflict)
  await store.remove('app/one', second)
  t.equal(await store.get('app/one'), undefined)
  await t.rejects(
    store.update('app/one', bytes('late'), second),
    StoreConflict,
    'a removed key is no stale base',
  )
  const third = await store.create('app/one', bytes('again'))
  t.ok(third > second)
  await t.rejects(store.create('app/one', bytes('no')), StoreConflict)
  await store.remove('app/one')
  await store.remove('app/never-there')
  t.strictSame(await store.list('app/'), [])

  await t.rejects(store.create('app/big', new Uint8Array(10_001)), { code: 'ERR_ASSERTION' })
  t.equal((await store.create('app/just', new Uint8Array(10_000))) > third, true)
  const again = await openStore(await bus.join('h2'), {
    bucket: 'manifold',
    replicas: 1,
    valueBytesMax: 20_000,
  })
  t.ok(await again.get('app/just'), 'it opens what is there, with new bounds')
  await again.create('app/bigger', new Uint8Array(15_000))
})

t.test('the record lists every key under a prefix and no other', async (t) => {
  const bus = await openBus(t)
  const store = await openStore(await bus.join('h1'), { bucket: 'manifold', replicas: 1 })
  const names = ['a', 'ab', 'a.b', '', 'ü ☃', '\ud800', '*', '>', 'a=b', 'x'.repeat(100)]
  const keys = names.flatMap((name) => [`app/${name}`, `release/${name}/1`, `release/${name}/2`])
  await Promise.all(keys.map((key) => store.create(key, bytes(key))))
  const gone = await store.create('app/gone', bytes('x'))
  await store.remove('app/gone', gone)
  for (const prefix of [
    '',
    'app/',
    'app/a',
    'release/',
    'release/a/',
    'release/a/1',
    'release/a.',
    'none/',
    'ap',
  ]) {
    const found = await store.list(prefix)
    t.strictSame(
      found.map(({ key }) => key).sort(),
      keys.filter((key) => key.startsWith(prefix)).sort(),
      prefix,
    )
    t.ok(found.every(({ key, value }) => text(value) === Buffer.from(key).toString()))
  }
})

t.test('contenders for one record never both win', async (t) => {
  const bus = await openBus(t)
  const connections = [await bus.join('h1'), await bus.join('h2')]
  const stores = await Promise.all(
    connections.map((one) => openStore(one, { bucket: 'manifold', replicas: 1 })),
  )
  await stores[0]!.create('counter/one', bytes('0'))
  let conflicts = 0
  const contend = async (index: number): Promise<void> => {
    const store = stores[index % 2]!
    for (let wins = 0; wins < 25;) {
      const entry = await store.get('counter/one')
      try {
        await store.update('counter/one', bytes(String(Number(text(entry!.value)) + 1)), entry!.revision)
        wins += 1
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        conflicts += 1
      }
    }
  }
  await Promise.all(Array.from({ length: 6 }, (_, index) => contend(index)))
  t.equal(text((await stores[1]!.get('counter/one'))?.value), '150')
  t.ok(conflicts > 0)
})

t.test(
  'what was acknowledged is there after the SIGKILL of the server, and what was refused is not',
  async (t) => {
    const bus = await openBus(t)
    const store = await openStore(await bus.join('h1'), { bucket: 'manifold', replicas: 1, timeoutMs: 1_000 })
    for (const how of ['kill', 'stop'] as const) {
      const acknowledged = new Map<string, number>()
      const outcome = new Map<string, 'no' | 'unknown'>()
      const write = async (lane: number): Promise<void> => {
        for (let at = 0; outcome.size < 200; at += 1) {
          const key = `app/${how}-${lane}-${at}`
          try {
            acknowledged.set(key, await store.create(key, bytes(key)))
          } catch (error) {
            if (!(error instanceof StoreUnavailable)) throw error
            outcome.set(key, error.applied)
            // A turn of the loop, so that a refusal does not come again at once.
            await new Promise(setImmediate)
          }
        }
      }
      const lanes = Promise.all(Array.from({ length: 16 }, (_, lane) => write(lane)))
      await until(() => acknowledged.size > 100, { what: 'some writes' })
      if (how === 'kill') await bus.kill()
      else await bus.server().stop()
      await lanes
      await bus.start()
      const found = await until(() => store.list('app/'), { what: 'the record to be back' })
      const there = new Map(found.map(({ key, revision }) => [key, revision]))
      const lost = [...acknowledged].filter(([key, revision]) => there.get(key) !== revision)
      t.strictSame(lost, [], `${acknowledged.size} acknowledged writes are there (${how})`)
      const refused = [...outcome].filter(([key, applied]) => applied === 'no' && there.has(key))
      t.strictSame(refused, [], 'nothing that was reported as not done was done')
      const verdicts = new Set(outcome.values())
      t.ok(verdicts.has('no'), 'what was asked while there was no connection is known not to be done')
      t.comment(how, {
        acknowledged: acknowledged.size,
        unknown: [...outcome].filter(([, a]) => a === 'unknown').length,
      })
    }
  },
)

t.test('a write to a frozen server is unknown, and may turn out to be done', async (t) => {
  const bus = await openBus(t)
  const store = await openStore(await bus.join('h1'), { bucket: 'manifold', replicas: 1, timeoutMs: 300 })
  const { pid } = bus.server()
  process.kill(pid, 'SIGSTOP')
  await t.rejects(store.create('app/late', bytes('x')), { code: 'store_unavailable', applied: 'unknown' })
  process.kill(pid, 'SIGCONT')
  await until(async () => (await store.get('app/late')) !== undefined, { what: 'the late write' })
  const client = (await bus.join('h2')).client
  const jsm = await client.jetstreamManager()
  await jsm.streams.delete('KV_manifold')
  await t.rejects(
    store.create('app/x', bytes('x')),
    { code: 'store_unavailable', applied: 'no' },
    'nobody to write it',
  )
})
