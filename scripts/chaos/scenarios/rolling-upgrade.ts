/** Hosts are emptied, stopped and started one by one, as an operator upgrades them. */
import type { Scenario, Step } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

const upgrade = (host: string): readonly Step[] => [
  { do: 'drain', on: host },
  { until: 'emptied', withinMs: 120_000 },
  { do: 'upgrade', on: host },
  { do: 'undrain', on: host },
  { until: 'settled', withinMs: 120_000 },
]

export const rollingUpgrade: Scenario = {
  name: 'rolling-upgrade',
  what: 'Each host is drained, stopped and started again, one by one under load: no request fails.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: { ...readingLoad, clients: 6 },
  timeline: [warmUp, ...upgrade('h1'), ...upgrade('h2'), ...upgrade('h3')],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 0 },
}
