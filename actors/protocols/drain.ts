/** Drain: where one app's log is sent on to. Keyed by drain id, durable. */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { storedBatchShape } from './log-batch.ts'

/** How it is with a drain. `up`: what was sent last was taken, or nothing was sent yet. */
export const drainStateShape = is.obj({
  appId: is.str,
  state: is.oneOf('up', 'failing'),
  /** Lines of the app that are not yet sent on, as far as is known here. */
  lag: is.int,
  /** Why the last try failed. */
  reason: is.orNull(is.str),
  /** When it last took something; ms since 1970. */
  deliveredAt: is.orNull(is.int),
  /** Lines that it did not get since it was added, each told in an L10. */
  dropped: is.int,
})
export type DrainState = Static<typeof drainStateShape>

/** Where a drain leads, by its app. */
export const drainTargetShape = is.obj({
  appId: is.str,
  url: is.str,
  token: is.str,
  /** Null: not a telemetry drain. */
  telemetry: is.orNull(is.obj({ headersId: is.str, appName: is.str })),
  /** When the app decided so. */
  decidedAt: is.int,
})
export type DrainTarget = Static<typeof drainTargetShape>

/** The next `count` lines: when the first and when the last of them was written. */
const part = { count: is.int, sinceUs: is.int, untilUs: is.int }

export const Drain = protocol('drain', 1, {
  /**
   * From App: the log from now on goes there; of a drain that is open: what it has not sent yet. Answered as
   * often as it is asked; what was decided before is not done any more.
   */
  open: ask({ to: drainTargetShape }, is.obj({})),
  /** From App: nothing more is sent. Answered once nothing of it is kept. */
  close: ask({}, is.obj({})),
  state: ask({}, drainStateShape),
  /** From Channel, of each batch once it is stored. */
  stored: tell({ batch: storedBatchShape }),
  /** From Channel: there may be something that nobody told, up to there. And its own reminder. */
  look: tell({ sequence: is.opt(is.int) }),
  /** Own results of effects. */
  opened: tell({ sequence: is.int, line: is.int }),
  openFailed: tell({ reason: is.str }),
  read: tell({ batches: is.arr(storedBatchShape) }),
  readFailed: tell({ reason: is.str }),
  /** `rejected`: so many of them the receiver took from the connection and dropped. */
  sent: tell({ ...part, rejected: is.opt(is.obj({ count: is.int, reason: is.str })) }),
  refused: tell({ ...part, reason: is.str }),
  failed: tell({
    count: is.int,
    reason: is.str,
    /** Where it leads, fit to be shown, when the receiver is not who it says it is. */
    certificate: is.orNull(is.str),
    retryAfterMs: is.orNull(is.int),
    room: is.int,
  }),
  /** Own timers. */
  send: tell({}),
  retry: tell({}),
  say: tell({}),
})
