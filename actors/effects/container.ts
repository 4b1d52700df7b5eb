/** What a dyno may ask of the container engine of its host. */
import { effect } from '../../src/runtime/index.ts'
import type { Sample } from '../dyno/sample.ts'
import type { Outer, Run, Slug } from '../protocols/shapes.ts'

export type Found = {
  readonly run: Run
  readonly startedAt: number
  readonly address: string | null
  readonly port: number | null
  readonly outer: Outer
}

type Attach = NonNullable<Run['attach']>
type Env = Run['env']

export const Container = {
  /**
   * Brings the slug to this host and unpacks it. Fails with `R17` when its sum is wrong, `slug_missing` when
   * it is nowhere.
   */
  prepare: effect<{ slug: Slug }, void>('container.prepare'),
  /** Starts it detached, or attached once its client has come (`attach_timeout` → R13). */
  start: effect<{ run: Run }, { address: string; port: number; outer: Outer; startedAt: number }>(
    'container.start',
  ),
  /** Resolves once something accepts connections there; fails with `exited` when the run ended first. */
  bound: effect<{ runId: string; address: string; port: number }, void>('container.bound'),
  /** Resolves with the exit status, also for an adopted run. 128+signal when a signal ended it. */
  wait: effect<{ runId: string }, { code: number; oomKilled: boolean }>('container.wait'),
  signal: effect<{ runId: string; signal: 'SIGTERM' | 'SIGKILL' | 'SIGHUP' }, void>('container.signal'),
  /**
   * Resolves when an attached run has lost its client (`left`, also when nobody here knows of one), or has
   * ended first.
   */
  client: effect<{ runId: string }, { left: boolean }>('container.client'),
  /** How long an attached run and its client have said nothing. */
  quiet: effect<{ runId: string }, { quietMs: number }>('container.quiet'),
  /** Sends its client away. */
  dismiss: effect<{ runId: string }, void>('container.dismiss'),
  /** Runs a command beside it, attached to a client; resolves once it runs. Fails like `start`. */
  inside: effect<{ run: Run; port: number; command: string; attach: Attach; env: Env }, void>(
    'container.inside',
  ),
  /**
   * Ships its output to the app's channel from where shipping stood; resolves when the run has ended and all
   * is shipped.
   */
  ship: effect<{ run: Run }, void>('container.ship'),
  /** Frees everything of it. */
  remove: effect<{ runId: string }, void>('container.remove'),
  /** What it uses now. */
  sample: effect<{ runId: string }, Sample>('container.sample'),
  /** What runs on this host, whoever started it. */
  list: effect<Record<string, never>, { runs: readonly Found[] }>('container.list'),
  /** Memory of this host that runs may use. */
  capacity: effect<Record<string, never>, { memoryBytes: number }>('container.capacity'),
}
