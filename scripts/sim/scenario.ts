/** What a simulated scenario is: a seed in, a verdict out; everything between follows from the seed. */
import type { World } from '../../src/sim/world.ts'
import type { Plant } from './plant.ts'

export type Verdict = {
  /** Empty: every invariant held. */
  readonly violations: readonly string[]
  /** Equal for two runs exactly when they were the same run. */
  readonly hash: string
  readonly events: number
  readonly virtualMs: number
  /** The hosts' log lines, bounded. */
  readonly log: readonly string[]
}

export type ScenarioOptions = {
  /** A deliberate bug, to show that the checks see it. */
  readonly plant?: Plant
}
export type Scenario = {
  readonly name: string
  readonly run: (seed: number, options?: ScenarioOptions) => Promise<Verdict>
}

export const verdictOf = (world: World, violations: readonly string[]): Verdict => {
  const verdict = {
    violations,
    hash: world.hash(),
    events: world.events(),
    virtualMs: world.virtualMs(),
    log: world.log(),
  }
  world.end()
  return verdict
}
