/**
 * Output: `GET /streams/<id>[?on=<host>&of=<app>]`, what a build or a release command says, from its start
 * until its end; and `GET /slugs/<sha256>.tgz`, a packed slug.
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { OutputStreams } from '../edge.ts'
import { uuid } from '../name-index.ts'
import { sayText, type Mount } from './mount.ts'

const streamPath = /^\/streams\/([a-z0-9-]{16,64})$/
const slugPath = /^\/slugs\/([0-9a-f]{64})\.tgz$/

/** Ids are unguessable, so there is no other credential: the client sends none. */
export const outputMount = (streams: OutputStreams): Mount => ({
  at(method, pathname) {
    const id = streamPath.exec(pathname)?.[1]
    if (id === undefined || method !== 'GET') return undefined
    return async (req, res) => {
      const { searchParams } = new URL(req.url ?? '', 'http://localhost')
      const of = searchParams.get('of') ?? ''
      const appId = uuid.test(of) ? of : undefined
      const where = { host: searchParams.get('on') ?? undefined, appId }
      const head = (): void => {
        if (!res.headersSent)
          res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' })
      }
      const onText = (text: string): void => {
        head()
        res.write(text)
      }
      const onEnd = (): void => {
        head()
        res.end()
      }
      const watching = await streams.watch(id, { onText, onEnd }, where)
      if (watching === undefined) sayText(res, 404, 'No such stream.\n')
      else if (res.destroyed) watching.close()
      else {
        head()
        res.flushHeaders()
        res.once('close', watching.close)
      }
    }
  },
})

/** The packed slug by its sum, which only those know who may have it. */
export const slugMount = (slugs: {
  readonly get: (sha256: string) => Promise<AsyncIterable<Uint8Array> | undefined>
}): Mount => ({
  at(method, pathname) {
    const sha256 = slugPath.exec(pathname)?.[1]
    if (sha256 === undefined || method !== 'GET') return undefined
    return async (_req, res) => {
      const source = await slugs.get(sha256)
      if (source === undefined) {
        sayText(res, 404, 'No such slug.\n')
        return
      }
      res.writeHead(200, { 'content-type': 'application/gzip' })
      await pipeline(Readable.from(source, { objectMode: false }), res)
    }
  },
})
