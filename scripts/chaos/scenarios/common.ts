/** What most scenarios share: three hosts in three zones, three apps, a light load. */
import type { AppSpec, HostSpec, Load } from '../language.ts'

export const threeHosts: readonly HostSpec[] = [{ zone: 'a' }, { zone: 'b' }, { zone: 'c' }]

/** Two apps that serve, one that ticks, and a process that must never run twice. */
export const apps: readonly AppSpec[] = [
  { name: 'alpha', types: { web: { does: 'web', quantity: 2 } } },
  {
    name: 'beta',
    types: {
      web: { does: 'web', quantity: 2 },
      ticker: { does: 'ticker', quantity: 1 },
      only: { does: 'worker', quantity: 1, singleton: true },
    },
  },
]

/** Requests and lines alone: nothing of it starts a dyno. */
export const readingLoad: Load = { clients: 4, pauseMs: 50, linesPerSecond: 20 }
/** Also config changes, each of which is a release that restarts its app. */
export const writingLoad: Load = { ...readingLoad, configEveryMs: 8_000 }
/** Also scales. */
export const busyLoad: Load = { ...writingLoad, scaleEveryMs: 5_000 }

/** Time for the load to be under way before the first fault. */
export const warmUp = { wait: 3_000 }
