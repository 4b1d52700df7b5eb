/** Power is lost everywhere, and the stores lost their last seconds of writes with it. */
import type { Scenario } from '../language.ts'
import { apps, busyLoad, threeHosts, warmUp } from './common.ts'

export const kvRollback: Scenario = {
  name: 'kv-rollback',
  what: 'The record comes back without its last five seconds: what runs and what is on record agree again.',
  worlds: ['sim', 'netns'],
  hosts: threeHosts,
  apps,
  load: { ...busyLoad, configEveryMs: 1_500 },
  timeline: [warmUp, { wait: 6_000 }, { do: 'rollback', undoneMs: 5_000 }, { wait: 10_000 }],
  bounds: {
    servingMs: 120_000,
    settledMs: 180_000,
    detectionMs: 60_000,
    linesInFlightMax: 500,
  },
}
