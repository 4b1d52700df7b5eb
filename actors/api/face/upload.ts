/** Uploads: a bounded number at once, each as long as it is not too long and its end is its end. */
import type { IncomingMessage } from 'node:http'

/** What an upload is answered with. */
export type Status = { readonly code: number; readonly text: string }
/** Lets an upload in, or says that there are too many. */
export type UploadGate = (upload: () => Promise<Status>) => Promise<Status>

/** Each has a few chunks in memory. */
export const uploadGate = (uploadsMax: number): UploadGate => {
  let underWay = 0
  return async (upload) => {
    if (underWay >= uploadsMax)
      return { code: 503, text: `${uploadsMax} uploads are under way. Please try again in a moment.\n` }
    underWay += 1
    try {
      return await upload()
    } finally {
      underWay -= 1
    }
  }
}

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
