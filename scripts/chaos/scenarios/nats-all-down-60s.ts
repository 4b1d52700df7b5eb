/** Every bus server is gone for a minute: apps do not notice, and nothing moves when they are back. */
import type { Scenario } from '../language.ts'
import { apps, readingLoad, threeHosts, warmUp } from './common.ts'

export const natsAllDown: Scenario = {
  name: 'nats-all-down-60s',
  what: 'All bus servers are dead for 60 s under load: no dyno dies, no request fails, nothing moves.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'bus-kill', on: { the: 'all' } },
    { wait: 60_000 },
    { do: 'bus-start', on: { the: 'all' } },
    { wait: 5_000 },
  ],
  // A singleton stops before its lease can be over elsewhere: that one start is owed.
  bounds: { servingMs: 60_000, settledMs: 120_000, detectionMs: 0, startsMax: 1 },
}
