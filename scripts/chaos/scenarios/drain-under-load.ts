/** The operator empties a host. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const drainUnderLoad: Scenario = {
  name: 'drain-under-load',
  what: 'A host is drained under load: its dynos start elsewhere before they stop; no request fails.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: { ...readingLoad, clients: 6 },
  timeline: [
    warmUp,
    { do: 'drain', on: { the: 'busiest' } },
    { until: 'emptied', withinMs: 120_000 },
    { wait: 3_000 },
    { do: 'undrain', on: { the: 'same' } },
    { wait: 3_000 },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 0 },
}
