/**
 * Build: from source to a release, compiled on the host that was pushed to. Bound to that host, keyed by
 * build id; `Builds` (key `builds`) starts them. What became of each is on record under
 * `builds/<app>/<build>`, as JSON of `buildShape`, for whoever asks on any host.
 */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { actorShape, slugShape } from './shapes.ts'

export const buildShape = is.obj({
  id: is.str,
  appId: is.str,
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
})
export type BuildView = Static<typeof buildShape>

/**
 * One that is pending for longer was lost with its host: compiling takes 15 minutes at most, the release
 * command an hour.
 */
export const pendingMsMax = 80 * 60_000

export const jobShape = is.obj({
  appId: is.str,
  appName: is.str,
  version: is.str,
  /** Where the source lies unpacked on this host. */
  sourceDir: is.str,
  /** Commits of other repositories that are to be in it. */
  submodules: is.arr(is.obj({ path: is.str, commit: is.str })),
  by: actorShape,
})
export type BuildJob = Static<typeof jobShape>

export const Builds = protocol('builds', 1, {
  /**
   * Starts it; output goes to the output stream of the build's id on this host. `too_many` when this host
   * compiles as much as it may.
   */
  start: ask({ buildId: is.str, job: jobShape }, is.obj({})),
  /** Own results and timers. */
  notBuried: tell({ reason: is.str }),
  bury: tell({}),
})

export const Build = protocol('build', 2, {
  /** Answered once it has succeeded or failed, and that is on record. */
  finished: ask({}, buildShape),
  /** The pusher is gone: stop compiling. Ignored once the release is made. */
  cancel: tell({}),
  /** Own results and timers. */
  kept: tell({}),
  described: tell({ buildpacks: is.arr(is.str), stack: is.str }),
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
  unheard: tell({ whom: is.oneOf('app', 'releases', 'config', 'deploy'), reason: is.str }),
  /** The command of an earlier release of the app runs. */
  releaseBusy: tell({}),
  askAgain: tell({ whom: is.oneOf('app', 'releases', 'config', 'deploy') }),
  notKept: tell({ reason: is.str }),
  again: tell({}),
  over: tell({}),
})
