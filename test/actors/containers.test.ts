/**
 * What a host does to run a dyno: its container, its attached client.
 */
import { totalmem } from 'node:os'
import { Duplex, PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { performContainer, type ContainerDeps } from '../../actors/effects/perform/container.ts'
import type { Slugs } from '../../actors/effects/perform/container/slugs.ts'
import { createVault } from '../../actors/effects/perform/vault.ts'
import { oneKey } from '../../actors/effects/perform/seal.ts'
import type { Shuttle } from '../../actors/logplex/shuttle.ts'
import type { Run } from '../../actors/protocols/shapes.ts'
import type { ContainerSpec, Driver, ExecSpec, Exit, Found } from '../../src/oci/driver.ts'
import { containersMemoryBytes } from '../../src/oci/machine.ts'
import { OciError } from '../../src/oci/errors.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Rendezvous } from '../../src/rendezvous/rendezvous.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { perform } from '../kit/perform.ts'
import { runOf } from '../kit/runs.ts'
import { until } from '../kit/until.ts'

const key = Buffer.alloc(32, 7)

/** The performer of containers over a driver that notes what it was given. */
const containers = (more: Partial<ContainerDeps> = {}) => {
  const specs: ContainerSpec[] = []
  const found: Found[] = []
  const begin = async (spec: ContainerSpec) => {
    specs.push(spec)
    const outer = spec.expose === undefined ? {} : { outer: { address: '192.0.2.1', port: 10_002 } }
    found.push({
      id: spec.id,
      labels: spec.labels,
      pid: 1,
      address: '10.64.0.2',
      ...outer,
      startedAtMs: 5,
      attached: false,
      state: 'running',
    })
    return { id: spec.id, pid: 1, address: '10.64.0.2', ...outer, startedAtMs: 5, paths: {} }
  }
  const [stdin, output] = [new PassThrough(), new PassThrough()]
  const exit = Promise.withResolvers<Exit>()
  const inside = { stdin: new PassThrough(), output: new PassThrough(), errors: new PassThrough() }
  const executed: { id: string; spec: ExecSpec }[] = []
  let hangups = 0
  const driver = {
    kind: 'oci',
    start: begin,
    attach: async (spec: ContainerSpec) => ({
      ...(await begin(spec)),
      stdin,
      output,
      exit: exit.promise,
    }),
    exec: async (id: string, spec: ExecSpec) => {
      executed.push({ id, spec })
      return { ...inside, exit: exit.promise, hangup: () => void (hangups += 1), resize: () => undefined }
    },
    list: async () => found,
  } as unknown as Driver
  const effects = performContainer({
    driver,
    slugs: { folderOf: () => '/slug' } as unknown as Slugs,
    shuttle: {} as Shuttle,
    vault: createVault(memoryStore(), oneKey(key)),
    rendezvous: { expect: () => Promise.reject(new Error('nobody came here')) } as unknown as Rendezvous,
    random: { next: () => 0.5, uuid: () => 'id' } as Random,
    now: () => 7,
    appDomain: 'apps.test',
    rootOf: () => ({ root: '/root', layers: [] }),
    ...more,
  })
  return { effects, specs, stdin, output, exit, inside, executed, hangups: () => hangups }
}

t.test('web dynos can be reached from other hosts, and are found so; nothing else can', async (t) => {
  const { effects, specs } = containers()
  const outer = { address: '192.0.2.1', port: 10_002 }
  const start = (id: string, change: Partial<Run>): Promise<object> =>
    perform(effects, 'container.start', { run: { ...runOf('web.1'), id, ...change } })
  t.match(await start('web', { type: 'web' }), { address: '10.64.0.2', outer, startedAt: 5 })
  t.match(await start('worker', { type: 'worker' }), { outer: null })
  t.match(await start('once', { type: 'web', timeToLiveMs: 1_000 }), { outer: null })
  t.strictSame(
    specs.map(({ expose, env }) => expose !== undefined && env['PORT'] === String(expose)),
    [true, false, false],
  )
  const { runs } = await perform<{ runs: readonly object[] }>(effects, 'container.list', {})
  t.match(runs, [{ run: { id: 'web' }, port: Number, outer }, { outer: null }, { outer: null }])
})

t.test('dynos are promised the memory they have together, or what the operator said', async (t) => {
  const capacity = (more: { memoryBytes?: number }): Promise<unknown> =>
    perform(containers(more).effects, 'container.capacity', {})
  t.same(await capacity({}), { memoryBytes: containersMemoryBytes(totalmem()) })
  t.same(await capacity({ memoryBytes: 2 ** 40 }), { memoryBytes: 2 ** 40 })
})

t.test('an attached run joins its client at whichever host it waits', async (t) => {
  const attach = { host: 'b', token: 'secret', terminal: null }
  const asked: string[] = []
  const client = new PassThrough()
  const { effects, specs, output, exit } = containers({
    attachElsewhere: (host, token) => {
      asked.push(`${host} ${token}`)
      if (host === 'a') return undefined
      return host === 'b' ? Promise.resolve(client) : Promise.reject(new Error('no route'))
    },
  })
  const start = (host: string): Promise<object> =>
    perform(effects, 'container.start', { run: { ...runOf('run.1'), attach: { ...attach, host } } })
  output.end('from afar')
  exit.resolve({ code: 0, oomKilled: false })
  t.match(await start('b'), { address: '10.64.0.2', outer: null, startedAt: 7 })
  t.equal(await text(client), 'from afar')
  for (const host of ['a', 'c']) await t.rejects(start(host), { code: 'attach_timeout' })
  t.strictSame(asked, ['b secret', 'a secret', 'c secret'])
  t.equal(specs.length, 1, 'without a client nothing is started')
})

/** What stands for the socket of a client. */
const clientOf = () => {
  const got: string[] = []
  const client = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      got.push(chunk.toString())
      done()
    },
  })
  return { client, said: () => got.join('') }
}

