/**
 * Host: this machine's dynos. Bound to its host (key `host`). Starts Dyno children, adopts what still runs,
 * announces.
 */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { outerShape, runReportShape, runShape, viewShape } from './shapes.ts'

export const Host = protocol('host', 1, {
  /**
   * Start this run here. Idempotent by run id; an epoch older than the slot's newest is refused and reported.
   * `standsIn`: its formation could not put it on record yet, and so cannot tell routers of it either.
   */
  launch: tell({ run: runShape, standsIn: is.opt(is.bool) }),
  /** Stop it: SIGTERM, 30 s, SIGKILL. `gone` runs are reported as exited. */
  halt: tell({ runId: is.str, appId: is.str, name: is.str }),
  /** Say again what of this app lives here. */
  announce: tell({ appId: is.str }),
  /** Say again in full what lives here, to every placement. */
  survey: tell({}),
  /** For the operator. */
  load: ask(
    {},
    is.obj({ memoryBytes: is.int, reservedBytes: is.int, runs: is.int, draining: is.bool, fenced: is.bool }),
  ),
  /** From the membership of this host. */
  viewChanged: tell({ view: viewShape }),
  /**
   * From the membership: this host's lease may soon be over elsewhere (or is held again). Runs that must not
   * have a second life are stopped at once, and not started until then.
   */
  fence: tell({ isFenced: is.bool }),
  /** From a Dyno of this host. */
  changed: tell({ report: runReportShape }),
  /** Own results and timers. */
  found: tell({
    runs: is.arr(
      is.obj({
        run: runShape,
        startedAt: is.int,
        address: is.orNull(is.str),
        port: is.orNull(is.int),
        outer: outerShape,
      }),
    ),
  }),
  findFailed: tell({ reason: is.str }),
  measured: tell({ memoryBytes: is.int }),
  /** The apps there are, so that each hears once what of it is (not) here. */
  counted: tell({ appIds: is.arr(is.str) }),
  tick: tell({}),
  find: tell({}),
  census: tell({}),
  announceRuns: tell({}),
})
