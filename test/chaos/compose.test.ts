/**
 * A bounded part of the compose world: a host process that is killed, then a machine cut off from the others,
 * and the history checker's verdict. Only where an engine is up and has the image; `npm run chaos` runs the
 * named scenarios whole.
 */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import type { Scenario } from '../../scripts/chaos/language.ts'
import { runScenario } from '../../scripts/chaos/run.ts'
import { apps, readingLoad, threeHosts, warmUp } from '../../scripts/chaos/scenarios/common.ts'
import { door } from '../../scripts/chaos/worlds/compose/door.ts'
import { engineEnv, whyNoImage } from '../../scripts/chaos/worlds/compose/docker.ts'

t.setTimeout(240_000)

const scenario: Scenario = {
  name: 'compose-short',
  what: 'The leading process is killed; then the host with the leader of the record is cut off.',
  worlds: ['compose'],
  hosts: threeHosts,
  apps: apps.slice(1),
  load: { ...readingLoad, clients: 2 },
  timeline: [
    warmUp,
    { do: 'kill', on: { the: 'placement-leader' } },
    { until: 'serving', withinMs: 30_000 },
    { do: 'start', on: { the: 'same' } },
    { do: 'cut', on: { the: 'minority' }, way: 'both' },
    { until: 'serving', withinMs: 45_000 },
    { do: 'mend' },
  ],
  bounds: {
    servingMs: 45_000,
    settledMs: 60_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    linesInFlightMax: 1_000,
  },
}

/** Containers, networks and volumes of the world that are there. */
const left = (): readonly string[] =>
  [
    ['ps', '--all'],
    ['network', 'ls'],
    ['volume', 'ls'],
  ].flatMap((what) => {
    const filter = ['--quiet', '--filter', 'label=com.docker.compose.project=manifold-chaos']
    const { stdout } = spawnSync('docker', [...what, ...filter], { env: engineEnv(), encoding: 'utf8' })
    return stdout.split('\n').filter(Boolean)
  })

t.test(
  'containers: a killed host process is not missed, a host that is cut off is done without, nothing is left',
  { skip: door.whyNot() ?? whyNoImage() ?? false },
  async (t) => {
    const said: string[] = []
    const { verdict } = await runScenario(scenario, door.boot, { seed: 1, log: (line) => said.push(line) })
    if (verdict.violations.length > 0) t.comment(said.join('\n'))
    t.strictSame(verdict.violations, [], 'the checker finds every promise kept')
    t.ok(verdict.requests > 0, `${verdict.requests} requests`)
    t.strictSame(left(), [], 'no container, network or volume is left')
  },
)
