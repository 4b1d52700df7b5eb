/**
 * Releases: the ledger of one app. A release is slug + config vars; each change makes a new one. Keyed by app
 * id, durable.
 */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { outboxMessages } from './event.ts'
import { actorShape, pagesShape, releaseShape, slugShape } from './shapes.ts'

/** The one build of an app that is under way, and where. */
export const buildingShape = is.obj({ buildId: is.str, host: is.str, at: is.int })

/** Refusal codes: `not_found`, `invalid_params`, `conflict`, `superseded`. */
export const Releases = protocol('releases', 1, {
  /** v1 `Initial release`, v2 `Enable Logplex`. Idempotent. */
  open: ask({ appName: is.str, by: actorShape }, is.obj({})),
  /** New name for the texts and dynos to come. */
  renamed: tell({ appName: is.str }),
  /**
   * null removes a var. No change makes no release. Answers the version that holds and the sealed config's
   * id. Of a `build`: refused as `superseded`, as `deploy` is.
   */
  setConfig: ask(
    { patch: is.map(is.orNull(is.str)), by: actorShape, build: is.opt(is.str) },
    is.obj({ version: is.int, configId: is.str, changed: is.bool }),
  ),
  /**
   * One build of an app at a time: `held` null: that build is the one now; else who is.
   * @param instead it is known to be over, and gives way if it is the one
   */
  beginBuild: ask(
    { buildId: is.str, host: is.str, instead: is.opt(is.str) },
    is.obj({ held: is.orNull(buildingShape) }),
  ),
  endBuild: tell({ buildId: is.str }),
  /** Of a build that is taken for lost: its release; null: it will have none. */
  giveUpBuild: ask(
    { buildId: is.str },
    is.obj({
      released: is.orNull(is.obj({ id: is.str, version: is.int, slugId: is.orNull(is.str) })),
    }),
  ),
  /**
   * Of a `build`: refused as `superseded` when it was given up, or another has taken its place; it is over
   * with that. Asked again, it answers what was made.
   * @param isNew a release more, also of what the newest runs; else asking again makes none
   * @param promotion the one that it is for: asking again for that makes none
   */
  deploy: ask(
    {
      slug: slugShape,
      description: is.str,
      by: actorShape,
      build: is.opt(is.str),
      isNew: is.opt(is.bool),
      promotion: is.opt(is.str),
    },
    releaseShape,
  ),
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
  ...outboxMessages,
})
