/**
 * Source: `PUT` and `GET /sources/…`, a source archive by its signed address; straight into the object store
 * and out of it, a few chunks of it in memory at a time.
 */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Objects } from '../../../src/ports/store.ts'
import { archiveLimits } from '../../../src/slug/source-archive.ts'
import { sourceAt } from '../../protocols/source.ts'
import type { SignedAddresses } from '../signed.ts'
import { sayText, type Mount } from './mount.ts'
import { bounded, TooLarge, type Status, type UploadGate } from './upload.ts'

export const sourceMount = (
  signed: SignedAddresses,
  objects: Pick<Objects, 'put' | 'get'>,
  gate: UploadGate,
): Mount => ({
  at(method, path) {
    const object = sourceAt(path)
    if (object === undefined || (method !== 'PUT' && method !== 'GET')) return undefined
    return async (req, res) => {
      if (!signed.holds(method, req.url ?? '')) {
        sayText(res, 403, 'This address is not good, or not any more.\n', { connection: 'close' })
        return
      }
      if (method === 'PUT') {
        const status = await gate(() => put(req, object, objects))
        sayText(res, status.code, status.text, status.code === 200 ? {} : { connection: 'close' })
        return
      }
      const source = await objects.get(object)
      if (source === undefined) {
        sayText(res, 404, 'Nothing was uploaded here.\n')
        return
      }
      res.writeHead(200, { 'content-type': 'application/gzip' })
      await pipeline(Readable.from(source, { objectMode: false }), res)
    }
  },
})

const put = async (req: IncomingMessage, object: string, objects: Pick<Objects, 'put'>): Promise<Status> => {
  try {
    await objects.put(object, bounded(req, archiveLimits.archiveBytesMax))
    return { code: 200, text: '' }
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error
    return { code: 413, text: `A source may have ${error.bytesMax} bytes.\n` }
  }
}
