/**
 * A simulated machine: what runs on it outlives the host process, as containers do.
 *
 * What a process does follows from its command: `web`, `worker` (run on), `crash` (ends after a second),
 * `slow` (binds late), `never` (never binds), `stubborn` (ignores SIGTERM), `exit N` (soon ends with that
 * status).
 */
import { EffectFailed, type Effects } from '../../src/ports/effects.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { type virtualClock } from '../../src/sim/clock.ts'
import { createGate } from '../../src/sim/gate.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import type { Run } from '../../actors/protocols/shapes.ts'

export type Process = {
  readonly run: Run
  readonly startedAt: number
  readonly address: string
  readonly port: number
  readonly outer: { readonly address: string; readonly port: number }
  bound: boolean
  exited: { readonly code: number; readonly oomKilled: boolean } | undefined
  /** Monotonic ms of the world: when it began and when it ended. */
  readonly fromMs: number
  toMs: number | undefined
}

export type Machine = {
  /** Every process that was not removed, by run id. */
  readonly processes: ReadonlyMap<string, Process>
  /** The engine as one life of the host process uses it. */
  performers(clock: Clock, faults: () => EngineFaults): Effects
  /** The process ends by itself. */
  end(runId: string, code: number): void
  /** SIGTERM to all, and nothing is left of them. */
  stop(): Promise<void>
  /** Power lost: nothing runs any more. */
  powerOff(): void
  /** Its processes stand still, and go on. */
  freeze(): void
  thaw(): void
  readonly frozen: () => boolean
  /** Every process that ever ran here. */
  readonly lives: readonly Process[]
  readonly started: () => number
  /** How often it lost power. */
  readonly powerCuts: () => number
}

/** Probabilities in [0, 1]. */
export type EngineFaults = { readonly fail: number; readonly latencyMsMax: number }
export const calmEngine: EngineFaults = { fail: 0, latencyMsMax: 20 }

const memoryBytes = 16 * 2 ** 30
const bindMs = 400

/** Ports are given out again only when all of them were. */
const portsMin = 3_000
const portsMax = 60_000

/**
 * @param world goes on when the host process dies
 * @param reusesPorts a planted bug: a port that became free is given to the next process at once
 */
export const simMachine = (
  name: string,
  world: ReturnType<typeof virtualClock>,
  random: SeededRandom,
  reusesPorts = false,
): Machine => {
  const gate = createGate()
  const clock = world.forHost(gate)
  const processes = new Map<string, Process>()
  const lives: Process[] = []
  let listeners: (() => void)[] = []
  let ports = portsMin
  let started = 0
  let powerCuts = 0

  const freePort = (): number => {
    if (reusesPorts) {
      const taken = new Set([...processes.values()].filter((one) => !one.exited).map((one) => one.port))
      for (ports = portsMin; taken.has(ports);) ports++
      return ports
    }
    ports = ports === portsMax ? portsMin : ports + 1
    return ports
  }

  /** Wakes whoever waits for something to change; they look for themselves. */
  const changed = (): void => {
    const woken = listeners
    listeners = []
    for (const wake of woken) wake()
  }
  const until = async <T>(probe: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = probe()
      if (found !== undefined) return found
      await new Promise<void>((resolve) => listeners.push(resolve))
    }
  }
  const end = (runId: string, code: number): void => {
    const process = processes.get(runId)
    if (process === undefined || process.exited !== undefined) return
    process.exited = { code, oomKilled: false }
    process.toMs = world.monotonicMs()
    process.bound = false
    changed()
  }
  const start = (run: Run): Process => {
    const known = processes.get(run.id)
    if (known !== undefined) return known
    started++
    const port = freePort()
    const process: Process = {
      run,
      startedAt: clock.now(),
      address: `10.0.0.${name}`,
      port,
      outer: { address: `192.168.0.${name}`, port },
      bound: false,
      exited: undefined,
      fromMs: world.monotonicMs(),
      toMs: undefined,
    }
    processes.set(run.id, process)
    lives.push(process)
    const [kind, status] = run.command.split(' ')
    if (kind === 'exit') clock.after(100, () => end(run.id, Number(status)))
    if (kind === 'crash') clock.after(1_000, () => end(run.id, 1))
    const lateMs = kind === 'slow' ? 20_000 : bindMs * (0.5 + random.next())
    if (run.type === 'web' && kind !== 'never') {
      clock.after(lateMs, () => {
        process.bound = process.exited === undefined
        changed()
      })
    }
    return process
  }
  const signal = (runId: string, kind: string): void => {
    const stubborn = processes.get(runId)?.run.command.startsWith('stubborn') === true
    if (kind === 'SIGKILL') end(runId, 137)
    else if (!stubborn) clock.after(random.between(1, 300), () => end(runId, 143))
  }
  const processOf = (runId: string): Process => {
    const process = processes.get(runId)
    if (process === undefined) throw new EffectFailed('gone', `no run ${runId} here`)
    return process
  }

  return {
    processes,
    lives,
    end,
    freeze: gate.freeze,
    thaw: gate.thaw,
    frozen: gate.frozen,
    started: () => started,
    powerCuts: () => powerCuts,
    stop: async () => {
      for (const runId of processes.keys()) signal(runId, 'SIGTERM')
      await until(() => ([...processes.values()].every((process) => process.exited) ? true : undefined))
      processes.clear()
    },
    powerOff: () => {
      powerCuts++
      gate.thaw()
      for (const runId of processes.keys()) end(runId, 137)
      processes.clear()
      changed()
    },
    performers: (life, faults) => {
      const soon = async (): Promise<void> => {
        const { fail, latencyMsMax } = faults()
        await new Promise<void>((resolve) => life.after(random.next() * latencyMsMax, resolve))
        if (random.chance(fail)) throw new EffectFailed('engine', 'the engine failed')
      }
      return {
        'container.prepare': soon,
        'container.start': async ({ run }: { run: Run }) => {
          await soon()
          const { address, port, outer, startedAt } = start(run)
          return { address, port, outer, startedAt }
        },
        'container.bound': async ({ runId }: { runId: string }) => {
          const process = processOf(runId)
          await until(() => (process.bound || process.exited !== undefined ? true : undefined))
          if (!process.bound) throw new EffectFailed('exited', 'ended first')
        },
        'container.wait': async ({ runId }: { runId: string }) => {
          const process = processOf(runId)
          return until(() => process.exited)
        },
        'container.signal': async ({ runId, signal: kind }: { runId: string; signal: string }) => {
          await soon()
          signal(runId, kind)
        },
        'container.ship': async ({ run }: { run: Run }) => {
          const process = processOf(run.id)
          await until(() => process.exited)
          await soon()
        },
        'container.remove': async ({ runId }: { runId: string }) => {
          await soon()
          processes.delete(runId)
        },
        'container.list': async () => {
          await soon()
          return {
            runs: [...processes.values()].map(({ run, startedAt, address, port, outer }) => ({
              run,
              startedAt,
              address,
              port,
              outer,
            })),
          }
        },
        'container.sample': async () => {
          await soon()
          const mb = 1024 * 1024
          return {
            rssBytes: 60 * mb,
            cacheBytes: mb,
            swapBytes: 0,
            pgpgin: 0,
            pgpgout: 0,
            runnable: random.chance(0.5) ? 1 : 0,
          }
        },
        'container.capacity': () => Promise.resolve({ memoryBytes }),
      }
    },
  }
}

/** Runs that have not ended. */
export const liveOf = (machine: Machine): Process[] =>
  [...machine.processes.values()].filter((process) => process.exited === undefined)
