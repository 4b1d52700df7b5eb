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

/** Lines that are not there: how many, and when the first of them was said, in microseconds since 1970. */
export const lossShape = is.obj({ count: is.int, sinceUs: is.int })
export type Loss = Static<typeof lossShape>

/**
 * Lines of one source in their order. It numbers its lines of an app from 0, without leaving a number out, in
 * each of its lives, which `source` names; `first` is the number of the first one here. `dropped`: so many
 * right before that one were more than the source keeps. They have their numbers, and there may be no other
 * line with them.
 */
const part = { source: is.str, first: is.int, lines: is.arr(lineShape), dropped: is.opt(lossShape) }
export type Part = {
  readonly source: string
  readonly first: number
  readonly lines: readonly Line[]
  readonly dropped?: Loss | undefined
}

export const Channel = protocol('channel', 1, {
  /**
   * From a source, which keeps the lines until they are stored: then this is answered. It has one such ask
   * under way, and repeats it until it is answered: none is stored twice. Refused while there is no room.
   */
  deliver: ask(part, is.obj({})),
  /** The app is gone: forget its history. */
  drop: tell({}),
  /** From App: it has one drain more, which is told of what is stored after the answer. */
  drainJoins: ask({}, is.obj({})),
  /** From App: it has other drains now. */
  drainsChanged: tell({}),
  /** Own results. */
  drains: tell({ ids: is.arr(is.str) }),
  drainsUnknown: tell({ isGone: is.bool }),
  /** Null: all of it had been stored before. */
  appended: tell({ batch: is.int, stored: is.orNull(storedBatchShape) }),
  appendFailed: tell({ batch: is.int, reason: is.str }),
  retry: tell({ batch: is.int }),
  ask: tell({}),
  again: tell({ sequence: is.int }),
})
