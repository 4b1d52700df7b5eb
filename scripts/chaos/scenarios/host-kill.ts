/** A machine is gone at once, with all that ran on it. */
import type { Scenario } from '../language.ts'
import { apps, threeHosts, warmUp, writingLoad } from './common.ts'

export const hostKill: Scenario = {
  name: 'host-kill',
  what: 'A host that leads nothing loses power: its dynos run elsewhere soon; it comes back empty.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: writingLoad,
  timeline: [
    warmUp,
    { do: 'power-off', on: { the: 'bystander' } },
    { until: 'serving', withinMs: 30_000 },
    { wait: 5_000 },
    { do: 'start', on: { the: 'same' } },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 8_000, linesInFlightMax: 500 },
}
