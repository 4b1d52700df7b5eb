/**
 * `npm run sim -- [--seeds N] [--seed S] [--scenario NAME] [--json]`: the deterministic simulation.
 * Exit 1 when an invariant broke; the failing seed is printed with the command that replays it exactly.
 */
import { parseArgs } from 'node:util'
import { bank } from './sim/bank.ts'
import { platform } from './sim/platform.ts'
import type { Scenario, Verdict } from './sim/scenario.ts'

const scenarios: readonly Scenario[] = [bank, platform]

const names = scenarios.map((s) => s.name).join('|')
const usage = `usage: npm run sim -- [--seeds N] [--seed S] [--scenario ${names}] [--json]`

const number = (name: string, text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  console.error(`--${name} ${text} is not allowed: want a whole number\n${usage}`)
  return process.exit(2)
}

const options = {
  seeds: { type: 'string' },
  seed: { type: 'string' },
  scenario: { type: 'string' },
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
const chosen = scenarios.filter((s) => values.scenario === undefined || s.name === values.scenario)
if (chosen.length === 0) {
  console.error(`--scenario ${values.scenario} is not known\n${usage}`)
  process.exit(2)
}
const one = values.seed === undefined ? undefined : number('seed', values.seed)
const count = one === undefined ? number('seeds', values.seeds ?? '100') : 1
const progressEveryMs = 2_000

const report = (scenario: Scenario, seed: number, verdict: Verdict): void => {
  if (one !== undefined) for (const line of verdict.log) console.error(line)
  for (const violation of verdict.violations) console.error(`${scenario.name} seed ${seed}: ${violation}`)
  if (verdict.violations.length > 0)
    console.error(`replay: npm run sim -- --scenario ${scenario.name} --seed ${seed}`)
}

const failed: { scenario: string; seed: number }[] = []
const began = performance.now()
let said = began
let events = 0
let virtualMs = 0
for (let i = 0; i < count; i++) {
  const seed = one ?? i + 1
  for (const scenario of chosen) {
    const verdict = await scenario.run(seed)
    events += verdict.events
    virtualMs += verdict.virtualMs
    if (verdict.violations.length > 0) failed.push({ scenario: scenario.name, seed })
    report(scenario, seed, verdict)
    if (one !== undefined) console.error(`${scenario.name} seed ${seed} hash ${verdict.hash}`)
  }
  if (performance.now() - said > progressEveryMs) {
    said = performance.now()
    console.error(`${i + 1} of ${count} seeds, ${failed.length} failed`)
  }
}
const wallMs = Math.round(performance.now() - began)
const summary = { sim: true, seeds: count, failed, events, virtualMs: Math.round(virtualMs), wallMs }
if (values.json === true) console.log(JSON.stringify(summary))
else
  console.log(
    `${count} seeds, ${failed.length} failed, ${events} events, ${summary.virtualMs} virtual ms in ${wallMs} ms`,
  )
process.exitCode = failed.length > 0 ? 1 : 0
