/** Pipelines: made, listed, renamed, destroyed. */
import { is, ref } from '../../../src/runtime/index.ts'
import { Pipeline } from '../../protocols/pipeline.ts'
import { created, endpoint, ok } from '../endpoint.ts'
import { ApiError, invalid } from '../errors.ts'
import { cut, list } from '../range.ts'
import { pipelineBody } from '../shapes/pipeline.ts'
import { checkPipelineName, ownPipeline, ownPipelineId, ownPipelines, pipelineOf } from './pipeline-of.ts'

/** Each of its apps is told. */
const destroyTimeoutMs = 60_000
const byName = 'eq[name]'

export const pipelines = [
  endpoint({
    name: 'pipelines.create',
    http: { method: 'POST', path: '/pipelines' },
    summary: 'Create a pipeline',
    body: is.obj({
      name: is.str,
      owner: is.opt(is.orNull(is.obj({ id: is.str, type: is.oneOf('user', 'team') }))),
      generation: is.opt(is.json),
    }),
    async run(request, edge) {
      const { name, owner } = request.body
      checkPipelineName(name)
      if (owner?.type === 'team') throw invalid('Pipelines of teams are not offered here.')
      if (owner != null && owner.id !== request.who.id)
        throw new ApiError('forbidden', 'You can create pipelines of your own only.')
      if ((await ownPipelineId(request, edge, name)) !== undefined) throw taken(name)
      const id = edge.random.uuid()
      const made = await request.ask(
        ref(Pipeline, id),
        { type: 'create', name, owner: request.who },
        { resource: 'pipeline' },
      )
      return created(pipelineBody(made))
    },
  }),
  endpoint({
    name: 'pipelines.list',
    http: { method: 'GET', path: '/pipelines' },
    summary: 'List pipelines; with `eq[name]` those of that name',
    async run(request, edge) {
      const name = request.query[byName]
      const all = await ownPipelines(request, edge)
      const wanted = name === undefined ? all : all.filter((one) => one.name === name)
      const page = cut(wanted, request.range, { name: (one) => one.name, id: (one) => one.id })
      return list(page, page.items.map(pipelineBody))
    },
  }),
  endpoint({
    name: 'pipelines.info',
    http: { method: 'GET', path: '/pipelines/:pipeline' },
    summary: 'One pipeline, by id or name',
    run: async (request, edge) => ok(pipelineBody(await pipelineOf(request, edge, request.params.pipeline))),
  }),
  endpoint({
    name: 'pipelines.update',
    http: { method: 'PATCH', path: '/pipelines/:pipeline' },
    summary: 'Rename a pipeline',
    body: is.obj({ name: is.opt(is.str) }),
    async run(request, edge) {
      const pipeline = await ownPipeline(request, edge, request.params.pipeline)
      const { name = pipeline.name } = request.body
      checkPipelineName(name)
      const rename = { type: 'rename', name } as const
      return ok(pipelineBody(await request.ask(ref(Pipeline, pipeline.id), rename, { resource: 'pipeline' })))
    },
  }),
  endpoint({
    name: 'pipelines.destroy',
    http: { method: 'DELETE', path: '/pipelines/:pipeline' },
    summary: 'Destroy a pipeline; its apps stay',
    timeoutMs: destroyTimeoutMs,
    async run(request, edge) {
      const { id } = await ownPipeline(request, edge, request.params.pipeline)
      const about = { resource: 'pipeline', timeoutMs: destroyTimeoutMs }
      return ok(pipelineBody(await request.ask(ref(Pipeline, id), { type: 'destroy' }, about)))
    },
  }),
]

const taken = (name: string): ApiError => invalid(`Name ${name} is already taken`)
