/**
 * Dyno: one run of one process on this host. Bound to its host, keyed by run id; a child of the host's
 * `dynos` node.
 */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { actorShape, outerShape } from './shapes.ts'

export const Dyno = protocol('dyno', 1, {
  /** SIGTERM to all, SIGKILL and R12 after 30 s. */
  stop: tell({}),
  /** Its host's lease may end: SIGTERM at once, SIGKILL soon after, whatever it was about. */
  fence: tell({}),
  /**
   * Runs a command beside its own process, attached to the client that comes to the asking host with the
   * token. Refused `invalid_params` unless it runs.
   */
  inside: ask(
    {
      command: is.str,
      env: is.map(is.str),
      attachToken: is.str,
      terminal: is.orNull(is.obj({ columns: is.int, rows: is.int })),
      by: actorShape,
    },
    is.obj({}),
  ),
  /** Own results of effects. */
  prepared: tell({}),
  started: tell({ address: is.str, port: is.int, outer: outerShape, startedAt: is.int }),
  startFailed: tell({ code: is.str, reason: is.str }),
  bound: tell({}),
  exited: tell({ code: is.int, oomKilled: is.bool }),
  waitFailed: tell({ reason: is.str }),
  shipped: tell({}),
  shipFailed: tell({ reason: is.str }),
  sampled: tell({
    rssBytes: is.int,
    cacheBytes: is.int,
    swapBytes: is.int,
    pgpgin: is.int,
    pgpgout: is.int,
    runnable: is.int,
  }),
  clientGone: tell({ left: is.bool }),
  clientQuiet: tell({ quietMs: is.int }),
  removed: tell({}),
  removeFailed: tell({ reason: is.str }),
  /** Own timers. */
  bootTimeout: tell({}),
  sampleDue: tell({}),
  signalDue: tell({}),
  exitTimeout: tell({}),
  expired: tell({}),
  hangupDue: tell({}),
  idleDue: tell({}),
  fenceTimeout: tell({}),
  again: tell({ what: is.oneOf('wait', 'ship', 'remove') }),
})
