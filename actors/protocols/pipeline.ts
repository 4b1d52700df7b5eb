/** Pipeline: apps side by side in stages. Keyed by pipeline id, durable. */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { actorShape } from './shapes.ts'

export const stages = ['test', 'review', 'development', 'staging', 'production'] as const
export const stageShape = is.oneOf(...stages)
export type Stage = Static<typeof stageShape>

/** An app in a pipeline. Its time of creation tells it from an earlier one of the same app. */
export const couplingShape = is.obj({
  appId: is.str,
  stage: stageShape,
  createdAt: is.int,
  updatedAt: is.int,
})
export type Coupling = Static<typeof couplingShape>

export const pipelineShape = is.obj({
  id: is.str,
  name: is.str,
  owner: actorShape,
  /** Absent: it is a person's. */
  isOfTeam: is.opt(is.bool),
  /** Oldest first. */
  couplings: is.arr(couplingShape),
  createdAt: is.int,
  updatedAt: is.int,
})
export type PipelineView = Static<typeof pipelineShape>

/** Refusal codes: `not_found`, `name_taken`, `invalid_params`, `conflict`. */
export const Pipeline = protocol('pipeline', 1, {
  /** Claims the name, which is its owner's alone. One that exists answers as it is. */
  create: ask({ name: is.str, owner: actorShape, isOfTeam: is.opt(is.bool) }, pipelineShape),
  info: ask({}, pipelineShape),
  rename: ask({ name: is.str }, pipelineShape),
  /** Answered once the app knows where it is: it decides, being in one pipeline at most. */
  couple: ask({ appId: is.str, stage: stageShape }, couplingShape),
  restage: ask({ appId: is.str, stage: stageShape }, couplingShape),
  /** Answered once the app may be in another. */
  uncouple: ask({ appId: is.str }, couplingShape),
  /** From App: it is being destroyed. */
  left: ask({ appId: is.str }, is.obj({})),
  /** Lets its apps go, gives the name back. */
  destroy: ask({}, pipelineShape),
  /** Own results of effects and asks. */
  claimed: tell({ name: is.str }),
  claimFailed: tell({ name: is.str, code: is.str, reason: is.str }),
  releasedName: tell({ name: is.str }),
  coupled: tell({ appId: is.str, at: is.int }),
  coupleRefused: tell({ appId: is.str, at: is.int, code: is.str, reason: is.str }),
  uncoupled: tell({ appId: is.str, at: is.int }),
  stepFailed: tell({ step: is.str, reason: is.str }),
  /** Own timers. */
  resume: tell({}),
})
