/**
 * From the record of an app's builds to what they are: one whose host was lost with it has failed, and
 * whoever sees that first puts it on record.
 */
import type { Entry } from '../../../src/ports/store.ts'
import { buildIn, buildKey } from '../../protocols/build-record.ts'
import type { BuildView } from '../../protocols/build.ts'
import type { Edge } from '../edge.ts'
import { notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'

export const buildsOf = async (appId: string, edge: Edge): Promise<BuildView[]> => {
  const index = await edge.store.list(`builds/${appId}/`)
  return index.map((entry) => settled(entry, edge)).filter((build) => build !== undefined)
}

/** Throws Heroku's 404. */
export const buildOf = async (appId: string, id: string, edge: Edge): Promise<BuildView> => {
  const entry = uuid.test(id) ? await edge.store.get(buildKey(appId, id)) : undefined
  const build = entry && settled(entry, edge)
  if (build === undefined) throw notFound('build')
  return build
}

const settled = ({ key, value, revision }: Entry, edge: Edge): BuildView | undefined => {
  const written = buildIn(value, edge.now(), () => false)
  const build = buildIn(value, edge.now(), edge.isGone)
  if (build === undefined || build.status === written?.status) return build
  const lost = { ...build, updatedAt: edge.now() }
  // Should it fail, the next who looks sees the same.
  edge.store.update(key, Buffer.from(JSON.stringify(lost)), revision).catch(() => undefined)
  return lost
}
