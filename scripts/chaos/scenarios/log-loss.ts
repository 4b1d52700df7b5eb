/** Everything that a log line passes fails in turn, while producers count what they say. */
import type { AppSpec, Scenario, Step } from '../language.ts'
import { threeHosts, warmUp } from './common.ts'

const apps: readonly AppSpec[] = [
  {
    name: 'alpha',
    types: { web: { does: 'web', quantity: 1 }, ticker: { does: 'ticker', quantity: 3 } },
  },
]

const receiver: readonly Step[] = [
  { do: 'receiver-kill' },
  { wait: 5_000 },
  { do: 'receiver-mend' },
  { do: 'receiver-freeze' },
  { wait: 5_000 },
  { do: 'receiver-mend' },
  { do: 'receiver-cut' },
  { wait: 5_000 },
  { do: 'receiver-mend' },
]

/** What waits for the history is there by then: a process that is killed has no more than its last moment. */
const calm = { wait: 15_000 }

export const logLoss: Scenario = {
  name: 'log-loss',
  what: 'Hosts, routers, bus servers, links, a receiver are killed and frozen: each line is there or told.',
  worlds: ['netns'],
  hosts: threeHosts,
  apps,
  load: { clients: 2, pauseMs: 50, linesPerSecond: 50, drained: true },
  timeline: [
    warmUp,
    { do: 'kill', on: { the: 'placement-leader' } },
    { wait: 3_000 },
    { do: 'start', on: { the: 'same' } },
    ...receiver,
    { until: 'serving', withinMs: 30_000 },
    calm,
    { do: 'router-kill', on: { the: 'bystander' } },
    { wait: 2_000 },
    { do: 'router-freeze', on: { the: 'bystander' } },
    { wait: 4_000 },
    { do: 'router-thaw', on: { the: 'same' } },
    { do: 'bus-kill', on: { the: 'store-leader' } },
    { wait: 6_000 },
    { do: 'bus-start', on: { the: 'same' } },
    { do: 'bus-freeze', on: { the: 'store-leader' } },
    { wait: 6_000 },
    { do: 'bus-thaw', on: { the: 'same' } },
    { do: 'bus-kill', on: { the: 'all' } },
    { wait: 10_000 },
    { do: 'bus-start', on: { the: 'all' } },
    { wait: 5_000 },
    { do: 'cut', on: { the: 'bystander' }, way: 'both' },
    { wait: 5_000 },
    { do: 'mend' },
    { do: 'freeze', on: { the: 'bystander' } },
    { wait: 2_000 },
    { do: 'thaw', on: { the: 'same' } },
    { until: 'serving', withinMs: 45_000 },
    calm,
    { do: 'power-off', on: { the: 'bystander' } },
    { until: 'serving', withinMs: 45_000 },
    { do: 'start', on: { the: 'same' } },
    { wait: 5_000 },
  ],
  bounds: {
    servingMs: 45_000,
    settledMs: 120_000,
    detectionMs: 8_000,
    hurtsUntilRepaired: true,
    // Of each ticker of the machine without power: what it says in 2 s.
    linesInFlightMax: 100,
    // A drain's frame that was under way when another host took the drain over.
    linesTwiceMax: 500,
  },
}
