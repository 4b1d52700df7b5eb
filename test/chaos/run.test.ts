/** The runner, held against a world that fails: a run that ends early ends whole. */
import t from 'tap'
import type { Scenario } from '../../scripts/chaos/language.ts'
import { runScenario } from '../../scripts/chaos/run.ts'
import { apps, readingLoad, threeHosts } from '../../scripts/chaos/scenarios/common.ts'
import { OpFailed, type World } from '../../scripts/chaos/world.ts'

const scenario: Scenario = {
  name: 'failing',
  what: 'A fault that can not be done.',
  worlds: ['sim'],
  hosts: threeHosts,
  apps,
  load: readingLoad,
  timeline: [{ do: 'kill', on: 'h1' }],
  bounds: { servingMs: 1, settledMs: 1, detectionMs: 1, linesInFlightMax: 1 },
}

t.test('when a fault can not be done, the load asks no more once the world is closed', async (t) => {
  let asked = 0
  let isClosed = false
  let askedClosed = 0
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
  const away = (): Promise<never> => {
    asked++
    if (isClosed) askedClosed++
    return Promise.reject(new OpFailed('failed', 'away', 'nobody is there'))
  }
  const world: World = {
    name: 'sim',
    now: () => 0,
    sleep: turn,
    clients: { request: away, setConfig: away, scale: away, info: away },
    fault: () => Promise.reject(new Error('it can not be done')),
    heal: turn,
    processes: () => Promise.resolve([]),
    routers: () => Promise.resolve([]),
    holds: () => Promise.resolve(false),
    observed: () => Promise.resolve({ lives: [], log: [], said: [] }),
    close: () => {
      isClosed = true
      return Promise.resolve()
    },
  }
  const ran = runScenario(scenario, () => Promise.resolve(world), { seed: 1, log: () => undefined })
  await t.rejects(ran, { message: 'it can not be done' })
  for (let turns = 0; turns < 20; turns++) await turn()
  t.ok(asked > 0, 'it had begun to ask')
  t.equal(askedClosed, 0)
})

t.test('a dyno that is being moved when all is over is looked at again once it has', async (t) => {
  let now = 0
  /** Looks until the move is over, which begins once all has settled. */
  let left = Infinity
  const isMoving = (): boolean => left !== Infinity && left > 0
  const run = (): string => (left > 0 ? 'r1' : 'r2')
  const app = { name: 'alpha', types: { web: { does: 'web', quantity: 1 } } } as const
  const one = { app: 'alpha', dyno: 'web.1', host: 'h1' }
  const life = (run: string, toAt: number | null) => ({ ...one, run, singleton: false, fromAt: 0, toAt })
  const answered = { app: 'alpha', dyno: 'web.1', life: 'r1' }
  const world: World = {
    name: 'sim',
    now: () => now,
    sleep: (ms) => {
      now += ms
      return new Promise((resolve) => void setImmediate(resolve))
    },
    clients: {
      request: () => Promise.resolve({ answered, via: 'h1', status: 200 }),
      setConfig: () => Promise.resolve({ version: 1 }),
      scale: () => Promise.resolve(),
      info: () =>
        Promise.resolve({
          app: 'alpha',
          quantities: { web: 1 },
          config: {},
          releases: [{ version: 1, id: 'v1' }],
          dynos: [{ name: 'web.1', state: 'up', host: 'h1', releaseVersion: 1, run: run() }],
        }),
    },
    fault: () => Promise.resolve([]),
    heal: () => Promise.resolve(),
    processes: () => {
      if (isMoving()) left--
      const runs = isMoving() ? ['r1', 'r2'] : [run()]
      return Promise.resolve(runs.map((run) => ({ ...one, run, up: true, reachable: true })))
    },
    routers: () => Promise.resolve(['h1']),
    holds: () => Promise.resolve(true),
    observed: () =>
      Promise.resolve({ lives: [life('r1', isMoving() ? null : now), life('r2', null)], log: [], said: [] }),
    close: () => Promise.resolve(),
  }
  const quiet = {
    ...scenario,
    name: 'moving',
    apps: [app],
    timeline: [],
    bounds: { ...scenario.bounds, settledMs: 5_000 },
  }
  const log = (line: string): void => void (left = line.includes('settled after') ? 3 : left)
  const { verdict } = await runScenario(quiet, () => Promise.resolve(world), { seed: 1, log })
  t.same(verdict.violations, [])
  t.equal(left, 0, 'it looked until the move was over')
})
