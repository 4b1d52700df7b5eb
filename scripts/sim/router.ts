/**
 * A simulated router shard: the real route table with the real choice of targets, and a proxy that is a few
 * rules. It lives apart from the host process, as the real one does, and goes on when that is gone.
 */
import { decode } from '../../src/runtime/codec.ts'
import { ref, type Node } from '../../src/runtime/index.ts'
import type { Decided, Upstream } from '../../src/proxy/contract.ts'
import type { Gate } from '../../src/sim/gate.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import { followMembership } from '../../src/membership/follow.ts'
import { nearHolderOf } from '../../actors/effects/perform/names.ts'
import { deliverThrough } from '../../actors/logplex/deliver.ts'
import { emptied, keepFlushing } from '../../actors/logplex/outbox.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import { routesTopic, standInsTopic } from '../../actors/protocols/shard.ts'
import type { Route, StandIn } from '../../actors/protocols/shapes.ts'
import { createAccessLog, type AccessLog } from '../../actors/router/access-log.ts'
import { createRouteTable, routeTableLimits } from '../../actors/router/route-table.ts'
import type { Cluster } from './cluster.ts'
import type { Process } from './engine.ts'

export type SimRouter = {
  /** Resolves with the process that answered; rejects with `RouterFailed`. */
  request(hostname: string): Promise<Process>
  /** Its lines in the apps' logs. */
  readonly log: AccessLog
  /** Resolves when what is in flight has ended. */
  drain(): Promise<void>
  end(): void
}
export class RouterFailed extends Error {
  override readonly name = 'RouterFailed'
  readonly code: string
  constructor(code: string) {
    super(`${code}: no answer`)
    this.code = code
  }
}

export const appDomain = 'test'
const askMs = 3_000
const connectMs = 5_000
const triesMax = 10
const firstByteMs = 30_000
const revalidateMs = 60_000
const flushEveryMs = 100
const lastLinesMsMax = 3_000
const revalidateMax = 1_000
/** A cache takes its room at once: of the real one's size it would be most of what a simulated host is. */
const appsMax = 1_000

/**
 * What connecting to an address comes to: `refused` at once, `silent` never answers, `lost` never connects.
 */
export type Reach = (from: string, target: Upstream) => Process | 'refused' | 'silent' | 'lost'

export const openRouter = (
  c: Cluster,
  host: string,
  gate: Gate,
  random: SeededRandom,
  reach: Reach,
): SimRouter => {
  const { world } = c
  const clock = world.clock.forHost(gate)
  const name = `${host}-router`
  const transport = world.network.attach(name, gate)
  const store = world.store.attach(host, gate)
  const pause = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve))

  const followed = followMembership({ clock, transport })
  const hostState = (other: string) => followed.view().members.find((member) => member.name === other)?.state
  const table = createRouteTable({
    appDomain,
    standpoint: { host, hostState, zoneOf: () => undefined },
    limits: { ...routeTableLimits, appsMax, warmMax: appsMax },
    now: () => clock.monotonicMs(),
    after: (ms, run) => clock.after(ms, run).cancel,
    used: (appId) => {
      if (world.alive().includes(host)) world.node(host).tell(ref(Formation, appId), { type: 'used' })
    },
    holderOf: (kind, label) => nearHolderOf(store, kind, label),
    routeOf: async (appId): Promise<Route | undefined> => {
      if (!world.alive().includes(host) || !transport.connected()) throw new RouterFailed('H99')
      try {
        return await world.node(host).ask(ref(Formation, appId), { type: 'route' }, { timeoutMs: askMs })
      } catch (error) {
        if ((error as { kind?: unknown }).kind === 'refused') return undefined
        throw error
      }
    },
  })
  followed.onChange(() => table.hostsChanged())
  transport.subscribe(routesTopic, (body) => table.update(decode(body) as Route))
  transport.subscribe(standInsTopic, (body) => table.standIn(decode(body) as StandIn))
  const revalidate = (): void => void table.revalidate(revalidateMax).catch(() => undefined)
  transport.onConnection((isConnected) => isConnected && revalidate())
  const again = (): void => {
    revalidate()
    clock.after(revalidateMs, again)
  }
  clock.after(revalidateMs, again)

  /** The dyno was connected to: its answer comes if it lives that long. */
  const exchange = async (process: Process): Promise<Process> => {
    await pause(1 + random.next() * 20)
    if (process.exited !== undefined) throw new RouterFailed('H13')
    return process
  }

  const serve = async (hostname: string): Promise<Process> => {
    const made = await table.resolve(hostname)
    const decision = made.kind === 'hold' ? await new Promise<Decided>((decided) => made.wait(decided)) : made
    if (decision.kind !== 'route') throw new RouterFailed(decision.code)
    const left = [...decision.targets]
    for (let tries = 0; tries < triesMax && left.length > 0; tries++) {
      const [target] = left.splice(Math.floor(random.next() * left.length), 1)
      const found = target === undefined ? 'refused' : reach(host, target)
      if (found === 'lost') await pause(connectMs)
      else if (found === 'silent') {
        await pause(firstByteMs)
        throw new RouterFailed('H12')
      } else if (found !== 'refused') return exchange(found)
    }
    throw new RouterFailed('H19')
  }
  /** What dies in the simulation answers nothing at all. */
  const patiently: Pick<Node, 'ask'> = {
    ask: (to, message, options) =>
      new Promise((resolve, reject) => {
        clock.after((options?.timeoutMs ?? askMs) + askMs, () => reject(new Error('no answer')))
        if (!world.alive().includes(host)) reject(new Error('no host'))
        else world.node(host).ask(to, message, options).then(resolve, reject)
      }),
  }
  const byHost = deliverThrough(() => patiently, clock)
  const log = createAccessLog(
    `${name}:${world.virtualMs()}`,
    () => clock.now(),
    // Nothing comes back to one that has ended.
    (appId, part) => new Promise((stored) => void byHost(appId, part).then(() => gate.pass(stored))),
  )
  keepFlushing(log, clock, flushEveryMs)
  let inFlight = 0
  const idle: (() => void)[] = []

  return {
    log,
    request: async (hostname) => {
      inFlight++
      try {
        return await serve(hostname)
      } finally {
        inFlight--
        if (inFlight === 0) for (const wake of idle.splice(0)) wake()
      }
    },
    drain: async () => {
      if (inFlight > 0) await new Promise<void>((resolve) => void idle.push(resolve))
      await emptied(log, clock, lastLinesMsMax)
    },
    end: () => {
      followed.close()
      transport.end()
      store.end()
      gate.end()
    },
  }
}
