/** From what a path says of an app (its name or its id) to the app, if the caller may see it. */
import { ref } from '../../../src/runtime/index.ts'
import { App } from '../../protocols/app.ts'
import type { Edge } from '../edge.ts'
import type { Request } from '../endpoint.ts'
import { needPermission, type SeenApp } from '../access.ts'
import { ApiError, notFound } from '../errors.ts'
import { appIdOf, uuid } from '../name-index.ts'
import { seen } from './team-of.ts'

type AppRequest = Request<{ readonly app: string }>

/** Throws Heroku's 404, and its 403 when the caller may not do at it what this endpoint does. */
export const appOf = async (request: Request, edge: Edge, which: string): Promise<SeenApp> => {
  const id = uuid.test(which) ? which : await appIdOf(edge.store, which)
  if (id === undefined) throw notFound('app')
  const app = await seen(await request.ask(ref(App, id), { type: 'info' }), edge)
  needPermission(app, request.caller, request.needs)
  return app
}

/** Of a list, by its id: as it is on record. Undefined: it is gone by now, or somebody else's. */
export const listedApp = async (request: Request, edge: Edge, id: string): Promise<SeenApp | undefined> => {
  try {
    const found = await edge.lists.view(id)
    if (found === undefined) return await appOf(request, edge, id)
    if (found === null) return undefined
    const app = await seen(found, edge)
    needPermission(app, request.caller, request.needs)
    return app
  } catch (error) {
    if (error instanceof ApiError && (error.code === 'not_found' || error.code === 'forbidden'))
      return undefined
    throw error
  }
}

/** The app of a path `/apps/:app…`. */
export const thisApp = (request: AppRequest, edge: Edge): Promise<SeenApp> =>
  appOf(request, edge, request.params.app)
