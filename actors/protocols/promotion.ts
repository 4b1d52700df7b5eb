/**
 * Promotion: the code of one app of a pipeline, released by others of it. Keyed by the promotion's id,
 * durable; for a week.
 */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { actorShape, slugShape } from './shapes.ts'

const targetShape = is.obj({
  appId: is.str,
  status: is.oneOf('pending', 'succeeded', 'failed'),
  error: is.orNull(is.str),
  /** Null: none was made yet, or none could be. */
  releaseId: is.orNull(is.str),
})
export type PromotionTarget = Static<typeof targetShape>

export const promotionShape = is.obj({
  id: is.str,
  pipelineId: is.str,
  source: is.obj({ appId: is.str, releaseId: is.str }),
  targets: is.arr(targetShape),
  by: actorShape,
  createdAt: is.int,
  updatedAt: is.int,
})
export type PromotionView = Static<typeof promotionShape>

/** Refusal codes: `not_found`. */
export const Promotion = protocol('promotion', 1, {
  /** Answered when it is on record; it goes on by itself. */
  start: ask(
    {
      pipelineId: is.str,
      source: is.obj({ appId: is.str, releaseId: is.str }),
      slug: slugShape,
      /** Of the releases to be made. */
      description: is.str,
      /** `error`: why that one cannot be had; it has failed. */
      targets: is.arr(is.obj({ appId: is.str, error: is.orNull(is.str) })),
      by: actorShape,
    },
    promotionShape,
  ),
  info: ask({}, promotionShape),
  /** Own results: its release as it stands. */
  released: tell({ appId: is.str, releaseId: is.str, status: is.str }),
  refused: tell({ appId: is.str, reason: is.str }),
  /** Nobody knows what came of it. */
  missed: tell({ appId: is.str, reason: is.str }),
  /** Own timers. */
  go: tell({}),
  over: tell({}),
})
