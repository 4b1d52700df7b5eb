/**
 * Host: this machine's dynos. Bound to its host (key `host`). Starts Dyno children, adopts what still runs,
 * announces.
 */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { outerShape, runReportShape, runShape } from './shapes.ts'

export const Host = protocol('host', 1, {
  /**
   * Start this run here. Idempotent by run id; an epoch older than the slot's newest is refused and reported.
   */
  launch: tell({ run: runShape }),
  /** Stop it: SIGTERM, 30 s, SIGKILL. `gone` runs are reported as exited. */
  halt: tell({ runId: is.str, appId: is.str, name: is.str }),
  /** Say again what of this app lives here. */
  announce: tell({ appId: is.str }),
  /** For placement and the operator. */
  load: ask({}, is.obj({ memoryBytes: is.int, reservedBytes: is.int, runs: is.int })),
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
})
