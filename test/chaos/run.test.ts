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
