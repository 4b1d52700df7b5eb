/** Everything loses power at once, and everything starts again. */
import type { Scenario } from '../language.ts'
import { apps, threeHosts, warmUp, writingLoad } from './common.ts'

const bounds = {
  servingMs: 120_000,
  settledMs: 120_000,
  detectionMs: 60_000,
  hurtsUntilRepaired: true,
  linesInFlightMax: 500,
}

export const coldStart: Scenario = {
  name: 'cold-start',
  what: 'All hosts lose power at once and start together: the same state comes back with no hand repair.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: writingLoad,
  timeline: [
    warmUp,
    { do: 'power-off', on: { the: 'all' } },
    { wait: 2_000 },
    { do: 'start', on: { the: 'all' } },
    { until: 'serving', withinMs: 120_000 },
  ],
  bounds,
}

export const coldStartOneMissing: Scenario = {
  name: 'cold-start-one-missing',
  what: 'All hosts lose power, and only two of three start: they serve everything; the third joins later.',
  worlds: ['sim', 'netns'],
  hosts: threeHosts,
  apps,
  load: writingLoad,
  timeline: [
    warmUp,
    { do: 'power-off', on: { the: 'all' } },
    { wait: 2_000 },
    { do: 'start', on: 'h3' },
    { wait: 3_000 },
    { do: 'start', on: 'h2' },
    { until: 'serving', withinMs: 120_000 },
    { do: 'start', on: 'h1' },
  ],
  bounds,
}
