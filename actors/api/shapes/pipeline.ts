/** Pipelines, the apps in them and promotions, as the Platform API shows them. */
import type { Coupling, PipelineView } from '../../protocols/pipeline.ts'
import type { PromotionTarget, PromotionView } from '../../protocols/promotion.ts'
import { generation, idFor, named, timeText } from './common.ts'

export const pipelineBody = (pipeline: PipelineView): object => ({
  created_at: timeText(pipeline.createdAt),
  generation,
  id: pipeline.id,
  name: pipeline.name,
  owner: { id: pipeline.owner.id, type: pipeline.isOfTeam === true ? 'team' : 'user' },
  updated_at: timeText(pipeline.updatedAt),
})

/**
 * An app has one coupling at most, so its id is the app's with another version of UUID (8: by one's own
 * rules), and leads back to it.
 */
export const couplingId = (appId: string): string => appId.replace(/^(.{14})4/, '$18')
/** Undefined: no coupling has that id. */
export const coupledApp = (id: string): string | undefined =>
  /^.{14}8/.test(id) ? id.replace(/^(.{14})8/, '$14') : undefined

export const couplingBody = (coupling: Coupling, pipeline: PipelineView): object => ({
  app: { id: coupling.appId },
  created_at: timeText(coupling.createdAt),
  id: couplingId(coupling.appId),
  pipeline: named(pipeline),
  stage: coupling.stage,
  updated_at: timeText(coupling.updatedAt),
})

export const promotionBody = (promotion: PromotionView): object => ({
  created_at: timeText(promotion.createdAt),
  id: promotion.id,
  pipeline: { id: promotion.pipelineId },
  source: { app: { id: promotion.source.appId }, release: { id: promotion.source.releaseId } },
  status: promotion.targets.some(({ status }) => status === 'pending') ? 'pending' : 'completed',
  updated_at: timeText(promotion.updatedAt),
})

export const targetId = ({ id }: Pick<PromotionView, 'id'>, appId: string): string =>
  idFor('promotion-target', id, appId)

export const promotionTargetBody = (target: PromotionTarget, promotion: PromotionView): object => ({
  app: { id: target.appId },
  error_message: target.error,
  id: targetId(promotion, target.appId),
  pipeline_promotion: { id: promotion.id },
  release: target.releaseId === null ? null : { id: target.releaseId },
  status: target.status,
})
