/** Slugs: what releases run, and the way in for those that were made elsewhere. */
import { heroku } from '../../../config/heroku.ts'
import { is } from '../../../src/runtime/index.ts'
import type { Slug } from '../../protocols/shapes.ts'
import { getPath, putPath, slugKey, slugsPrefix, type SlugRecord } from '../../protocols/slug-record.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok } from '../endpoint.ts'
import { invalid } from '../errors.ts'
import { emptySlugBody, slugBody } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'
import { stackNamed } from './catalog.ts'
import { slugOf } from './slug-of.ts'

const text = is.opt(is.orNull(is.str))
const typeForm = /^[-\w]{1,128}$/
const checksumForm = /^SHA256:([0-9a-f]{64})$/i
const addressMs = 3_600_000

export const slugs = [
  endpoint({
    name: 'slugs.create',
    http: { method: 'POST', path: '/apps/:app/slugs' },
    summary: 'A slug that was made elsewhere: where to upload it',
    needs: 'deploy',
    body: is.obj({
      process_types: is.map(is.str),
      buildpack_provided_description: text,
      checksum: text,
      commit: text,
      commit_description: text,
      stack: is.opt(is.json),
    }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { body } = request
      const short = (value: string | null | undefined): string =>
        (value ?? '').slice(0, heroku.descriptionCharsMax)
      const record: SlugRecord = {
        id: edge.random.uuid(),
        appId: app.id,
        stack: body.stack == null ? app.buildStack : stackNamed(body.stack, edge),
        commit: short(body.commit),
        description: short(body.commit_description),
        processTypes: typesOf(body.process_types),
        buildpackDescription: short(body.buildpack_provided_description),
        checksum: checksumOf(body.checksum),
        uploaded: null,
        createdAt: edge.now(),
      }
      if ((await edge.store.list(`${slugsPrefix}${app.id}/`)).length >= heroku.slugsMax)
        throw invalid(`More than ${heroku.slugsMax} slugs of this app wait for a release.`)
      await edge.store.create(slugKey(app.id, record.id), Buffer.from(JSON.stringify(record)))
      return created(emptySlugBody(record, putUrl(record, edge)))
    },
  }),
  endpoint({
    name: 'slugs.info',
    http: { method: 'GET', path: '/apps/:app/slugs/:slug' },
    summary: 'One slug of a release, or one that was uploaded',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const known = await slugOf(request, app.id, request.params.slug, edge)
      return ok(
        'slug' in known
          ? slugBody(known.slug, getUrl(known.slug, edge))
          : emptySlugBody(known.record, putUrl(known.record, edge)),
      )
    },
  }),
]

const putUrl = ({ appId, id }: SlugRecord, edge: Edge): string =>
  edge.signed.make('PUT', putPath(appId, id), edge.now() + addressMs)

/** Those that were built lie under their sums, which only those know who may have them. */
const getUrl = ({ sha256, object }: Slug, edge: Edge): string =>
  object === undefined
    ? `${edge.settings.apiUrl}/slugs/${sha256}.tgz`
    : edge.signed.make('GET', getPath(object), edge.now() + addressMs)

const typesOf = (types: Readonly<Record<string, string>>): Record<string, string> => {
  const entries = Object.entries(types)
  if (entries.length > heroku.processTypesMax)
    throw invalid(`process_types: no more than ${heroku.processTypesMax} process types.`)
  for (const [type, command] of entries) {
    if (!typeForm.test(type))
      throw invalid(`process_types: ${type.slice(0, 200)} must be 1 to 128 letters, digits, - and _.`)
    if (command.includes('\0')) throw invalid(`process_types.${type}: a command has no NUL byte.`)
    if (command.trim() === '' || command.length > heroku.commandCharsMax)
      throw invalid(`process_types.${type}: a command has 1 to ${heroku.commandCharsMax} characters.`)
  }
  return { ...types }
}

const checksumOf = (checksum: string | null | undefined): string | null => {
  if (checksum == null) return null
  const [, sha256] = checksumForm.exec(checksum) ?? []
  if (sha256 === undefined) throw invalid('checksum must be SHA256: and 64 hex digits.')
  return sha256.toLowerCase()
}