t.test('whether the client of an attached run has left is told, also of one found again', async (t) => {
  const { client } = clientOf()
  const { effects, exit } = containers({ attachElsewhere: () => Promise.resolve(client) })
  const of = <R>(name: string, runId: string): Promise<R> => perform<R>(effects, name, { runId })
  const attach = { host: 'b', token: 'secret', terminal: null }
  const start = (id: string): Promise<object> =>
    perform(effects, 'container.start', { run: { ...runOf('run.1'), id, attach } })
  await start('one')
  t.match(await of('container.quiet', 'one'), { quietMs: 0 })
  const left = of('container.client', 'one')
  await of('container.dismiss', 'one')
  t.same(await left, { left: true })
  t.same(await of('container.client', 'one'), { left: true }, 'asked again')
  await perform(effects, 'container.start', { run: { ...runOf('web.1'), id: 'found' } })
  t.same(await of('container.client', 'found'), { left: true }, 'its host process is another one by now')
  t.same(await of('container.client', 'over'), { left: false }, 'it runs no more')
  exit.resolve({ code: 0, oomKilled: false })
})

t.test('a command inside a dyno has its environment and its streams, and ends with its client', async (t) => {
  const { client, said } = clientOf()
  const { effects, inside, executed, hangups } = containers({
    attachElsewhere: (host) => (host === 'b' ? Promise.resolve(client) : undefined),
  })
  const attach = { host: 'b', token: 'secret', terminal: { columns: 90, rows: 30 } }
  const ask = { run: runOf('web.1'), port: 4_000, command: 'bash', attach, env: { TERM: 'xterm' } }
  await perform(effects, 'container.inside', ask)
  t.match(executed, [
    {
      id: runOf('web.1').id,
      spec: {
        cwd: '/app',
        terminal: { columns: 90, rows: 30 },
        env: { TERM: 'xterm', DYNO: 'web.1', PORT: '4000', HOME: '/app' },
      },
    },
  ])
  t.equal(executed[0]?.spec.argv.at(-1), 'bash')
  inside.output.write('inside')
  client.push('typed')
  await until(() => said() === 'inside', { what: 'what it says' })
  t.equal(String(await new Promise((seen) => inside.stdin.once('data', seen))), 'typed')
  client.destroy()
  await until(() => hangups() === 1, { what: 'the hang-up' })
  await t.rejects(perform(effects, 'container.inside', { ...ask, attach: { ...attach, host: 'a' } }), {
    code: 'attach_timeout',
  })
})

t.test('a client hears why its command inside a dyno could not be run', async (t) => {
  const { client, said } = clientOf()
  const driver = { kind: 'oci', exec: () => Promise.reject(new OciError('OCI_EXECS', 'r1')) }
  const { effects } = containers({
    driver: driver as unknown as Driver,
    attachElsewhere: () => Promise.resolve(client),
  })
  const attach = { host: 'b', token: 'secret', terminal: null }
  const command = 'ls ; echo "\uFFFF heroku-command-exit-status: $?"'
  const ask = { run: runOf('web.1'), port: 4_000, command, attach, env: {} }
  await t.rejects(perform(effects, 'container.inside', ask), { code: 'OCI_EXECS' })
  t.match(said(), /^too many processes .*\r\n\uFFFF heroku-command-exit-status: 126\n$/)
})
