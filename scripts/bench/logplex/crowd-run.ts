/**
 * A crowd of apps that each say little: a log file each, written as conmon writes it by a process of its own
 * (crowd-writer.ts), and read, carried, stored and sent on as a host does, over a nats-server of its own. One
 * app in five has a drain.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { deliverThrough } from '../../../actors/logplex/deliver.ts'
import { createShuttle, filePlaces } from '../../../actors/logplex/shuttle.ts'
import { busCluster } from '../../../actors/main/bus-conf.ts'
import { Drain } from '../../../actors/protocols/drain.ts'
import { historyLinesMax } from '../../../actors/effects/perform/history.ts'
import { connect } from '../../../src/nats/connection.ts'
import { startServer } from '../../../src/nats/server.ts'
import { openStore } from '../../../src/nats/store.ts'
import { openStream, type Stream } from '../../../src/nats/streams.ts'
import { openTransport } from '../../../src/nats/transport.ts'
import { createLog, followLog } from '../../../src/oci/log-file.ts'
import { ref } from '../../../src/runtime/index.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { cpuMsOf } from '../deploy/cpu.ts'
import { effectsOn, hostName, startNode } from './crowd-node.ts'
import type { Write, Written } from './crowd-writer.ts'
import type { Ends } from './ends.ts'

export type Crowd = { readonly apps: number; readonly forMs: number; readonly port: number }
export type CrowdResult = {
  /** What the store takes of such lines, one append after the other from 16 at once, with nothing else. */
  readonly barePerSecond: number
  readonly everySeconds: number
  readonly sent: number
  readonly sentWithDrain: number
  readonly stored: number
  readonly elapsedMs: number
  readonly hostMs: number
  readonly busMs: number
  readonly residentBytes: number
}

const drainEvery = 5
/** Of what the store takes: a line with a drain takes two more writes. */
const load = 0.4
const secondsEachMin = 10
const bareMs = 1_500
const bareAtOnce = 16
const settleMsMax = 30_000
const restMs = 500
const atOnce = 64
const startMs = 20
const weekMs = 604_800_000

export const runCrowd = async ({ apps, forMs, port }: Crowd, ends: Ends): Promise<CrowdResult> => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-crowd-'))
  await ends.up(Promise.resolve(folder), async () => rmSync(folder, { recursive: true, force: true }))
  // Before there are so many files that no process can be made.
  const written = await startWriter(ends)
  const binary = join(homedir(), '.manifold', 'bin', 'nats-server')
  const bus = {
    binary,
    home: join(folder, 'bus'),
    name: hostName,
    random: systemRandom,
    operatorSubjects: [],
  }
  const server = await ends.up(startServer(bus), async (up) => void (await up.stop()))
  const { user, password } = server.logins.platform
  const opening = connect({ urls: [server.url], user, password, host: hostName })
  const connection = await ends.up(opening, (up) => up.close())
  const store = await openStore(connection, { bucket: 'manifold', replicas: 1 })
  const history = await openStream(connection, {
    name: 'history',
    replicas: 1,
    maxMessagesPerKey: 2 * historyLinesMax,
    maxAgeMs: weekMs,
    maxBytes: 2 ** 30,
  })
  const barePerSecond = await bareAppends(history)

  const ids = Array.from({ length: apps }, (_, at) => `app-${at}`)
  const drainsOf = (id: string): readonly string[] =>
    Number(id.slice('app-'.length)) % drainEvery === 0 ? [`drain-of-${id}`] : []
  const transport = openTransport(connection, { cluster: busCluster })
  const effects = effectsOn(history)
  const node = await ends.up(startNode({ transport, store, effects }, drainsOf, 300_000), (up) => up.stop())
  await inTurn(ids.flatMap(drainsOf), async (id) => {
    const [appId, url] = [id.slice('drain-of-'.length), `syslog://127.0.0.1:${port}`]
    const to = { appId, url, token: `d.${id}`, telemetry: null, decidedAt: Date.now() }
    await node.ask(ref(Drain, id), { type: 'open', to }, { timeoutMs: settleMsMax })
  })

  const logs = join(folder, 'logs')
  mkdirSync(logs)
  await inTurn(ids, async (id) => {
    mkdirSync(join(logs, id))
    await createLog(join(logs, id))
  })
  const running = new Promise<void>(() => undefined)
  const shuttle = createShuttle(
    filePlaces(join(folder, 'cursors')),
    { follow: (id, from, onBatch) => followLog(join(logs, id), from, running, onBatch) },
    deliverThrough(() => node, systemClock),
    'bench',
  )
  for (const [at, id] of ids.entries()) {
    void shuttle.ship({ runId: id, appId: id, process: 'web.1' })
    // Each opens some files more for a moment.
    if (at % atOnce === 0) await pause(startMs)
  }

  await rested()
  const everySeconds = Math.max(secondsEachMin, apps / (load * barePerSecond))
  const cpu = () => ({ hostMs: cpuMsOf(process.pid, 'alone'), busMs: cpuMsOf(server.pid, 'alone') })
  const before = cpu()
  const beganMs = performance.now()
  const { sent, sentWithDrain } = await written({ folder: logs, apps, drainEvery, everySeconds, forMs })
  const elapsedMs = performance.now() - beganMs
  const after = cpu()
  const stored = await storedOf(ids, effects, sent)
  return {
    barePerSecond,
    everySeconds,
    sent,
    sentWithDrain,
    stored,
    elapsedMs,
    hostMs: after.hostMs - before.hostMs,
    busMs: after.busMs - before.busMs,
    residentBytes: process.memoryUsage().rss,
  }
}

