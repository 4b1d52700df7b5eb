/**
 * Simulated hosts in a process of their own: each a node of the runtime on the bus, whose host actor takes
 * launches, says at once that they are up, and announces itself as a real one does. No containers.
 *
 * Started by the bench with a channel; says on it how many runs it was told to launch.
 */
import { connect } from '../../../src/nats/connection.ts'
import { openTransport } from '../../../src/nats/transport.ts'
import {
  actor,
  child,
  createNode,
  is,
  protocol,
  ref,
  supervise,
  tell,
  type Ctx,
} from '../../../src/runtime/index.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { memoryBytesOf } from '../../../config/dyno-sizes.ts'
import { Fleet } from '../../../actors/effects/fleet.ts'
import { performFleet } from '../../../actors/effects/perform/fleet.ts'
import { nothingSaid, sayFleet, type Said } from '../../../actors/host/fleet.ts'
import { freshReport, type Held } from '../../../actors/host/runs.ts'
import { Formation } from '../../../actors/protocols/formation.ts'
import { Host } from '../../../actors/protocols/host.ts'
import { cluster, hostNames, memoryBytes, viewOf, type Order, type Said as Word } from './shared.ts'

/** As the real one does. */
const startedMs = 1_000
const endedMs = 50
/** What a host is told in this bench, under the name of the real one. */
const SimHost = protocol('host', 1, {
  launch: Host.spec.launch,
  halt: Host.spec.halt,
  survey: Host.spec.survey,
  announce: Host.spec.announce,
  announceRuns: tell({ full: is.bool }),
})

type State = { readonly runs: Map<string, Held>; said: Said; isDue: boolean }
type Self = Ctx<typeof SimHost>

let launched = 0
let awaited: number | undefined
/** The bench may end in between, and nobody counts any more. */
const say = (word: Word): void => void process.send?.(word, undefined, {}, () => undefined)

const simHost = actor(SimHost, {
  mailbox: { capacity: 100_000, overflow: 'reject' },
  init(_: null, ctx): State {
    ctx.after('first', 1_000 * ctx.random(), { type: 'announceRuns', full: true })
    return { runs: new Map(), said: nothingSaid(), isDue: false }
  },
  receive: {
    launch(s, { run }, ctx) {
      if (s.runs.has(run.id)) return s
      const at = { address: '10.0.0.1', port: 3_000, outer: { address: '192.168.0.1', port: 3_000 } }
      const report = { ...freshReport(run), phase: 'up' as const, ...at, startedAt: ctx.now }
      s.runs.set(run.id, { report, memoryBytes: memoryBytesOf(run.size), singleton: false, at: ctx.now })
      ctx.tell(ref(Formation, run.appId), { type: 'dynoChanged', host: ctx.host, report })
      launched += 1
      if (launched === awaited) say({ what: 'reached', launched, at: Date.now() })
      return due(s, startedMs, ctx)
    },
    halt(s, { runId, appId }, ctx) {
      const held = s.runs.get(runId)
      if (held === undefined) return s
      s.runs.delete(runId)
      const report = { ...held.report, phase: 'exited' as const, code: 143 }
      ctx.tell(ref(Formation, appId), { type: 'dynoChanged', host: ctx.host, report })
      return due(s, endedMs, ctx)
    },
    survey: (s, _, ctx) => announce(s, true, ctx),
    announce: (s) => s,
    announceRuns: (s, { full }, ctx) => announce(s, full, ctx),
  },
})

/**
 * What all hosts do soon is done in one go, with one write to the bus: a thousand loops on two cores are not
 * what is measured.
 */
const oneLoop = (clock: Clock): Clock => {
  let waiting: (() => void)[] = []
  const all = (): void => {
    const runs = waiting
    waiting = []
    for (const run of runs) run()
  }
  return {
    ...clock,
    soon: (run) => {
      if (waiting.push(run) === 1) clock.soon(all)
    },
  }
}

const due = (s: State, ms: number, ctx: Self): State => {
  if (!s.isDue) ctx.after('announce', ms, { type: 'announceRuns', full: false })
  s.isDue = true
  return s
}

const announce = (s: State, full: boolean, ctx: Self): State => {
  const about = { host: ctx.host, since: 1, memoryBytes, runs: s.runs }
  const { said, announcement } = sayFleet(s.said, about, full)
  ctx.run(Fleet.announce(announcement))
  s.said = said
  s.isDue = false
  return s
}

const start = async ({ urls, user, password, hosts }: Extract<Order, { what: 'start' }>): Promise<void> => {
  const connection = await connect({ urls, user, password, host: 'hosts' })
  const transport = openTransport(connection, { cluster })
  const none = () => Promise.reject(new Error('a simulated host has no record'))
  const store = {
    get: none,
    peek: none,
    create: none,
    update: none,
    remove: none,
    list: () => Promise.resolve([]),
  }
  const view = viewOf(1, hostNames(hosts))
  const directory = { view: () => ({ number: 1, hosts: view.members }), onChange: () => undefined }
  const effects = performFleet(transport, () => 0)
  const clock = oneLoop(systemClock)
  for (const host of hostNames(hosts)) {
    const node = createNode(
      { clock, random: systemRandom, transport, store, effects, log: () => {}, directory },
      {
        host,
        cluster,
        simulateRemote: false,
        tree: supervise('dynos', { strategy: 'one_for_one', intensity: 0, periodMs: 1_000 }, [
          child('host', simHost, null),
        ]),
      },
    )
    await node.start()
  }
  await connection.client.flush()
  setInterval(() => say({ what: 'launched', launched, at: Date.now() }), 100)
  say({ what: 'ready' })
}

process.on('message', (order: Order) => {
  if (order.what === 'start')
    start(order).catch((error: unknown) => say({ what: 'failed', reason: String(error) }))
  else {
    awaited = order.launched
    if (launched >= awaited) say({ what: 'reached', launched, at: Date.now() })
  }
})
// The bench is gone: nobody counts any more.
process.on('disconnect', () => process.exit(0))
