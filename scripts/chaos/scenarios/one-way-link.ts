/** A host hears everybody and is heard by nobody. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const oneWayLink: Scenario = {
  name: 'one-way-link',
  what: 'What a host sends is lost, what is sent to it arrives: it must not think that it is well.',
  worlds: ['sim', 'netns'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'cut', on: { the: 'bystander' }, way: 'out' },
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