/** Resolves when this process has done what it was told. */
const rested = async (): Promise<void> => {
  const deadline = performance.now() + settleMsMax
  for (let busyMs = restMs; busyMs > restMs / 10 && performance.now() < deadline;) {
    const before = process.cpuUsage()
    await pause(restMs)
    const { user, system } = process.cpuUsage(before)
    busyMs = (user + system) / 1_000
  }
}

const inTurn = async (ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> => {
  const left = ids.values()
  const one = async (): Promise<void> => {
    for (const id of left) await work(id)
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

const bareAppends = async (history: Stream): Promise<number> => {
  const bytes = new Uint8Array(300)
  const beganMs = performance.now()
  let count = 0
  const one = async (): Promise<void> => {
    while (performance.now() - beganMs < bareMs) await history.append(`bare-${count++}`, bytes)
  }
  await Promise.all(Array.from({ length: bareAtOnce }, one))
  return (1_000 * count) / (performance.now() - beganMs)
}

/** The process that writes, which is told later what. */
const startWriter = async (ends: Ends): Promise<(write: Write) => Promise<Written>> => {
  const child = fork(join(import.meta.dirname, 'crowd-writer.ts'), { execArgv: [] })
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error('the writer ended')))
  })
  failed.catch(() => undefined)
  await ends.up(Promise.resolve(child), async () => void child.kill('SIGKILL'))
  return async (write) => {
    child.send(write)
    const [said] = (await Promise.race([once(child, 'message'), failed])) as [Written]
    return said
  }
}

/** By the numbers that lines have in the history: none is left out. Waits for those that are under way. */
const storedOf = async (
  ids: readonly string[],
  effects: ReturnType<typeof effectsOn>,
  sent: number,
): Promise<number> => {
  const endOf = effects['history.end'] as (of: { appId: string }) => Promise<{ readonly line: number }>
  const deadline = performance.now() + settleMsMax
  for (;;) {
    let stored = 0
    await inTurn(ids, async (appId) => {
      const { line } = await endOf({ appId })
      stored += line
    })
    if (stored >= sent || performance.now() > deadline) return stored
  }
}
