/** From the id of a slug to the slug: one that a release carries, or one that was uploaded for a release. */
import { ref } from '../../../src/runtime/index.ts'
import { Releases } from '../../protocols/releases.ts'
import type { Slug } from '../../protocols/shapes.ts'
import { slugKey, slugOfRecord, slugRecordIn, type SlugRecord } from '../../protocols/slug-record.ts'
import type { Edge } from '../edge.ts'
import type { Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'

export type Known = { readonly slug: Slug } | { readonly record: SlugRecord }

/** Throws Heroku's 404. */
export const slugOf = async (request: Request, appId: string, id: string, edge: Edge): Promise<Known> => {
  const ledger = await request.ask(ref(Releases, appId), { type: 'list' })
  const carried = ledger.releases.findLast((release) => release.slug?.id === id)?.slug
  if (carried != null) return { slug: carried }
  const entry = uuid.test(id) ? await edge.store.get(slugKey(appId, id)) : undefined
  const record = entry && slugRecordIn(entry.value)
  if (record === undefined) throw notFound('slug')
  const slug = slugOfRecord(record)
  return slug === undefined ? { record } : { slug }
}

/** Throws Heroku's 404, and 422 for one without content. */
export const releasable = async (request: Request, appId: string, id: string, edge: Edge): Promise<Slug> => {
  const known = await slugOf(request, appId, id, edge)
  if ('slug' in known) return known.slug
  throw invalid(`Slug ${id} has no content: PUT it to the url of its blob first.`)
}
