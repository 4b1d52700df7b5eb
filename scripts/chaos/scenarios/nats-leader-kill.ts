/** The bus server that leads the record dies: writes stall for seconds, nothing else does. */
import type { Scenario } from '../language.ts'
import { apps, busyLoad, threeHosts, warmUp } from './common.ts'

export const natsLeaderKill: Scenario = {
  name: 'nats-leader-kill',
  what: 'The bus server that leads the record is killed: no request fails, no acknowledged write is lost.',
  worlds: ['sim', 'netns', 'compose'],
  hosts: threeHosts,
  apps,
  load: busyLoad,
  timeline: [
    warmUp,
    { do: 'bus-kill', on: { the: 'store-leader' } },
    { wait: 15_000 },
    { do: 'bus-start', on: { the: 'same' } },
    { wait: 5_000 },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 0 },
}
