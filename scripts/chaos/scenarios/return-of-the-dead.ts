/** A host was away for an hour, and comes back with the dynos of then. */
import type { Scenario } from '../language.ts'
import { apps, threeHosts, warmUp, writingLoad } from './common.ts'

export const returnOfTheDead: Scenario = {
  name: 'return-of-the-dead',
  what: 'A host thaws after an hour (20 s in real time) with old dynos and old news: all of it is refused.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: { ...writingLoad, pauseMs: 200, configEveryMs: 15_000 },
  timeline: [
    warmUp,
    { do: 'freeze', on: { the: 'busiest' } },
    { until: 'serving', withinMs: 45_000 },
    { wait: 20_000, simulated: 3_600_000 },
    { do: 'thaw', on: { the: 'same' } },
    { wait: 5_000 },
  ],
  bounds: {
    servingMs: 45_000,
    settledMs: 120_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    linesInFlightMax: 500,
  },
}
