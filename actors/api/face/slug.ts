/**
 * Slugs made elsewhere: `PUT` and `GET /slugs/<app>/<slug>.tgz` by their signed addresses.
 *
 * Each upload goes into an object of its own; the record says which one is the slug's, and says so once. Of
 * two at a time one is refused, and what was refused is removed.
 */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Random } from '../../../src/ports/random.ts'
import { StoreConflict, type Objects, type Store } from '../../../src/ports/store.ts'
import { heroku } from '../../../config/heroku.ts'
import { slugKeyAt, slugRecordIn, type SlugRecord } from '../../protocols/slug-record.ts'
import type { SignedAddresses } from '../signed.ts'
import { sayText, type Mount } from './mount.ts'
import { bounded, TooLarge } from './upload.ts'

export type SlugUploadDeps = {
  readonly signed: SignedAddresses
  readonly store: Store
  readonly objects: Objects
  readonly random: Random
}

export const slugUploads = (deps: SlugUploadDeps): Mount => ({
  at(method, path) {
    const key = slugKeyAt(path)
    if (key === undefined || (method !== 'PUT' && method !== 'GET')) return undefined
    return async (req, res) => {
      if (!deps.signed.holds(method, req.url ?? '')) {
        sayText(res, 403, 'This address is not good, or not any more.\n', { connection: 'close' })
        return
      }
      const entry = await deps.store.get(key)
      const record = entry && slugRecordIn(entry.value)
      if (entry === undefined || record === undefined) {
        sayText(res, 404, 'No such slug.\n', { connection: 'close' })
        return
      }
      if (method === 'PUT') {
        const { code, text } = await put(req, { ...deps, key, record, revision: entry.revision })
        sayText(res, code, text, code === 200 ? {} : { connection: 'close' })
        return
      }
      const source = record.uploaded && (await deps.objects.get(record.uploaded.object))
      if (source == null) {
        sayText(res, 404, 'Nothing was uploaded here.\n')
        return
      }
      res.writeHead(200, { 'content-type': 'application/gzip' })
      await pipeline(Readable.from(source, { objectMode: false }), res)
    }
  },
})

type Put = SlugUploadDeps & { readonly key: string; readonly record: SlugRecord; readonly revision: number }
type Status = { readonly code: number; readonly text: string }

const taken: Status = { code: 409, text: 'This slug was uploaded already.\n' }

const put = async (
  req: IncomingMessage,
  { store, objects, random, key, record, revision }: Put,
): Promise<Status> => {
  if (record.uploaded !== null) return taken
  const object = `slug/${record.id}/${random.uuid()}`
  try {
    const { sha256, bytes } = await objects.put(object, bounded(req, heroku.slugBytesMax))
    const uploaded: SlugRecord = { ...record, uploaded: { object, sha256, bytes } }
    await store.update(key, Buffer.from(JSON.stringify(uploaded)), revision)
    return { code: 200, text: '' }
  } catch (error) {
    if (error instanceof TooLarge) return { code: 413, text: `A slug may have ${error.bytesMax} bytes.\n` }
    if (!(error instanceof StoreConflict)) throw error
    await objects.remove(object)
    return taken
  }
}
