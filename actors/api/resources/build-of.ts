/**
 * From the record of an app's builds to what they are: one whose host was lost with it is over, and whoever
 * sees that first puts it on record.
 */
import { buildKey } from '../../protocols/build-record.ts'
import type { BuildView } from '../../protocols/build.ts'
import type { Edge } from '../edge.ts'
import { notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'

export const buildsOf = async (appId: string, { store, lostBuilds }: Edge): Promise<BuildView[]> => {
  const views = await Promise.all((await store.list(`builds/${appId}/`)).map(lostBuilds.view))
  return views.filter((build) => build !== undefined)
}

/** Throws Heroku's 404. */
export const buildOf = async (appId: string, id: string, { store, lostBuilds }: Edge): Promise<BuildView> => {
  const entry = uuid.test(id) ? await store.get(buildKey(appId, id)) : undefined
  const build = entry && (await lostBuilds.view(entry))
  if (build === undefined) throw notFound('build')
  return build
}
