/** From what a path says of a pipeline to the pipeline, if the caller may see it. */
import { ref } from '../../../src/runtime/index.ts'
import { holderOf, nameKey } from '../../effects/perform/names.ts'
import { pipelineIdOf as pipelineOfApp, type AppView } from '../../protocols/app.ts'
import { Pipeline, type Coupling, type PipelineView } from '../../protocols/pipeline.ts'
import { mayInTeam, type TeamPermission } from '../access.ts'
import type { Edge } from '../edge.ts'
import type { Request } from '../endpoint.ts'
import { ApiError, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { appOf } from './app-of.ts'
import { ownTeams } from './team-of.ts'

const resource = 'pipeline'
const atOnce = 32

/**
 * By id, or by a name among one's own and one's teams'. Throws Heroku's 404: what one may not see is not
 * there.
 */
export const pipelineOf = async (request: Request, edge: Edge, which: string): Promise<PipelineView> => {
  const id = uuid.test(which) ? which : await ownPipelineId(request, edge, which)
  if (id === undefined) throw notFound(resource)
  const found = await request.ask(ref(Pipeline, id), { type: 'info' }, { resource })
  if (await may(request, edge, found, 'see')) return found
  // Whoever may see one of its apps may see it.
  const toSee = { ...request, needs: 'view' } as const
  for (const { appId } of found.couplings)
    if ((await appOf(toSee, edge, appId).catch(ifHidden)) !== undefined) return found
  throw notFound(resource)
}

/** The same, for whoever is going to change it. */
export const ownPipeline = async (request: Request, edge: Edge, which: string): Promise<PipelineView> => {
  const found = await pipelineOf(request, edge, which)
  if (await may(request, edge, found, 'use')) return found
  throw new ApiError('forbidden', `You do not have access to the pipeline ${found.name}.`)
}

/** Of a team: those who may see or use it may as well see or change its pipelines. */
const may = async (
  { caller: { user } }: Request,
  { teams }: Edge,
  { owner, isOfTeam }: PipelineView,
  needed: TeamPermission,
): Promise<boolean> => {
  if (user.operator === true) return true
  if (isOfTeam !== true) return user.id === owner.id
  const team = await teams.view(owner.id)
  return team !== undefined && mayInTeam(team, user, needed)
}

const pipelineName = /^[a-z][a-z0-9-]{2,29}$/

export const pipelineIdOf = async (
  { store }: Edge,
  ownerId: string,
  name: string,
): Promise<string | undefined> =>
  pipelineName.test(name) ? (await holderOf(store, 'pipeline', `${ownerId}/${name}`))?.appId : undefined

const ownPipelineId = async (request: Request, edge: Edge, name: string): Promise<string | undefined> => {
  for (const ownerId of await ownersOf(request, edge)) {
    const id = await pipelineIdOf(edge, ownerId, name)
    if (id !== undefined) return id
  }
  return undefined
}

/** The caller, and its teams. */
const ownersOf = async (request: Request, edge: Edge): Promise<readonly string[]> => [
  request.who.id,
  ...(await ownTeams(request, edge)).map(({ team }) => team.id),
]

export const checkPipelineName = (name: string): string => {
  if (pipelineName.test(name)) return name
  throw new ApiError(
    'invalid_params',
    'Name must start with a letter, have 3 to 30 characters and can only contain lowercase letters, digits, ' +
      'and dashes.',
  )
}

/** One's own and one's teams', by name. */
export const ownPipelines = async (request: Request, edge: Edge): Promise<PipelineView[]> => {
  const owners = await ownersOf(request, edge)
  const parts = await Promise.all(owners.map((id) => edge.store.list(nameKey('pipeline', `${id}/`))))
  const entries = parts.flat()
  const ids = entries.map(({ value }) => (JSON.parse(Buffer.from(value).toString('utf8')) as Held).appId)
  const found: PipelineView[] = []
  for (let at = 0; at < ids.length; at += atOnce) {
    const batch = ids.slice(at, at + atOnce)
    const asked = batch.map((id) =>
      request.ask(ref(Pipeline, id), { type: 'info' }, { resource }).catch(ifHidden),
    )
    found.push(...(await Promise.all(asked)).filter((one) => one !== undefined))
  }
  return found
}
type Held = { readonly appId: string }

export type Coupled = { readonly pipeline: PipelineView; readonly coupling: Coupling }

/** Where an app is. Throws Heroku's 404 for one that is in no pipeline. */
export const couplingOf = async (request: Request, app: AppView): Promise<Coupled> => {
  const id = pipelineOfApp(app)
  if (id === undefined) throw notFound('pipeline_coupling')
  const about = { resource: 'pipeline_coupling' }
  const pipeline = await request.ask(ref(Pipeline, id), { type: 'info' }, about)
  const coupling = pipeline.couplings.find(({ appId }) => appId === app.id)
  if (coupling === undefined) throw notFound('pipeline_coupling')
  return { pipeline, coupling }
}

/** What is gone, or somebody else's, is left out. */
export const ifHidden = (error: unknown): undefined => {
  if (error instanceof ApiError && (error.code === 'not_found' || error.code === 'forbidden'))
    return undefined
  throw error
}
