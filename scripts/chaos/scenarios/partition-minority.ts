/** A minority with the leader of the record is cut off from the rest. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const partitionMinority: Scenario = {
  name: 'partition-minority',
  what: 'The host with the leader of the record is cut off: the majority goes on, singletons never double.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'cut', on: { the: 'minority' }, way: 'both' },
    { until: 'serving', withinMs: 45_000 },
    { wait: 10_000 },
    { do: 'mend' },
  ],
  bounds: {
    servingMs: 45_000,
    settledMs: 90_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    linesInFlightMax: 1_000,
  },
}
