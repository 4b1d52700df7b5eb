/** Pipelines: made, listed, renamed, destroyed. */
import { is, ref } from '../../../src/runtime/index.ts'
import { Pipeline } from '../../protocols/pipeline.ts'
import type { Who } from '../../protocols/shapes.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { pipelineBody } from '../shapes/pipeline.ts'
import { managerOf } from '../shapes/team.ts'
import { checkPipelineName, ownPipeline, ownPipelines, pipelineIdOf, pipelineOf } from './pipeline-of.ts'
import { teamOf } from './team-of.ts'

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
      const whose = await ownerIn(request, edge, owner)
      if ((await pipelineIdOf(edge, whose.owner.id, name)) !== undefined) throw taken(name)
      const id = edge.random.uuid()
      const made = await request.ask(
        ref(Pipeline, id),
        { type: 'create', name, ...whose },
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
      return listOf(page, pipelineBody)
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

type Whose = { readonly owner: Who; readonly isOfTeam?: boolean }
type Wanted = { readonly id: string; readonly type: 'user' | 'team' } | null | undefined

const ownerIn = async (request: Request, edge: Edge, wanted: Wanted): Promise<Whose> => {
  if (wanted?.type === 'team')
    return { owner: managerOf(await teamOf(request, edge, wanted.id, 'use')), isOfTeam: true }
  if (wanted != null && wanted.id !== request.who.id)
    throw new ApiError('forbidden', 'You can create pipelines of your own and of your teams only.')
  return { owner: request.who }
}

const taken = (name: string): ApiError => invalid(`Name ${name} is already taken`)
