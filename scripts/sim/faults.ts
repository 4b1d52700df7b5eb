/**
 * The fault mix of one seed: each seed draws which kinds of trouble it has and how much of each (swarm
 * testing: Groce et al., ISSTA 2012), so that faults that hide each other are met apart as well as together.
 */
import type { SeededRandom } from '../../src/sim/random.ts'
import type { World } from '../../src/sim/world.ts'
import { calmNetwork } from '../../src/sim/network.ts'
import { calmStore } from '../../src/sim/store.ts'

export type FaultMix = {
  readonly crashes: boolean
  readonly cuts: boolean
  readonly views: boolean
  readonly storeAway: boolean
}

/** Sets the standing faults of network and store and says which others this seed has. */
export const drawFaults = (world: World, random: SeededRandom): FaultMix => {
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
  return {
    crashes: random.chance(0.6),
    cuts: random.chance(0.4),
    views: random.chance(0.4),
    storeAway: random.chance(0.2),
  }
}

/** One act of trouble, at this moment. */
export const strike = (world: World, hosts: readonly string[], mix: FaultMix, random: SeededRandom): void => {
  const victim = random.pick(hosts)
  if (mix.crashes && random.chance(0.5)) {
    if (world.alive().includes(victim)) world.crash(victim)
    else world.restart(victim)
  }
  if (mix.cuts && random.chance(0.3)) {
    const other = random.pick(hosts)
    world.network.cut(victim, other)
    if (random.chance(0.5)) world.network.cut(other, victim)
  }
  if (mix.cuts && random.chance(0.3)) world.network.heal()
  if (mix.views && random.chance(0.3)) {
    const seen = hosts.filter(() => random.chance(0.7))
    world.setView(seen.length === 0 ? hosts : seen)
  }
  if (mix.storeAway) world.store.away(random.chance(0.3))
}

/** Trouble is over: everything is up and well from now on. */
export const calm = (world: World, hosts: readonly string[]): void => {
  world.network.heal()
  world.network.faults(calmNetwork)
  world.store.faults(calmStore)
  world.store.away(false)
  for (const host of hosts) if (!world.alive().includes(host)) world.restart(host)
  world.setView(hosts)
}
