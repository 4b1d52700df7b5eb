/**
 * The chaos scenarios in the simulation: each must hold, each planted bug must be found by the scenario that
 * is named for it, and every bug that the simulation ever found stays fixed. Virtual time: hours in seconds.
 */
import t from 'tap'
import { catalogue } from '../../scripts/chaos/catalogue.ts'
import { plants } from '../../scripts/chaos/plants.ts'
import { runScenario } from '../../scripts/chaos/run.ts'
import type { Violation } from '../../scripts/chaos/check.ts'
import { door } from '../../scripts/chaos/worlds/sim/door.ts'
import { knownBugs, replayOf } from '../../scripts/sim/known-bugs.ts'
import { platform } from '../../scripts/sim/platform.ts'

t.setTimeout(300_000)

/** The hour of the first is for `npm run chaos`: it takes longer than all others together. */
const others = new Set(['return-of-the-dead'])
const plantSeedsMax = 12

/** Runs without a plant are the same each time (the last test holds it), so each is made once. */
const held = new Map<string, Promise<readonly Violation[]>>()
const holds = (name: string, seed: number): Promise<readonly Violation[]> => {
  const key = `${name} ${seed}`
  const made = held.get(key) ?? run(name, seed)
  held.set(key, made)
  return made
}

const run = async (name: string, seed: number, plant?: string): Promise<readonly Violation[]> => {
  const scenario = catalogue.find((one) => one.name === name)
  if (scenario === undefined) throw new Error(`no scenario ${name}`)
  const planted = plant === undefined ? {} : { plant }
  const { verdict } = await runScenario(scenario, door.boot, { seed, ...planted, log: () => undefined })
  return verdict.violations
}

for (const { name, what } of catalogue.filter((one) => one.worlds.includes('sim') && !others.has(one.name))) {
  await t.test(`${name} holds in the simulation: ${what}`, async (t) => {
    t.same(await holds(name, 1), [], `replay: npm run chaos -- ${name} --world sim --seed 1 --verbose`)
  })
}

for (const { name, what, scenario, rules } of plants) {
  await t.test(`the planted bug ${name} is found by ${scenario}: ${what}`, async (t) => {
    let found: readonly Violation[] = []
    let seed = 0
    while (seed < plantSeedsMax && !found.some(({ rule }) => rules.includes(rule))) {
      found = await run(scenario, ++seed, name)
    }
    t.ok(
      found.some(({ rule }) => rules.includes(rule)),
      `within ${plantSeedsMax} seeds, by one of ${rules.join(', ')}`,
    )
    t.same(await holds(scenario, seed), [], `without the plant seed ${seed} holds`)
  })
}

for (const bug of knownBugs) {
  await t.test(`a bug that was found stays fixed: ${bug.name}`, async (t) => {
    const { shown } = bug
    const violations =
      'scenario' in shown
        ? await holds(shown.scenario, shown.seed)
        : (await platform.run(shown.seed)).violations
    t.same(violations, [], `replay: ${replayOf(bug)}`)
  })
}

await t.test('a scenario of one seed is the same run again, to the last request', async (t) => {
  const hostKill = catalogue.find((one) => one.name === 'host-kill')!
  const runs = []
  for (const seed of [3, 3, 4]) {
    runs.push((await runScenario(hostKill, door.boot, { seed, log: () => undefined })).history)
  }
  t.same(runs[1], runs[0])
  t.notSame(runs[2]?.ops, runs[0]?.ops)
})
