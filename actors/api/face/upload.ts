/** The body of an upload, as long as it is not too long and its end is its end. */
import type { IncomingMessage } from 'node:http'

export class TooLarge extends Error {
  override readonly name = 'TooLarge'
  readonly code = 'too_large'
  readonly bytesMax: number
  constructor(bytesMax: number) {
    super(`more than ${bytesMax} bytes`)
    this.bytesMax = bytesMax
  }
}

/** Throws TooLarge as soon as that is known, and when the client went away before its last byte. */
export async function* bounded(req: IncomingMessage, bytesMax: number): AsyncGenerator<Uint8Array> {
  if (Number(req.headers['content-length'] ?? 0) > bytesMax) throw new TooLarge(bytesMax)
  let bytes = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new TooLarge(bytesMax)
    yield chunk
  }
  if (!req.complete) throw new Error('the upload ended early')
}
