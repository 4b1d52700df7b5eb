/**
 * `npm run sim -- [--seeds N] [--seed S] [--scenario NAME] [--known] [--json]`: the deterministic simulation.
 * Exit 1 when an invariant broke; the failing seed is printed with the command that replays it exactly.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { knownBugs, replayOf } from './sim/known-bugs.ts'
import { runPool, type Job, type Outcome } from './sim/pool.ts'
import { scenarios } from './sim/scenarios.ts'

const names = scenarios.map((s) => s.name).join('|')
const usage = `usage: npm run sim -- [--seeds N] [--seed S] [--scenario ${names}] [--known] [--json]`

const number = (name: string, text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  console.error(`--${name} ${text} is not allowed: want a whole number\n${usage}`)
  return process.exit(2)
}

const options = {
  seeds: { type: 'string' },
  seed: { type: 'string' },
  scenario: { type: 'string' },
  known: { type: 'boolean' },
  json: { type: 'boolean' },
} as const
const read = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : 'bad arguments'}\n${usage}`)
    return process.exit(2)
  }
}
const values = read()
if (values.known === true) {
  for (const bug of knownBugs) {
    console.log(`${bug.name}\n  ${bug.what}\n  fixed in ${bug.fix}\n  ${replayOf(bug)}`)
  }
  process.exit(0)
}
const chosen = scenarios.filter((s) => values.scenario === undefined || s.name === values.scenario)
if (chosen.length === 0) {
  console.error(`--scenario ${values.scenario} is not known\n${usage}`)
  process.exit(2)
}
const one = values.seed === undefined ? undefined : number('seed', values.seed)
const count = one === undefined ? number('seeds', values.seeds ?? '100') : 1
const progressEveryMs = 10_000

const failed: Job[] = []
const began = performance.now()
let said = began
let done = 0
let events = 0
let virtualMs = 0

const report = ({ scenario, seed, violations }: Pick<Outcome, 'scenario' | 'seed' | 'violations'>): void => {
  for (const violation of violations) console.error(`${scenario} seed ${seed}: ${violation}`)
  if (violations.length === 0) return
  failed.push({ scenario, seed })
  console.error(`replay: npm run sim -- --scenario ${scenario} --seed ${seed}`)
}
const jobs = Array.from({ length: count }, (_, at) =>
  chosen.map(({ name }) => ({ scenario: name, seed: one ?? at + 1 })),
).flat()

if (one !== undefined) {
  // In this process, where it can be looked at, with everything that its hosts said.
  for (const scenario of chosen) {
    const verdict = await scenario.run(one)
    for (const line of verdict.log) console.error(line)
    report({ scenario: scenario.name, seed: one, violations: verdict.violations })
    console.error(`${scenario.name} seed ${one} hash ${verdict.hash}`)
    events += verdict.events
    virtualMs += verdict.virtualMs
  }
} else {
  await runPool(jobs, availableParallelism(), (outcome) => {
    done++
    events += outcome.events
    virtualMs += outcome.virtualMs
    report(outcome)
    if (performance.now() - said < progressEveryMs) return
    said = performance.now()
    console.error(`${done} of ${jobs.length} runs, ${failed.length} failed`)
  })
}
const wallMs = Math.round(performance.now() - began)
failed.sort((a, b) => a.seed - b.seed)
const summary = { sim: true, seeds: count, failed, events, virtualMs: Math.round(virtualMs), wallMs }
if (values.json === true) console.log(JSON.stringify(summary))
else
  console.log(
    `${count} seeds, ${failed.length} failed, ${events} events, ${summary.virtualMs} virtual ms in ${wallMs} ms`,
  )
process.exitCode = failed.length > 0 ? 1 : 0
