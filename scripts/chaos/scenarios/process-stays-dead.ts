/** The host process dies and nobody starts it again: what must not run twice has to end without it. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const processStaysDead: Scenario = {
  name: 'process-stays-dead',
  what: 'The process of a host dies for good: no singleton runs twice, and what it ran is taken over.',
  worlds: ['netns'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'kill', on: { the: 'busiest' } },
    { until: 'dead', withinMs: 30_000 },
    { wait: 8_000 },
  ],
  bounds: { servingMs: 40_000, settledMs: 60_000, detectionMs: 8_000, linesInFlightMax: 500 },
}
