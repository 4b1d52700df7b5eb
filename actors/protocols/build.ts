/**
 * Build: from source to a release, compiled on the host that was pushed to. Bound to that host, keyed by
 * build id; `Builds` (key `builds`) starts them. What became of each is on record under
 * `builds/<app>/<build>`, as JSON of `buildShape`, for whoever asks on any host.
 */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { buildingShape } from './releases.ts'
import { actorShape, slugShape } from './shapes.ts'

export const buildShape = is.obj({
  id: is.str,
  appId: is.str,
  /** As the app was called; absent: by an older host. */
  appName: is.opt(is.str),
  status: is.oneOf('pending', 'succeeded', 'failed'),
  /** Full commit id, or what the caller called the version. */
  version: is.str,
  by: actorShape,
  buildpacks: is.arr(is.str),
  stack: is.str,
  slugId: is.orNull(is.str),
  releaseId: is.orNull(is.str),
  releaseVersion: is.orNull(is.int),
  createdAt: is.int,
  updatedAt: is.int,
  /** Where it is compiled; absent: by an older host, which did not say. */
  host: is.opt(is.str),
  /** Of source that came as an archive; absent: it was pushed. */
  archive: is.opt(is.obj({ url: is.str, checksum: is.orNull(is.str), description: is.orNull(is.str) })),
})
export type BuildView = Static<typeof buildShape>

/**
 * One that is pending for longer was lost with its host: compiling takes 15 minutes at most, the release
 * command an hour.
 */
export const pendingMsMax = 80 * 60_000

/** Source as a gzip tar that is fetched when the build's turn comes. */
export const archiveShape = is.obj({
  /** As the caller gave it. */
  url: is.str,
  /** `SHA256:<hex>`; null: not to be checked. */
  checksum: is.orNull(is.str),
  description: is.orNull(is.str),
  /** It lies in the object store under this name; null: it is fetched from `url`. */
  object: is.orNull(is.str),
})
export type BuildArchive = Static<typeof archiveShape>

export const jobShape = is.obj({
  appId: is.str,
  appName: is.str,
  version: is.str,
  /** Where the source lies unpacked on this host; empty: in `archive`. */
  sourceDir: is.str,
  /** Commits of other repositories that are to be in it. */
  submodules: is.arr(is.obj({ path: is.str, commit: is.str })),
  archive: is.opt(archiveShape),
  /** In the place of the app's. */
  buildpacks: is.opt(is.arr(is.str)),
  by: actorShape,
})
export type BuildJob = Static<typeof jobShape>

const whomShape = is.oneOf('app', 'turn', 'releases', 'config', 'deploy')

export const Builds = protocol('builds', 1, {
  /**
   * Starts it; output goes to the output stream of the build's id on this host. Refused: `busy` while another
   * build of the app is under way, on whichever host; `too_many` when too many are here; `not_found` without
   * such an app; `platform`.
   */
  start: ask({ buildId: is.str, job: jobShape }, is.obj({})),
  /** From a Build that would compile: how many go before it; 0: it may. Asked again until then. */
  turn: ask({ buildId: is.str }, is.obj({ ahead: is.int })),
  /** From a Build that compiles no more. */
  yield: tell({ buildId: is.str }),
  /** Own results and timers. */
  claim: tell({ buildId: is.str }),
  claimed: tell({ buildId: is.str, held: is.orNull(buildingShape) }),
  unclaimed: tell({ buildId: is.str, code: is.str, reason: is.str }),
  /** Whether the build that holds the app is over. */
  looked: tell({ buildId: is.str, holder: is.str, isOver: is.bool }),
  notBuried: tell({ reason: is.str }),
  bury: tell({}),
})

export const Build = protocol('build', 2, {
  /** Answered once it is on record. */
  begun: ask({}, buildShape),
  /** Answered once it has succeeded or failed, and that is on record. */
  finished: ask({}, buildShape),
  /** The pusher is gone, or somebody wants it stopped. Ignored once the slug is made. */
  cancel: tell({}),
  /** Own results and timers. */
  kept: tell({}),
  described: tell({ buildpacks: is.arr(is.str), stack: is.str }),
  /** How many compile before it. */
  turn: tell({ ahead: is.int }),
  /** `isFirst`: the app has no slug yet. */
  configured: tell({ configId: is.str, isFirst: is.bool }),
  compiled: tell({
    slug: slugShape,
    buildpacks: is.opt(is.arr(is.str)),
    detected: is.opt(is.str),
    configVars: is.opt(is.map(is.str)),
  }),
  /** The config vars of the buildpack's wish are. */
  configSet: tell({}),
  released: tell({ releaseId: is.str, version: is.int, status: is.str }),
  /** Its release command: all of its output is shown; how it stands. */
  shown: tell({}),
  askPhase: tell({}),
  phase: tell({ status: is.str }),
  failed: tell({ code: is.str, reason: is.str }),
  /** Whoever was asked did not answer, and surely did nothing that may not be done again. */
  unheard: tell({ whom: whomShape, reason: is.str }),
  /** The command of an earlier release of the app runs. */
  releaseBusy: tell({}),
  askAgain: tell({ whom: whomShape }),
  notKept: tell({ reason: is.str }),
  again: tell({}),
  over: tell({}),
})
