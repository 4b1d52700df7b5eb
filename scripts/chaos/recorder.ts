/** Writes the history while a scenario runs: operations with their times, faults, waits. */
import type { BuildOp, ConfigOp, History, Op, RequestOp, ScaleOp, Struck, Waited } from './history.ts'
import type { BuildStep } from './language.ts'
import { OpFailed, type World } from './world.ts'

export type Recorder = {
  request(app: string): Promise<void>
  setConfig(app: string, key: string, value: string): Promise<void>
  /** @returns whether it was acknowledged */
  scale(app: string, type: string, quantity: number): Promise<boolean>
  /** Resolves when it is being compiled. @returns the host that does */
  build(step: BuildStep): Promise<string>
  /** Builds whose senders wait. */
  building(): number
  struck(fault: Struck): void
  waited(wait: Waited): void
  /** When the last fault struck that was noted; 0 before the first. */
  readonly faults: readonly Struck[]
  history(rest: Omit<History, 'ops' | 'faults' | 'waits'>): History
}

export const createRecorder = (world: World): Recorder => {
  const ops: Op[] = []
  const faults: Struck[] = []
  const waits: Waited[] = []

  const note = async <T extends Op>(op: T, call: Promise<Partial<T>>): Promise<T> => {
    ops.push(op)
    try {
      Object.assign(op, await call, { outcome: 'ok' })
    } catch (error) {
      if (!(error instanceof OpFailed)) throw error
      op.outcome = error.outcome
      op.error = `${error.code}: ${error.message}`
      if (op.kind === 'request' && error.via !== undefined) op.via = error.via
    }
    op.returnedAt = world.now()
    return op
  }
  const base = (app: string) => ({ app, invokedAt: world.now(), returnedAt: null, outcome: null })

  return {
    request: async (app) => {
      const op: RequestOp = { kind: 'request', ...base(app) }
      await note(op, world.clients.request(app))
    },
    setConfig: async (app, key, value) => {
      const op: ConfigOp = { kind: 'config', ...base(app), key, value }
      await note(op, world.clients.setConfig(app, key, value))
    },
    scale: async (app, type, quantity) => {
      const op: ScaleOp = { kind: 'scale', ...base(app), type, quantity }
      const noted = await note(
        op,
        world.clients.scale(app, type, quantity).then(() => ({})),
      )
      return noted.outcome === 'ok'
    },
    build: async (step) => {
      if (world.builders === undefined) throw new RangeError(`nothing is compiled in ${world.name}`)
      const { build: app, by } = step
      const asked = base(app)
      const { version, host, ended } = await world.builders.begin(step)
      const op: BuildOp = { kind: 'build', ...asked, by, host, version }
      const noted = note(
        op,
        ended.then(() => ({})),
      )
      // Its fault is the run's, which waits for it or ends with another.
      noted.catch(() => undefined)
      return host
    },
    building: () => ops.filter((op) => op.kind === 'build' && op.returnedAt === null).length,
    struck: (fault) => void faults.push(fault),
    waited: (wait) => void waits.push(wait),
    faults,
    history: (rest) => ({ ops, faults, waits, ...rest }),
  }
}
