/**
 * A bounded part of the netns world: three real hosts on machines of their own, one that loses power and one
 * whose process is killed, and the history checker's verdict. `npm run chaos` runs the named scenarios whole.
 */
import t from 'tap'
import { runScenario } from '../../scripts/chaos/run.ts'
import { apps, readingLoad, threeHosts, warmUp } from '../../scripts/chaos/scenarios/common.ts'
import type { Scenario } from '../../scripts/chaos/language.ts'
import { door } from '../../scripts/chaos/worlds/netns/door.ts'

t.setTimeout(300_000)

const scenario: Scenario = {
  name: 'netns-short',
  what: 'A host that leads nothing loses power and comes back; then the leading process is killed.',
  worlds: ['netns'],
  hosts: threeHosts,
  // One that serves, ticks and has a process that must never run twice: each more is one more push.
  apps: apps.slice(1),
  load: { ...readingLoad, clients: 2 },
  timeline: [
    warmUp,
    { do: 'power-off', on: { the: 'bystander' } },
    { until: 'serving', withinMs: 30_000 },
    { do: 'start', on: { the: 'same' } },
    { do: 'kill', on: { the: 'placement-leader' } },
    { until: 'serving', withinMs: 30_000 },
    { do: 'start', on: { the: 'same' } },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 8_000, linesInFlightMax: 500 },
}

t.test(
  'real hosts: what ran on a machine without power runs elsewhere, and a killed host process is not missed',
  { skip: door.whyNot() ?? false },
  async (t) => {
    const said: string[] = []
    const { verdict } = await runScenario(scenario, door.boot, { seed: 1, log: (line) => said.push(line) })
    if (verdict.violations.length > 0) t.comment(said.slice(-200).join('\n'))
    t.strictSame(verdict.violations, [], 'the checker finds every promise kept')
    t.ok(verdict.requests > 0, `${verdict.requests} requests`)
  },
)
