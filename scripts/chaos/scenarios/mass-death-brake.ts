/** Most hosts vanish at once: whoever sees that suspects itself. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, warmUp } from './common.ts'

export const massDeathBrake: Scenario = {
  name: 'mass-death-brake',
  what: 'More than half of five hosts vanish in one moment: nothing is moved, now or later.',
  worlds: ['sim', 'netns'],
  hosts: [{ zone: 'a' }, { zone: 'b' }, { zone: 'c' }, { zone: 'a' }, { zone: 'b' }],
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'cut', on: { the: 'half-and-more' }, way: 'both' },
    { until: 'braked', withinMs: 10_000 },
    { wait: 20_000 },
    { do: 'mend' },
  ],
  bounds: {
    servingMs: 60_000,
    settledMs: 120_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    // The singleton of a host that was cut off stops there in time, and has to be started again.
    startsMax: 1,
    linesInFlightMax: 2_000,
  },
}
