/** Slugs in the form that tools for Heroku's slugs read. */
import { compose, Readable } from 'node:stream'
import { createGzip, createZstdDecompress } from 'node:zlib'
import { isZstd, zstdMagicBytes } from './zstd.ts'

/** A slug's bytes as gzip; those that came in as gzip pass as they are. Fails as its source does. */
export async function* asGzip(slug: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = slug[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < zstdMagicBytes) {
    const { done, value } = await source.next()
    if (done === true) break
    head = Buffer.concat([head, value])
  }
  const whole = (async function* () {
    yield head
    yield* { [Symbol.asyncIterator]: () => source }
  })()
  yield* isZstd(head)
    ? compose(Readable.from(whole), createZstdDecompress(), createGzip({ level: 1 }))
    : whole
}
