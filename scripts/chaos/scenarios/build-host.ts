/** A machine is lost, or stands still for too long, while it compiles for two apps. */
import type { AppSpec, Scenario, Step } from '../language.ts'
import { readingLoad, threeHosts, warmUp } from './common.ts'

const apps: readonly AppSpec[] = [
  { name: 'gamma', types: { web: { does: 'web', quantity: 2 } } },
  { name: 'delta', types: { web: { does: 'web', quantity: 2 } } },
]

/** One comes by the API, one by git. */
const both = (via: string, seconds: number): readonly Step[] => [
  { build: 'gamma', by: 'api', via, seconds },
  { build: 'delta', by: 'push', via, seconds },
]

export const buildHostKill: Scenario = {
  name: 'build-host-kill',
  what: 'A host loses power while it compiles: its builds have failed, and say so; the next are taken.',
  worlds: ['netns'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    ...both('h3', 300),
    { do: 'power-off', on: 'h3' },
    { until: 'serving', withinMs: 30_000 },
    { until: 'built', withinMs: 150_000 },
    { build: 'gamma', by: 'api', via: 'h1', seconds: 1 },
    { build: 'delta', by: 'push', via: 'h2', seconds: 1 },
    { until: 'built', withinMs: 60_000 },
    { do: 'start', on: 'h3' },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 8_000, linesInFlightMax: 500 },
}

export const buildProcessKill: Scenario = {
  name: 'build-process-kill',
  what: 'The host process is killed as it compiles, and starts again: its builds have failed.',
  worlds: ['netns'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    ...both('h3', 300),
    { do: 'kill', on: 'h3' },
    { wait: 1_000 },
    { do: 'start', on: 'h3' },
    { until: 'built', withinMs: 60_000 },
    ...both('h3', 1),
    { until: 'built', withinMs: 60_000 },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 8_000, linesInFlightMax: 500 },
}

export const setupHostKill: Scenario = {
  name: 'setup-host-kill',
  what: 'A host loses power while it sets an app up: that has failed, and says so; the next one is made.',
  worlds: ['netns'],
  hosts: threeHosts,
  apps: apps.slice(0, 1),
  load: readingLoad,
  timeline: [
    warmUp,
    { build: 'epsilon', by: 'setup', via: 'h1', seconds: 300 },
    { do: 'power-off', on: { the: 'builder' } },
    { until: 'serving', withinMs: 30_000 },
    { until: 'built', withinMs: 60_000 },
    { do: 'start', on: { the: 'same' } },
    { until: 'settled', withinMs: 90_000 },
    { build: 'zeta', by: 'setup', via: 'h2', seconds: 1 },
    { until: 'built', withinMs: 60_000 },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 8_000, linesInFlightMax: 500 },
}

export const buildHostFreeze: Scenario = {
  name: 'build-host-freeze',
  what: 'A host freezes past its lease as it compiles, and thaws: what was told as failed stays so.',
  worlds: ['netns'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [
    warmUp,
    ...both('h3', 15),
    { do: 'freeze', on: 'h3' },
    { until: 'serving', withinMs: 45_000 },
    { until: 'dead', withinMs: 45_000 },
    // One is asked about meanwhile, the other when it is back.
    { wait: 5_000 },
    { do: 'thaw', on: 'h3' },
    { until: 'built', withinMs: 60_000 },
    { wait: 20_000 },
    { build: 'gamma', by: 'api', via: 'h3', seconds: 1 },
    { build: 'delta', by: 'push', via: 'h1', seconds: 1 },
    { until: 'built', withinMs: 60_000 },
  ],
  bounds: {
    servingMs: 45_000,
    settledMs: 90_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    linesInFlightMax: 500,
  },
}
