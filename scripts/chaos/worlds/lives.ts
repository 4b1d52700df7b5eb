/** Every life that looks at the machines have seen, from the first to the last look that saw it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Life, Said } from '../history.ts'
import type { Dyno } from './dynos.ts'

export type Watching = {
  readonly lives: () => readonly Life[]
  readonly said: () => readonly Said[]
  readonly close: () => void
}

const lookMs = 100

/** @param linesOf how many numbered lines a life has surely said; undefined: it says none */
export const watchLives = (
  dynos: () => readonly Dyno[],
  now: () => number,
  linesOf: (dyno: Dyno) => number | undefined,
): Watching => {
  const seen = new Map<string, Life>()
  const said = new Map<string, Said>()
  const watch = new AbortController()
  const look = (): void => {
    const at = now()
    const found = dynos()
    const live = new Set(found.map(({ run }) => run.id))
    for (const [id, life] of seen)
      if (life.goneAt === undefined && !live.has(id)) seen.set(id, { ...life, goneAt: now() })
    for (const dyno of found) {
      const { host, run } = dyno
      const lines = linesOf(dyno)
      if (lines !== undefined) said.set(run.id, { app: run.appName, life: run.id, host, lines })
      const life = seen.get(run.id) ?? {
        app: run.appName,
        dyno: run.name,
        run: run.id,
        host,
        singleton: run.singleton,
        epoch: run.epoch,
        fromAt: at,
        toAt: null,
      }
      const { goneAt: _, ...back } = life
      seen.set(run.id, { ...back, toAt: at })
    }
  }
  const loop = async (): Promise<void> => {
    while (!watch.signal.aborted) {
      look()
      await pause(lookMs)
    }
  }
  void loop()
  return {
    lives: () => {
      const live = new Set(dynos().map(({ run }) => run.id))
      return [...seen.values()].map((life) => (live.has(life.run) ? { ...life, toAt: null } : life))
    },
    said: () => [...said.values()],
    close: () => {
      watch.abort()
    },
  }
}
