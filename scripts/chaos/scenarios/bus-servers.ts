/** Deaths of bus servers besides the leader's. */
import type { Scenario } from '../language.ts'
import { apps, busyLoad, readingLoad, threeHosts, warmUp } from './common.ts'

export const natsFollowerKill: Scenario = {
  name: 'nats-follower-kill',
  what: 'A bus server that leads nothing is killed: no request fails, no acknowledged write is lost.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: busyLoad,
  timeline: [
    warmUp,
    { do: 'bus-kill', on: { the: 'bystander' } },
    { wait: 10_000 },
    { do: 'bus-start', on: { the: 'same' } },
    { wait: 5_000 },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 0 },
}

export const natsTwoOfThree: Scenario = {
  name: 'nats-two-of-three',
  what: 'Two of three bus servers are killed for 20 s: writes wait, apps serve, nothing is migrated.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    { do: 'bus-kill', on: { the: 'half-and-more' } },
    { wait: 20_000 },
    { do: 'bus-start', on: { the: 'same' } },
    { wait: 5_000 },
  ],
  bounds: { servingMs: 60_000, settledMs: 120_000, detectionMs: 0, startsMax: 1 },
}
