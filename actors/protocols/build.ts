/** Build: from a source archive to a release. Keyed by build id, durable. */
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

export const Build = protocol('build', 1, {
  /**
   * The source lies unpacked in `sourceDir` on this host. Output goes to the output stream of the build's id.
   */
  start: ask(
    { appId: is.str, appName: is.str, version: is.str, sourceDir: is.str, by: actorShape },
    buildShape,
  ),
  /** Answered once it has succeeded or failed. */
  finished: ask({}, buildShape),
  info: ask({}, buildShape),
  /** The pusher is gone: stop compiling. Ignored once the release is made. */
  cancel: tell({}),
  /** Own results. */
  described: tell({ buildpacks: is.arr(is.str), stack: is.str }),
  configured: tell({ configId: is.str }),
  compiled: tell({ slug: slugShape }),
  released: tell({ releaseId: is.str, version: is.int }),
  failed: tell({ code: is.str, reason: is.str }),
})
