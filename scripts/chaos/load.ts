/** The load of a scenario: closed loops of clients that go on until they are told to stop. */
import type { Recorder } from './recorder.ts'
import type { AppSpec, Scenario } from './language.ts'
import type { World } from './world.ts'

export type Running = {
  /** Config changes and scales end; resolves when the last one was answered. */
  stopWrites(): Promise<void>
  /** Requests end too. */
  stop(): Promise<void>
  /** Nothing new is asked: for a run that failed, whose world answers nobody any more. */
  abandon(): void
}

export const startLoad = (world: World, scenario: Scenario, recorder: Recorder): Running => {
  const { apps, load } = scenario
  let writing = true
  const asking = new AbortController()
  const webs = apps.filter((app) => app.types['web'] !== undefined)

  const client = async (number: number): Promise<void> => {
    // Each begins with another app, so that all are asked from the first moment on.
    for (let turn = number; !asking.signal.aborted; turn++) {
      const app = webs[turn % webs.length]
      if (app === undefined) return
      await recorder.request(app.name)
      await world.sleep(load.pauseMs)
    }
  }
  const every = async (
    periodMs: number | undefined,
    act: (turn: number) => Promise<unknown>,
  ): Promise<void> => {
    if (periodMs === undefined) return
    for (let turn = 1; ; turn++) {
      await world.sleep(periodMs)
      if (!writing) return
      await act(turn)
    }
  }
  const configure = (turn: number) =>
    Promise.all(apps.map((app) => recorder.setConfig(app.name, 'CHAOS', `${app.name}-${turn}`)))

  const scaled = webs.at(-1)
  const writers = [
    every(load.configEveryMs, configure),
    every(load.scaleEveryMs, async (turn) => {
      if (scaled !== undefined) await recorder.scale(scaled.name, 'web', webCount(scaled) + (turn % 2))
    }),
  ]
  const clients = Array.from({ length: load.clients }, (_, number) => client(number))
  const stopWrites = async (): Promise<void> => {
    writing = false
    await Promise.all(writers)
  }
  return {
    stopWrites,
    stop: async () => {
      await stopWrites()
      asking.abort()
      await Promise.all(clients)
    },
    abandon: () => {
      writing = false
      asking.abort()
    },
  }
}

const webCount = (app: AppSpec): number => app.types['web']?.quantity ?? 0
