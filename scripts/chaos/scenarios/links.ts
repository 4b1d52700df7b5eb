/** Links and disks that are bad without being gone. */
import type { Scenario } from '../language.ts'
import { apps, busyLoad, threeHosts, warmUp, writingLoad } from './common.ts'

export const slowLink: Scenario = {
  name: 'slow-link',
  what: "A host's links are late and lossy for 20 s: nothing is lost, and it all settles.",
  worlds: ['sim', 'netns'],
  hosts: threeHosts,
  apps,
  load: busyLoad,
  timeline: [
    warmUp,
    { do: 'slow-link', on: { the: 'bystander' }, delayMs: 200, loss: 0.2 },
    { wait: 20_000 },
    { do: 'mend' },
  ],
  bounds: { servingMs: 45_000, settledMs: 120_000, detectionMs: 8_000, hurtsUntilRepaired: true },
}

export const lossyChurn: Scenario = {
  name: 'lossy-churn',
  what: 'Releases and scales follow each other over links that are late and lossy: old words lose.',
  worlds: ['sim'],
  hosts: threeHosts,
  apps,
  load: { clients: 8, pauseMs: 20, configEveryMs: 1_500, scaleEveryMs: 1_100 },
  timeline: [
    warmUp,
    { do: 'slow-link', on: { the: 'all' }, delayMs: 1_000, loss: 0.2 },
    { wait: 30_000 },
    { do: 'mend' },
  ],
  // What a shard missed it hears again within 30 s.
  bounds: { servingMs: 60_000, settledMs: 180_000, detectionMs: 35_000, hurtsUntilRepaired: true },
}

export const echoes: Scenario = {
  name: 'echoes',
  what: 'A host that was restarted hears again what its last life was told: an older decision never wins.',
  worlds: ['sim'],
  hosts: [{ roles: ['control', 'router', 'logplex'] }, { roles: ['dyno', 'router'] }],
  apps,
  load: { clients: 2, pauseMs: 100, configEveryMs: 2_000 },
  timeline: [
    warmUp,
    { do: 'replay', on: 'h2', afterMs: 8_000 },
    { wait: 10_000 },
    { do: 'kill', on: 'h2' },
    { do: 'start', on: 'h2' },
    { wait: 15_000 },
    { do: 'mend' },
  ],
  bounds: { servingMs: 60_000, settledMs: 180_000, detectionMs: 35_000, hurtsUntilRepaired: true },
}

export const diskFull: Scenario = {
  name: 'disk-full',
  what: "A host's disk is full for 15 s: nothing acknowledged is lost, apps go on, all settles after.",
  worlds: ['netns'],
  hosts: threeHosts,
  apps,
  load: busyLoad,
  timeline: [
    warmUp,
    { do: 'disk-full', on: { the: 'bystander' } },
    { wait: 15_000 },
    { do: 'disk-free', on: { the: 'same' } },
  ],
  bounds: {
    servingMs: 45_000,
    settledMs: 120_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    linesInFlightMax: 1_000,
  },
}

export const diskSlow: Scenario = {
  name: 'disk-slow',
  what: "The disk of the record's leader stalls, 0.7 s of every second: writes are late, none is lost.",
  worlds: ['netns'],
  hosts: threeHosts,
  apps,
  load: busyLoad,
  timeline: [
    warmUp,
    { do: 'disk-slow', on: { the: 'store-leader' }, stallMs: 700 },
    { wait: 20_000 },
    { do: 'disk-fast', on: { the: 'same' } },
  ],
  bounds: { servingMs: 45_000, settledMs: 120_000, detectionMs: 8_000, hurtsUntilRepaired: true },
}

export const clockJump: Scenario = {
  name: 'clock-jump',
  what: "A host's wall clock jumps an hour ahead, and back: leases do not go by it, nothing moves.",
  worlds: ['sim'],
  hosts: threeHosts,
  apps,
  load: writingLoad,
  timeline: [
    warmUp,
    { do: 'clock-jump', on: { the: 'placement-leader' }, byMs: 3_600_000 },
    { wait: 20_000 },
    { do: 'clock-jump', on: { the: 'same' }, byMs: -3_600_000 },
    { wait: 20_000 },
  ],
  bounds: { servingMs: 30_000, settledMs: 60_000, detectionMs: 0 },
}
