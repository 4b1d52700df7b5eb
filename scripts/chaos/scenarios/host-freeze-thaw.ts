/** A machine stops for longer than its lease and goes on as if nothing had been. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const hostFreezeThaw: Scenario = {
  name: 'host-freeze-thaw',
  what: 'A host is frozen past its lease and thaws: its dynos were replaced, the old ones are stopped.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'freeze', on: { the: 'busiest' } },
    { until: 'serving', withinMs: 45_000 },
    { wait: 5_000 },
    { do: 'thaw', on: { the: 'same' } },
  ],
  bounds: {
    servingMs: 45_000,
    settledMs: 90_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    linesInFlightMax: 500,
  },
}
