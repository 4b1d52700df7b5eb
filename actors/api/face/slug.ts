/**
 * Slugs made elsewhere, by their signed addresses: `PUT /slugs/<app>/<slug>.tgz`, `GET
 * /slugs/<slug>/<upload>.tgz`.
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
import { slugAt, slugRecordIn, uploadObject, type SlugRecord } from '../../protocols/slug-record.ts'
import type { SignedAddresses } from '../signed.ts'
import { sayText, type Mount } from './mount.ts'
import { bounded, TooLarge, type Status, type UploadGate } from './upload.ts'

export type SlugUploadDeps = {
  readonly signed: SignedAddresses
  readonly store: Store
  readonly objects: Objects
  readonly random: Random
  readonly gate: UploadGate
}

export const slugUploads = (deps: SlugUploadDeps): Mount => ({
  at(method, path) {
    const found = method === 'PUT' || method === 'GET' ? slugAt(method, path) : undefined
    if (found === undefined) return undefined
    return async (req, res) => {
      if (!deps.signed.holds(method === 'PUT' ? 'PUT' : 'GET', req.url ?? ''))
        sayText(res, 403, 'This address is not good, or not any more.\n', { connection: 'close' })
      else if (method === 'PUT') {
        const { code, text } = await deps.gate(() => put(req, found, deps))
        sayText(res, code, text, code === 200 ? {} : { connection: 'close' })
      } else {
        const source = await deps.objects.get(found)
        if (source === undefined) return sayText(res, 404, 'This slug is not kept any more.\n')
        res.writeHead(200, { 'content-type': 'application/gzip' })
        await pipeline(Readable.from(source, { objectMode: false }), res)
      }
    }
  },
})

const taken: Status = { code: 409, text: 'This slug was uploaded already.\n' }

const put = async (
  req: IncomingMessage,
  key: string,
  { store, objects, random }: SlugUploadDeps,
): Promise<Status> => {
  const entry = await store.get(key)
  const record = entry && slugRecordIn(entry.value)
  if (entry === undefined || record === undefined) return { code: 404, text: 'No such slug.\n' }
  if (record.uploaded !== null) return taken
  const object = uploadObject(record.id, random.uuid())
  try {
    const { sha256, bytes } = await objects.put(object, bounded(req, heroku.slugBytesMax))
    const uploaded: SlugRecord = { ...record, uploaded: { object, sha256, bytes } }
    await store.update(key, Buffer.from(JSON.stringify(uploaded)), entry.revision)
    return { code: 200, text: '' }
  } catch (error) {
    if (error instanceof TooLarge) return { code: 413, text: `A slug may have ${error.bytesMax} bytes.\n` }
    if (!(error instanceof StoreConflict)) throw error
    await objects.remove(object)
    return taken
  }
}
