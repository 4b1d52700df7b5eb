/** The host process dies alone: what it ran lives on, and is adopted by its next life. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const processKill: Scenario = {
  name: 'process-kill',
  what: 'The host process of the placement leader is killed: dynos and routers go on, nobody notices.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'kill', on: { the: 'placement-leader' } },
    { wait: 3_000 },
    { do: 'start', on: { the: 'same' } },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 0, linesInFlightMax: 500 },
}
