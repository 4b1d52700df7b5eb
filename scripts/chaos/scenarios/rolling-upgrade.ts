/** Hosts are stopped and started one by one, as an operator upgrades them. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const rollingUpgrade: Scenario = {
  name: 'rolling-upgrade',
  what: 'Each host is stopped with SIGTERM and started again, one by one under load: no request fails.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: { ...readingLoad, clients: 6 },
  timeline: [
    warmUp,
    { do: 'upgrade', on: 'h1' },
    { until: 'settled', withinMs: 120_000 },
    { do: 'upgrade', on: 'h2' },
    { until: 'settled', withinMs: 120_000 },
    { do: 'upgrade', on: 'h3' },
    { until: 'settled', withinMs: 120_000 },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 0 },
}
