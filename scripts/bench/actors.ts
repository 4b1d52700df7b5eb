/**
 * `npm run bench -- actors`: what a message costs, on one host and between two, beside the bare NATS client
 * in the same process over the same server (goals: DESIGN §9).
 *
 * Both sides of each pair run in this process with two connections; rounds alternate, so that a busy
 * machine is busy for both, and the middle round of each counts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Connection } from '../../src/nats/connection.ts'
import { startServer } from '../../src/nats/server.ts'
import { openTransport } from '../../src/nats/transport.ts'
import { refAt } from '../../src/runtime/index.ts'
import { systemRandom } from '../../src/system/random.ts'
import { nowhere, padding, Receiver, startCrew, type Crew } from './actors/crew.ts'
import { row, type BenchOptions, type Row } from './report.ts'

const hosts = ['one', 'two'] as const
const askTimeoutMs = 5_000

export const run = async ({ quick, log }: BenchOptions): Promise<readonly Row[]> => {
  const rounds = quick ? 2 : 5
  log('local tells')
  const local = await localTells(quick ? 500_000 : 2_000_000, rounds)
  const home = mkdtempSync(join(tmpdir(), 'mf-bench-'))
  const server = await startServer({
    binary: join(process.env['MANIFOLD_HOME'] ?? join(homedir(), '.manifold'), 'bin', 'nats-server'),
    home,
    name: 'bench',
    random: systemRandom,
    operatorSubjects: [],
  })
  try {
    const { user, password } = server.logins.platform
    const links: Connection[] = []
    for (const host of hosts) links.push(await connect({ urls: [server.url], user, password, host }))
    const [one, two] = links as [Connection, Connection]
    const crew = await startCrew('one', hosts, openTransport(one, { cluster: 'bench' }))
    const other = await startCrew('two', hosts, openTransport(two, { cluster: 'bench' }))
    const remote = await remoteTells(crew, other, one, two, quick ? 50_000 : 200_000, rounds, log)
    const asks = await askLatency(crew, one, two, quick ? 500 : 3_000, rounds, log)
    for (const { node } of [crew, other]) await node.stop()
    for (const link of links) await link.close()
    return [...local, ...remote, ...asks]
  } finally {
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

type Timed = { readonly wallMs: number; readonly cpuMs: number }

const timed = async (work: () => Promise<void>): Promise<Timed> => {
  const startMs = performance.now()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return { wallMs: performance.now() - startMs, cpuMs: (user + system) / 1_000 }
}

const localTells = async (total: number, rounds: number): Promise<readonly Row[]> => {
  const crew = await startCrew('one', ['one'], nowhere)
  const rates: number[] = []
  for (let i = 0; i < rounds; i += 1) {
    const { cpuMs } = await timed(async () => {
      const received = crew.received(total)
      crew.send(total, 'one')
      await received
    })
    rates.push(total / (cpuMs / 1_000))
  }
  await crew.node.stop()
  const ours = middle(rates)
  return [row({ what: 'local tell', unit: 'msg/cpu_s', ours, goal: '>=1000000' })]
}

const remoteTells = async (
  crew: Crew,
  other: Crew,
  one: Connection,
  two: Connection,
  total: number,
  rounds: number,
  log: (line: string) => void,
): Promise<readonly Row[]> => {
  const ours: Timed[] = []
  const bare: Timed[] = []
  for (let i = 0; i < rounds; i += 1) {
    log(`remote tells, round ${i + 1} of ${rounds}`)
    bare.push(await timed(() => publishAll(one, two, total)))
    ours.push(
      await timed(async () => {
        const received = other.received(total)
        crew.send(total, 'two')
        await received
      }),
    )
  }
  const rate = (all: readonly Timed[], of: keyof Timed): number =>
    middle(all.map((each) => total / (each[of] / 1_000)))
  return (['wallMs', 'cpuMs'] as const).map((of) =>
    row({
      what: of === 'wallMs' ? 'remote tell' : 'remote tell, for the CPU of both ends',
      unit: of === 'wallMs' ? 'msg/s' : 'msg/cpu_s',
      ours: rate(ours, of),
      peers: { 'bare client': rate(bare, of) },
      goal: of === 'wallMs' ? '>=1' : '',
      better: 'higher',
    }),
  )
}

/** Publish to a callback, with as many messages on their way as the actors have. */
const publishAll = async (from: Connection, to: Connection, total: number): Promise<void> => {
  const bytes = new TextEncoder().encode(padding + padding.slice(0, 28))
  const inFlightMax = 16_000
  let received = 0
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  const subscription = to.client.subscribe('bench.tell', {
    callback: () => {
      received += 1
      if (received === total) done()
    },
  })
  await to.client.flush()
  for (let sent = 0; sent < total;) {
    for (let i = 0; i < 1_000 && sent < total && sent - received < inFlightMax; i += 1) {
      from.client.publish('bench.tell', bytes)
      sent += 1
    }
    await new Promise<void>((resolve) => void setImmediate(resolve))
  }
  await all
  subscription.unsubscribe()
}

const askLatency = async (
  crew: Crew,
  one: Connection,
  two: Connection,
  count: number,
  rounds: number,
  log: (line: string) => void,
): Promise<readonly Row[]> => {
  const bytes = new TextEncoder().encode(padding)
  const subscription = two.client.subscribe('bench.ask', {
    callback: (_, message) => void message.respond(message.data),
  })
  await two.client.flush()
  const receiver = refAt(Receiver, 'receiver', 'two')
  const here = refAt(Receiver, 'receiver', 'one')
  const question = { type: 'echo', text: padding } as const
  const measure = async (ask: () => Promise<unknown>): Promise<number> => {
    const times: number[] = []
    for (let i = 0; i < count; i += 1) {
      const startMs = performance.now()
      await ask()
      times.push(performance.now() - startMs)
    }
    return middle(times)
  }
  const p50s = { ours: [] as number[], bare: [] as number[], local: [] as number[] }
  for (let i = 0; i < rounds; i += 1) {
    log(`asks, round ${i + 1} of ${rounds}`)
    p50s.bare.push(await measure(() => one.client.request('bench.ask', bytes, { timeout: askTimeoutMs })))
    p50s.ours.push(await measure(() => crew.node.ask(receiver, question, { timeoutMs: askTimeoutMs })))
    p50s.local.push(await measure(() => crew.node.ask(here, question, { timeoutMs: askTimeoutMs })))
  }
  subscription.unsubscribe()
  const peers = { 'bare client': middle(p50s.bare) }
  return [
    row({ what: 'ask, p50', unit: 'ms', ours: middle(p50s.ours), peers, goal: '<=1.5' }),
    row({ what: 'ask on one host, p50', unit: 'ms', ours: middle(p50s.local) }),
  ]
}
