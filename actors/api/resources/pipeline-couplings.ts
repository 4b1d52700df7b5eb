/** Pipeline couplings: which apps a pipeline has, and in which stage. */
import { is, ref } from '../../../src/runtime/index.ts'
import type { AppView } from '../../protocols/app.ts'
import { Pipeline, stageShape } from '../../protocols/pipeline.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Reply, type Request } from '../endpoint.ts'
import { notFound } from '../errors.ts'
import { cut, list } from '../range.ts'
import { coupledApp, couplingBody, couplingId } from '../shapes/pipeline.ts'
import { appOf, thisApp } from './app-of.ts'
import { couplingOf, ownPipelines, pipelineOf, type Coupled } from './pipeline-of.ts'

const resource = 'pipeline_coupling'

export const pipelineCouplings = [
  endpoint({
    name: 'pipeline-couplings.create',
    http: { method: 'POST', path: '/pipeline-couplings' },
    summary: 'Put an app into a stage of a pipeline',
    body: is.obj({ app: is.str, pipeline: is.str, stage: stageShape }),
    async run(request, edge) {
      const { stage } = request.body
      const app = await appOf(request, edge, request.body.app)
      const pipeline = await pipelineOf(request, edge, request.body.pipeline)
      const couple = { type: 'couple', appId: app.id, stage } as const
      return created(couplingBody(await request.ask(ref(Pipeline, pipeline.id), couple), pipeline))
    },
  }),
  endpoint({
    name: 'pipeline-couplings.list',
    http: { method: 'GET', path: '/pipeline-couplings', also: ['/users/~/pipeline-couplings'] },
    summary: "Apps of the account's pipelines",
    async run(request, edge) {
      const all = await ownPipelines(request, edge)
      return page(
        request,
        all.flatMap((pipeline) => pipeline.couplings.map((coupling) => ({ pipeline, coupling }))),
      )
    },
  }),
  endpoint({
    name: 'pipeline-couplings.list-by-pipeline',
    http: { method: 'GET', path: '/pipelines/:pipeline/pipeline-couplings' },
    summary: 'Apps of a pipeline',
    async run(request, edge) {
      const pipeline = await pipelineOf(request, edge, request.params.pipeline)
      return page(
        request,
        pipeline.couplings.map((coupling) => ({ pipeline, coupling })),
      )
    },
  }),
  endpoint({
    name: 'pipeline-couplings.info-by-app',
    http: { method: 'GET', path: '/apps/:app/pipeline-couplings' },
    summary: "An app's pipeline and stage",
    async run(request, edge) {
      const { coupling, pipeline } = await couplingOf(request, await thisApp(request, edge))
      return ok(couplingBody(coupling, pipeline))
    },
  }),
  endpoint({
    name: 'pipeline-couplings.info',
    http: { method: 'GET', path: '/pipeline-couplings/:coupling' },
    summary: 'An app in a pipeline',
    async run(request, edge) {
      const { coupling, pipeline } = await thisCoupling(request, edge)
      return ok(couplingBody(coupling, pipeline))
    },
  }),
  endpoint({
    name: 'pipeline-couplings.update',
    http: { method: 'PATCH', path: '/pipeline-couplings/:coupling' },
    summary: 'Move an app to another stage',
    body: is.obj({ stage: is.opt(stageShape) }),
    async run(request, edge) {
      const { coupling, pipeline, app } = await thisCoupling(request, edge)
      const { stage = coupling.stage } = request.body
      const restage = { type: 'restage', appId: app.id, stage } as const
      return ok(couplingBody(await request.ask(ref(Pipeline, pipeline.id), restage, { resource }), pipeline))
    },
  }),
  endpoint({
    name: 'pipeline-couplings.delete',
    http: { method: 'DELETE', path: '/pipeline-couplings/:coupling' },
    summary: 'Take an app out of its pipeline',
    async run(request, edge) {
      const { pipeline, app } = await thisCoupling(request, edge)
      const uncouple = { type: 'uncouple', appId: app.id } as const
      return ok(couplingBody(await request.ask(ref(Pipeline, pipeline.id), uncouple, { resource }), pipeline))
    },
  }),
]

const page = (request: Request, all: readonly Coupled[]): Reply => {
  const cutOut = cut(all, request.range, { id: ({ coupling }) => couplingId(coupling.appId) })
  return list(
    cutOut,
    cutOut.items.map(({ coupling, pipeline }) => couplingBody(coupling, pipeline)),
  )
}

/** That of an app which the caller may not see is not there. */
const thisCoupling = async (
  request: Request<{ readonly coupling: string }>,
  edge: Edge,
): Promise<Coupled & { readonly app: AppView }> => {
  const appId = coupledApp(request.params.coupling)
  if (appId === undefined) throw notFound(resource)
  const app = await appOf(request, edge, appId)
  return { ...(await couplingOf(request, app)), app }
}
