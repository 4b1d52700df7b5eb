/**
 * `npm run chaos -- [list | all | <scenario> …] [--world sim|netns|compose] [--runs N] [--json]`: named
 * scenarios of trouble, held against what clients saw. Exit 1 when one failed.
 */
import { catalogue, specials } from './chaos/catalogue.ts'
import { readCommand, usage, UsageError, type Command } from './chaos/cli.ts'
import type { Scenario, WorldName } from './chaos/language.ts'
import { worldNames } from './chaos/language.ts'
import { runScenario } from './chaos/run.ts'
import type { Verdict } from './chaos/check.ts'
import { failedRow, rowOf, skipped, tableText, type Row } from './chaos/table.ts'
import { doors } from './chaos/worlds.ts'

const say = (line: string): void => console.error(line)

const command = (): Command => {
  try {
    return readCommand(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    say(`${error.message}\n${usage}`)
    return process.exit(2)
  }
}

/** Runs the same thing so many times. */
const repeated = async (
  name: string,
  world: WorldName,
  runs: number,
  once: (run: number) => Promise<Verdict>,
): Promise<Row> => {
  const verdicts: Verdict[] = []
  for (let run = 0; run < runs; run++) {
    say(`${name} in ${world}${runs > 1 ? `, run ${run + 1} of ${runs}` : ''}`)
    try {
      verdicts.push(await once(run))
    } catch (error) {
      return failedRow(name, world, runs, error instanceof Error ? (error.stack ?? error.message) : 'failed')
    }
    for (const { rule, text } of verdicts.at(-1)?.violations ?? []) say(`  ${rule}: ${text}`)
  }
  return rowOf(name, world, verdicts)
}

const runIn = async (scenario: Scenario, world: WorldName, c: Command): Promise<Row> => {
  const door = await doors[world]?.()
  const why = door === undefined ? 'not built' : door.whyNot()
  if (door === undefined || why !== undefined) return skipped(scenario.name, world, why ?? 'not built')
  const plant = c.plant === undefined ? {} : { plant: c.plant }
  const log = c.verbose ? (line: string) => say(`  ${line}`) : () => undefined
  return repeated(scenario.name, world, c.runs, async (run) => {
    const ran = await runScenario(scenario, door.boot, { seed: c.seed + run, ...plant, log })
    return ran.verdict
  })
}

const list = (): void => {
  for (const { name, worlds, what } of [...catalogue, ...specials]) {
    console.log(`${name.padEnd(24)} ${worlds.join(',').padEnd(18)} ${what}`)
  }
}

const main = async (c: Command): Promise<number> => {
  const all = c.scenarios.includes('all')
  const known = [...catalogue, ...specials].map(({ name }) => name)
  const unknown = c.scenarios.find((name) => name !== 'all' && !known.includes(name))
  if (unknown !== undefined) {
    say(`there is no scenario ${unknown}\n${usage}`)
    return 2
  }
  if (c.scenarios.length === 0) {
    list()
    return 0
  }
  const isMeant = (name: string, world: WorldName): boolean =>
    (all || c.scenarios.includes(name)) && (c.world === undefined || c.world === world)
  const rows: Row[] = []
  for (const world of worldNames) {
    for (const scenario of catalogue) {
      if (scenario.worlds.includes(world) && isMeant(scenario.name, world)) {
        rows.push(await runIn(scenario, world, c))
      }
    }
    for (const { name, worlds, run } of specials) {
      if (worlds.includes(world) && isMeant(name, world)) {
        rows.push(await repeated(name, world, c.runs, () => run(say)))
      }
    }
  }
  for (const row of rows) {
    if (row.verdict !== 'pass') for (const why of row.why) say(`${row.scenario} in ${row.world}: ${why}`)
  }
  if (c.json) console.log(JSON.stringify({ chaos: true, rows }))
  else console.log(tableText(rows))
  return rows.some((row) => row.verdict === 'fail' || row.verdict === 'error') ? 1 : 0
}

process.exitCode = await main(command())
