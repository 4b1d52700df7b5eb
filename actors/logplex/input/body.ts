/** The bytes of a request's body, piece by piece as they come, unpacked where they are packed. */
import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'

/**
 * Stops reading when `take` gives a reason to, which is what it answers with; the rest of the body is read
 * and thrown away, so that its sender gets to see the answer. `broken`: it ended early, or is no gzip.
 */
export const readBody = async <Refusal extends string>(
  req: IncomingMessage,
  isGzip: boolean,
  take: (piece: Buffer) => Refusal | undefined,
): Promise<Refusal | 'broken' | undefined> => {
  const gunzip = isGzip ? createGunzip() : undefined
  if (gunzip !== undefined) {
    req.pipe(gunzip)
    req.once('close', () => {
      if (!req.complete) gunzip.destroy(new Error('the request was cut off'))
    })
  }
  try {
    // A request that is destroyed takes the connection with it, and so the answer.
    for await (const piece of (gunzip ?? req).iterator({ destroyOnReturn: false })) {
      const refusal = take(piece as Buffer)
      if (refusal !== undefined) return refusal
    }
    return undefined
  } catch {
    return 'broken'
  } finally {
    req.unpipe()
    gunzip?.destroy()
    req.resume()
  }
}
