/** Drain: where one app's log is sent on to. Keyed by drain id, durable. */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { storedBatchShape } from './log-batch.ts'

/** How it is with a drain. `up`: what was sent last was taken, or nothing was sent yet. */
export const drainStateShape = is.obj({
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

/** The next `count` lines: when the first and when the last of them was written. */
const part = { count: is.int, sinceUs: is.int, untilUs: is.int }

export const Drain = protocol('drain', 1, {
  /** From App: the log from now on goes there. Answered as often as it is asked. */
  open: ask({ appId: is.str, url: is.str, token: is.str }, is.obj({})),
  /** From App: nothing more is sent. Answered once nothing of it is kept. */
  close: ask({}, is.obj({})),
  state: ask({}, drainStateShape),
  /** From Channel, of each batch once it is stored. */
  stored: tell({ batch: storedBatchShape }),
  /** From Channel: there may be something that nobody told. And its own reminder. */
  look: tell({}),
  /** Own results of effects. */
  opened: tell({ sequence: is.int, line: is.int }),
  openFailed: tell({ reason: is.str }),
  read: tell({ batches: is.arr(storedBatchShape) }),
  readFailed: tell({ reason: is.str }),
  sent: tell(part),
  refused: tell({ ...part, status: is.int }),
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
