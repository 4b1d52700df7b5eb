/**
 * Releases: the ledger of one app. A release is slug + config vars; each change makes a new one. Keyed by app
 * id, durable.
 */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { actorShape, pagesShape, releaseShape, slugShape } from './shapes.ts'

/** Refusal codes: `not_found`, `invalid_params`, `conflict`. */
export const Releases = protocol('releases', 1, {
  /** v1 `Initial release`, v2 `Enable Logplex`. Idempotent. */
  open: ask({ appName: is.str, by: actorShape }, is.obj({})),
  /** New name for the texts and dynos to come. */
  renamed: tell({ appName: is.str }),
  /**
   * null removes a var. No change makes no release. Answers the version that holds and the sealed config's
   * id.
   */
  setConfig: ask(
    { patch: is.map(is.orNull(is.str)), by: actorShape },
    is.obj({ version: is.int, configId: is.str, changed: is.bool }),
  ),
  deploy: ask({ slug: slugShape, description: is.str, by: actorShape }, releaseShape),
  /** Copies slug and config vars of another release into a new one. */
  rollback: ask({ to: is.str, by: actorShape }, releaseShape),
  /** Newest last. */
  list: ask({}, is.obj({ releases: is.arr(releaseShape), currentVersion: is.int })),
  /** By version number or id. */
  find: ask({ which: is.str }, is.obj({ release: releaseShape, current: is.bool })),
  current: ask({}, is.obj({ release: releaseShape })),
  destroy: ask({}, is.obj({})),
  /** From Formation: this version is what it works towards now. Until then it is told again and again. */
  received: tell({ version: is.int }),
  /** From Formation: the release command of that release is over. Until then it is asked for again. */
  phaseEnded: tell({ releaseId: is.str, ok: is.bool }),
  /** Own results and timers. */
  sealed: tell({
    op: is.str,
    configId: is.str,
    changed: is.bool,
    set: is.arr(is.str),
    removed: is.arr(is.str),
    pages: pagesShape,
  }),
  sealFailed: tell({ op: is.str, code: is.str, reason: is.str }),
  remindFormation: tell({}),
  remindPhase: tell({}),
})
