/** A packed tree from this host's disk to another host, from any byte on, never in memory as a whole. */
import { open } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { PeerRefusal, peerLimits as limits } from './contract.ts'

/**
 * @param path undefined: it is not here
 * @param slugs how many are being sent by this server
 * @throws PeerRefusal: `not_found`, `busy`
 */
export const sendSlug = async (
  path: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  slugs: { sending: number },
): Promise<void> => {
  if (slugs.sending >= limits.slugsMax) throw new PeerRefusal('busy', 'too many are being sent')
  slugs.sending += 1
  try {
    await send(path, request, response)
  } finally {
    slugs.sending -= 1
  }
}

const send = async (
  path: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  // It may be removed at any time; once it is open it can be read to its end.
  const file = path === undefined ? undefined : await open(path).catch(absent)
  if (file === undefined) throw new PeerRefusal('not_found', 'it is not on this host')
  try {
    const { size } = await file.stat()
    const from = Number(/^bytes=(\d{1,15})-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from > size) throw new PeerRefusal('not_found', `it has ${size} bytes`)
    const partly = from > 0 ? { 'content-range': `bytes ${from}-${size - 1}/${size}` } : {}
    response.writeHead(from > 0 ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': size - from,
      ...partly,
    })
    response.setTimeout(limits.silenceMs, () => response.destroy())
    await pipeline(file.createReadStream({ start: from, autoClose: false }), response).catch(readerGone)
  } finally {
    await file.close()
  }
}

const absent = (error: unknown): undefined => {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

const readerGone = (error: unknown): void => {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ECONNRESET' && code !== 'EPIPE') throw error
}
