/** Pipeline promotions: what one app of a pipeline runs, released by others of it. */
import { is, ref } from '../../../src/runtime/index.ts'
import type { PipelineView } from '../../protocols/pipeline.ts'
import { Promotion, type PromotionView } from '../../protocols/promotion.ts'
import { Releases } from '../../protocols/releases.ts'
import type { Release } from '../../protocols/shapes.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, listOf } from '../range.ts'
import { promotionBody, promotionTargetBody, targetId } from '../shapes/pipeline.ts'
import { appOf } from './app-of.ts'
import { ifHidden, pipelineOf } from './pipeline-of.ts'

const resource = 'pipeline_promotion'
const commitDigits = 8
const refShape = is.obj({ id: is.str })

export const pipelinePromotions = [
  endpoint({
    name: 'pipeline-promotions.create',
    http: { method: 'POST', path: '/pipeline-promotions' },
    summary: 'Release what an app runs to other apps of its pipeline',
    needs: 'deploy',
    body: is.obj({
      pipeline: refShape,
      source: is.obj({ app: refShape, release: is.opt(is.orNull(refShape)) }),
      targets: is.arr(is.obj({ app: refShape })),
    }),
    async run(request, edge) {
      const { source, targets } = request.body
      const pipeline = await pipelineOf(request, edge, request.body.pipeline.id)
      const from = await appOf(request, edge, source.app.id)
      checkIn(pipeline, from.id, 'Source')
      const ids = targets.map(({ app }) => app.id)
      if (ids.length === 0) throw invalid('A promotion needs at least one target app.')
      if (new Set(ids).size !== ids.length) throw invalid('A target app can be named only once.')
      for (const id of ids) checkIn(pipeline, id, 'Target')
      if (ids.includes(from.id)) throw invalid(`Cannot promote an app to itself: ${from.name}.`)
      const release = await releaseOf(request, from.id, source.release?.id)
      const { slug, version } = release
      if (slug === null) throw invalid(`Release v${version} of ${from.name} has no slug to promote.`)
      const promotion = await request.ask(
        ref(Promotion, edge.random.uuid()),
        {
          type: 'start',
          pipelineId: pipeline.id,
          source: { appId: from.id, releaseId: release.id },
          slug,
          description: `Promote ${from.name} v${version} ${(slug.commit || slug.id).slice(0, commitDigits)}`,
          targets: await Promise.all(ids.map((appId) => targetOf(request, edge, appId))),
          by: request.who,
        },
        { resource },
      )
      return created(promotionBody(promotion))
    },
  }),
  endpoint({
    name: 'pipeline-promotions.info',
    http: { method: 'GET', path: '/pipeline-promotions/:promotion' },
    summary: 'How a promotion stands',
    run: async (request, edge) => ok(promotionBody(await thisPromotion(request, edge))),
  }),
  endpoint({
    name: 'pipeline-promotions.targets',
    http: { method: 'GET', path: '/pipeline-promotions/:promotion/promotion-targets' },
    summary: 'How each target of a promotion stands',
    async run(request, edge) {
      const promotion = await thisPromotion(request, edge)
      const page = cut(promotion.targets, request.range, { id: ({ appId }) => targetId(promotion, appId) })
      return listOf(page, (target) => promotionTargetBody(target, promotion))
    },
  }),
]

const checkIn = ({ couplings, name }: PipelineView, appId: string, what: string): void => {
  if (couplings.some((one) => one.appId === appId)) return
  throw invalid(`${what} app ${appId.slice(0, 100)} is not in the pipeline ${name}.`)
}

/** The one that is asked for, else the one that holds. */
const releaseOf = async (request: Request, appId: string, id: string | undefined): Promise<Release> => {
  const ledger = ref(Releases, appId)
  if (id === undefined) return (await request.ask(ledger, { type: 'current' })).release
  const { release } = await request.ask(ledger, { type: 'find', which: id }, { resource: 'release' })
  if (release.status !== 'succeeded')
    throw invalid(`Release v${release.version} cannot be promoted: it is ${release.status}.`)
  return release
}

/** Of the others one learns what became of it; this one fails by itself. */
const targetOf = async (request: Request, edge: Edge, appId: string) => {
  const app = await appOf(request, edge, appId).catch(ifHidden)
  return { appId, error: app === undefined ? 'User does not have access to that app' : null }
}

const thisPromotion = async (
  request: Request<{ readonly promotion: string }>,
  edge: Edge,
): Promise<PromotionView> => {
  const { promotion: id } = request.params
  if (!uuid.test(id)) throw notFound(resource)
  const found = await request.ask(ref(Promotion, id), { type: 'info' }, { resource })
  if (found.by.id === request.caller.user.id) return found
  await pipelineOf(request, edge, found.pipelineId).catch((error: unknown) => {
    throw error instanceof ApiError && error.code === 'not_found' ? notFound(resource) : error
  })
  return found
}
