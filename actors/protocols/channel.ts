/** Channel: the log stream of one app. Keyed by app id. */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { storedBatchShape } from './log-batch.ts'

/**
 * One line without its LF. `at` is microseconds since 1970 (as text keeps them); bytes as the source wrote
 * them.
 */
export const lineShape = is.obj({
  atUs: is.int,
  /** `app`, `heroku`, or the name of a log token. */
  source: is.str,
  /** `web.1`, `router`, `api`, `run.4711`. */
  process: is.str,
  text: is.bytes,
  /** As its sender gave it: facility × 8 + severity. Left out: by who speaks. */
  priority: is.opt(is.int),
})
export type Line = Static<typeof lineShape>

export const Channel = protocol('channel', 1, {
  /** Lines in order from one source; bounded by limits.linesPerBatchMax and bytes. */
  write: tell({ lines: is.arr(lineShape) }),
  /**
   * The same from a source that keeps its lines until they are stored, which is when this is answered. `seq`
   * grows with each batch of a source: a repeat is answered like the first and not stored twice.
   */
  deliver: ask({ source: is.str, seq: is.int, lines: is.arr(lineShape) }, is.obj({})),
  /** The app is gone: forget its history. */
  drop: tell({}),
  /** From App: it has other drains now. */
  drainsChanged: tell({}),
  /** Own results. */
  drains: tell({ ids: is.arr(is.str) }),
  drainsUnknown: tell({ isGone: is.bool }),
  appended: tell({ batch: is.int, stored: storedBatchShape }),
  appendFailed: tell({ batch: is.int, reason: is.str }),
  retry: tell({ batch: is.int }),
  ask: tell({}),
})
