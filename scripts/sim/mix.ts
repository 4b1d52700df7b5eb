/**
 * The fault mix of one seed of the platform: each seed draws which kinds of trouble it has and how much of
 * each (swarm testing: Groce et al., ISSTA 2012), so that faults that hide each other are met apart as well
 * as together.
 */
import { ref } from '../../src/runtime/index.ts'
import { calmNetwork } from '../../src/sim/network.ts'
import { calmStore } from '../../src/sim/store.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import type { Struck } from '../chaos/history.ts'
import type { Fault } from '../chaos/language.ts'
import { faultsOf } from '../chaos/worlds/sim/faults.ts'
import type { Site } from '../chaos/worlds/sim/site.ts'
import { endpointsOf } from './bus.ts'
import { calmEngine, liveOf } from './engine.ts'
import { calmOutside } from './outside.ts'

export type Trouble = {
  /** One act of trouble, or a repair, at this moment. */
  strike(): void
  /** Everything is up and well from now on. */
  calm(): Promise<void>
  /** What struck, for the checker. */
  readonly struck: readonly Struck[]
  /** Mailboxes are filled on purpose. */
  readonly floods: boolean
  /** This seed loses the newest writes of the record once: whoever calls has let everything settle before. */
  readonly rollsBack: boolean
  rollback(undoneMs: number): Promise<void>
}

type Kind = (host: string) => Fault | readonly Fault[]
const kinds: Readonly<Record<string, readonly Kind[]>> = {
  kills: [(on) => ({ do: 'kill', on }), (on) => ({ do: 'start', on })],
  power: [(on) => ({ do: 'power-off', on }), (on) => ({ do: 'start', on })],
  freezes: [(on) => ({ do: 'freeze', on }), (on) => ({ do: 'thaw', on })],
  cuts: [(on) => ({ do: 'cut', on, way: 'both' }), () => ({ do: 'mend' })],
  oneWayCuts: [
    (on) => ({ do: 'cut', on, way: 'out' }),
    (on) => ({ do: 'cut', on, way: 'in' }),
    () => ({ do: 'mend' }),
  ],
  servers: [
    () => ({ do: 'bus-kill', on: { the: 'store-leader' } }),
    () => ({ do: 'bus-kill', on: { the: 'bystander' } }),
    () => ({ do: 'bus-start', on: { the: 'all' } }),
  ],
  allServers: [
    () => ({ do: 'bus-kill', on: { the: 'all' } }),
    () => ({ do: 'bus-start', on: { the: 'all' } }),
  ],
  massDeath: [
    () => ({ do: 'power-off', on: { the: 'half-and-more' } }),
    () => ({ do: 'start', on: { the: 'all' } }),
    () => ({ do: 'start', on: { the: 'all' } }),
  ],
  routers: [(on) => ({ do: 'router-kill', on })],
  drains: [(on) => ({ do: 'drain', on }), (on) => ({ do: 'undrain', on })],
  slowLinks: [(on) => ({ do: 'slow-link', on, delayMs: 300, loss: 0.1 }), () => ({ do: 'mend' })],
  clocks: [
    (on) => ({ do: 'clock-jump', on, byMs: 60_000 }),
    (on) => ({ do: 'clock-jump', on, byMs: -60_000 }),
  ],
}
/** Each other kind is in a seed with this chance. */
const kindChance = 0.25
const strikeChance = 0.5
const disconnectMsMax = 3_000
const flood = 2_000

export const drawTrouble = (site: Site, appIds: readonly string[], random: SeededRandom): Trouble => {
  const { cluster, names } = site
  const { world } = cluster
  const sleep = (ms: number) => new Promise<void>((resolve) => void world.clock.after(ms, resolve))
  const faults = faultsOf(site, sleep)
  const struck: Struck[] = []
  const some = (most: number): number => (random.chance(0.5) ? random.next() * most : 0)
  world.network.faults({ loss: some(0.1), duplicate: some(0.1), delayMsMin: 0.1, delayMsMax: 1 + some(200) })
  world.store.faults({
    latencyMsMin: 0.2,
    latencyMsMax: 1 + some(100),
    unavailable: some(0.1),
    unknown: some(0.1),
    stale: some(0.1),
    conflict: some(0.1),
  })
  cluster.engineFaults = { fail: some(0.1), latencyMsMax: 20 + some(500) }
  cluster.outsideFaults = { fail: some(0.1), lost: some(0.3), latencyMsMax: 5 + some(200) }
  const drawn = Object.values(kinds).filter(() => random.chance(kindChance))
  const [deaths, disconnects, floods] = [random.chance(0.4), random.chance(0.3), random.chance(0.15)]
  const rollsBack = random.chance(0.15)

  const inflict = async (fault: Fault): Promise<void> => {
    const at = world.virtualMs()
    struck.push({ at, fault, hosts: await faults.strike(fault) })
  }
  const disconnect = (host: string): void => {
    for (const endpoint of endpointsOf(host)) world.network.disconnect(endpoint)
    world.clock.after(random.next() * disconnectMsMax, () => {
      if (cluster.bus.serverOf(host) === undefined) return
      for (const endpoint of endpointsOf(host)) world.network.reconnect(endpoint)
    })
  }
  const fill = (): void => {
    const formation = ref(Formation, random.pick(appIds))
    for (let i = 0; i < flood; i++) cluster.ask(formation, { type: 'types' }).catch(() => undefined)
  }

  return {
    struck,
    rollsBack,
    floods,
    strike: () => {
      for (const kind of drawn) {
        if (!random.chance(strikeChance)) continue
        const made = random.pick(kind)(random.pick(names))
        for (const fault of Array.isArray(made) ? (made as Fault[]) : [made as Fault]) void inflict(fault)
      }
      if (deaths && random.chance(strikeChance)) {
        const machine = cluster.machines.get(random.pick(names))!
        const victims = liveOf(machine)
        if (victims.length > 0) machine.end(random.pick(victims).run.id, 1)
      }
      if (disconnects && random.chance(strikeChance)) disconnect(random.pick(names))
      if (floods && random.chance(strikeChance)) fill()
    },
    calm: async () => {
      world.network.faults(calmNetwork)
      world.store.faults(calmStore)
      cluster.engineFaults = calmEngine
      cluster.outsideFaults = calmOutside
      struck.push({ at: world.virtualMs(), fault: { do: 'thaw', on: { the: 'all' } }, hosts: names })
      await faults.heal()
      for (const name of names) cluster.drain(name, false)
    },
    rollback: (undoneMs) => inflict({ do: 'rollback', undoneMs }),
  }
}
