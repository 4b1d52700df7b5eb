/**
 * The simulation: a bounded number of seeds must hold every invariant, a seed must replay exactly, and bugs
 * that are planted must be found. `npm run sim -- --seeds 500` runs more.
 */
import t from 'tap'
import { bank } from '../../scripts/sim/bank.ts'
import { logs } from '../../scripts/sim/logs.ts'
import { pipelines } from '../../scripts/sim/pipelines.ts'
import { platform } from '../../scripts/sim/platform.ts'
import { acknowledgesBeforeItStores, answersBeforeItStores } from '../../scripts/chaos/plants.ts'

t.setTimeout(300_000)

for (const [scenario, seeds] of [
  [bank, 40],
  [platform, 25],
  [logs, 4],
  [pipelines, 8],
] as const) {
  const runs: Awaited<ReturnType<typeof scenario.run>>[] = []

  await t.test(`the ${scenario.name} keeps its invariants on ${seeds} seeds`, async (t) => {
    for (let seed = 1; seed <= seeds; seed++) {
      const run = await scenario.run(seed)
      runs.push(run)
      t.same(run.violations, [], `replay: npm run sim -- --scenario ${scenario.name} --seed ${seed}`)
    }
  })

  await t.test(`a seed of the ${scenario.name} replays to the same trace, another does not`, async (t) => {
    const [first, other] = runs
    const again = await scenario.run(1)
    t.equal(again.hash, first?.hash)
    t.equal(again.events, first?.events)
    t.not(other?.hash, again.hash)
  })
}

await t.test('a record that acknowledges before it stores is found out', async (t) => {
  const found: number[] = []
  for (let seed = 1; seed <= 60 && found.length === 0; seed++) {
    const { violations } = await bank.run(seed, { plant: { store: acknowledgesBeforeItStores } })
    if (violations.length > 0) found.push(seed)
  }
  t.equal(found.length, 1, 'within 60 seeds')
})

await t.test('lines that a channel says are stored before they are, are found out', async (t) => {
  let found: readonly string[] = []
  for (let seed = 1; seed <= 10 && found.length === 0; seed++)
    found = (await logs.run(seed, { plant: { tree: answersBeforeItStores } })).violations
  t.match(found[0], /lines are missing, \d+ are told/, 'within 10 seeds')
})
